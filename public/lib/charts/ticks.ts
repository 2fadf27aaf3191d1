const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const timeSteps = [
  ...[1, 5, 10, 15, 30].map((seconds) => seconds * secondMs),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minuteMs),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * hourMs),
];

export type Ticks = { readonly at: readonly number[]; readonly step: number };

/** Whole numbers 1, 2 or 5 times a power of ten apart, so that at most `most` of them lie in the range. */
export function countTicks([from, to]: readonly [number, number], most: number): Ticks {
  const least = (to - from) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least) ?? 10 * power;
  return { at: multiples(from, to, step, 0), step };
}

/** Round moments of the local day. `offsetMs`: local time minus UTC. */
export function timeTicks([from, to]: readonly [number, number], most: number, offsetMs: number): Ticks {
  const least = (to - from) / Math.max(1, most);
  const step = timeSteps.find((each) => each >= least) ?? 24 * hourMs;
  return { at: multiples(from, to, step, offsetMs), step };
}

function multiples(from: number, to: number, step: number, offset: number): readonly number[] {
  const first = Math.ceil((from + offset) / step) * step - offset;
  const count = Math.max(0, Math.floor((to - first) / step) + 1);
  return Array.from({ length: count }, (_, index) => first + index * step);
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time of day, as 20:05 or 20:05:30. */
export function timeOfDay(atMs: number, withSeconds: boolean): string {
  const at = new Date(atMs);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${minutes}:${two(at.getSeconds())}` : minutes;
}
