import type { Random } from '../lib/random.ts';

const minuteMs = 60_000;

export type Timed<One> = {
  readonly one: One;
  /** Milliseconds of the shop's own time since the first order, nights left out. */
  readonly replayMs: number;
  /** Milliseconds after the start of the replay; 0 for all at speed 0. */
  readonly wallMs: number;
};

/**
 * Gives every line its moment. The file knows minutes only: each line gets a second of its minute by chance, lines of one day keep
 * their minutes, and a day starts where the day before ended (rounded up to its minute). `speed` divides; 0 means as fast as possible.
 */
export function schedule<One extends { readonly atMs: number; readonly lineNumber: number }>(
  ones: readonly One[],
  { speed, random }: { speed: number; random: Random },
): readonly Timed<One>[] {
  const sorted = [...ones].sort((a, b) => a.atMs - b.atMs || a.lineNumber - b.lineNumber);
  let [day, leftOutMs, lastMs] = [Number.NaN, 0, 0];
  const timed = sorted.map((one) => {
    if (dayOf(one.atMs) !== day) {
      const isFirst = Number.isNaN(day);
      day = dayOf(one.atMs);
      // The first line of a day comes one minute after the last minute of the day before it.
      const minuteAtMs = Math.floor(one.atMs / minuteMs) * minuteMs;
      leftOutMs = isFirst ? minuteAtMs : minuteAtMs - (lastMs + minuteMs);
    }
    lastMs = Math.floor((one.atMs - leftOutMs) / minuteMs) * minuteMs;
    const withinMs = one.atMs % minuteMs === 0 ? Math.floor(random() * minuteMs) : one.atMs % minuteMs;
    const replayMs = lastMs + withinMs;
    return { one, replayMs, wallMs: speed === 0 ? 0 : replayMs / speed };
  });
  return timed.sort((a, b) => a.replayMs - b.replayMs || a.one.lineNumber - b.one.lineNumber);
}

const dayOf = (atMs: number): number => Math.floor(atMs / 86_400_000);

/** h:mm:ss of a day's replay. */
export function showReplayTime(replayMs: number): string {
  const seconds = Math.floor(replayMs / 1_000);
  return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

const two = (value: number): string => value.toString().padStart(2, '0');
