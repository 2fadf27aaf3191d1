/**
 * Whether one item's counter of units can have behaved as clients were told, whatever the moments at which operations took effect.
 *
 * A unit that was acknowledged is out from some moment in its order's interval to some moment in its release's interval. Let every take
 * be as late as its answer and every release as early as its question: the number out is then as small as it can be, at every moment at
 * once, because no take and release constrain each other (a release is asked for after its take was answered). Likewise the allotment
 * is as large as it can be when increases come as early and decreases as late as they can. So a history of takes, releases and
 * allotments is possible if and only if this one arrangement never has more out than allotted: the sweep below decides it exactly, in
 * n log n. A brute-force search over all arrangements agrees (counter.test.ts).
 *
 * Answers that say "not enough left" and readings are judged each against the least or the most that may be out at some moment of their
 * interval: necessary, not sufficient, so that nothing possible is ever called impossible.
 */

/** Units that are out: certainly from `fromMs` until `untilMs`, or possibly, as the caller means it. */
export type Stay = { readonly of: string; readonly units: number; readonly fromMs: number; readonly untilMs: number };

/** A number that was allotted, and when it can have been in force at most. */
export type Cap = { readonly allotted: number; readonly fromMs: number; readonly untilMs: number };

export type Oversold = {
  readonly atMs: number;
  readonly out: number;
  readonly allotted: number;
  readonly stays: readonly Stay[];
};

/** The first moment at which more units are certainly out than can have been allotted; null: the history is possible. */
export function findOversold(stays: readonly Stay[], caps: readonly Cap[]): Oversold | null {
  const certain = stays.filter(({ fromMs, untilMs }) => fromMs < untilMs);
  // The number out grows at a take only, and the allotment shrinks at the end of a cap only.
  const moments = [...certain.map(({ fromMs }) => fromMs), ...caps.map(({ untilMs }) => untilMs)]
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const out = new Steps(certain);
  for (const atMs of moments) {
    const allotted = allottedAt(caps, atMs, Math.max);
    if (allotted === null || out.at(atMs) <= allotted) continue;
    const guilty = certain.filter((stay) => stay.fromMs <= atMs && atMs < stay.untilMs);
    return { atMs, out: out.at(atMs), allotted, stays: guilty };
  }
  return null;
}

/** At some moment of the interval, fewer than `wanted` units can have been left: the refusal is possible. */
export function mayLack(wanted: number, interval: Interval, possible: readonly Stay[], caps: readonly Cap[]): boolean {
  const out = new Steps(possible);
  const moments = [
    interval.fromMs,
    ...insideOf(
      possible.map((stay) => stay.fromMs),
      interval,
    ),
    ...insideOf(
      caps.map((cap) => cap.fromMs),
      interval,
    ),
  ];
  return moments.some((atMs) => {
    const allotted = allottedAt(caps, atMs, Math.min);
    return allotted === null || allotted - out.at(atMs) < wanted;
  });
}

/** At some moment of the interval, at least `available` units can have been left: the reading is possible. */
export function mayShow(
  available: number,
  interval: Interval,
  certain: readonly Stay[],
  caps: readonly Cap[],
): boolean {
  if (available === 0) return true;
  const out = new Steps(certain);
  const moments = [
    interval.fromMs,
    ...insideOf(
      certain.map((stay) => stay.untilMs),
      interval,
    ),
    ...insideOf(
      caps.map((cap) => cap.fromMs),
      interval,
    ),
  ];
  return moments.some((atMs) => {
    const allotted = allottedAt(caps, atMs, Math.max);
    return allotted === null || allotted - out.at(atMs) >= available;
  });
}

export type Interval = { readonly fromMs: number; readonly untilMs: number };

const insideOf = (moments: readonly number[], { fromMs, untilMs }: Interval): number[] =>
  moments.filter((atMs) => fromMs < atMs && atMs <= untilMs);

/** The most or the least of what can be in force at a moment; null: nothing is known. At the end of a cap it is over. */
function allottedAt(caps: readonly Cap[], atMs: number, choose: (...values: number[]) => number): number | null {
  const inForce = caps.filter((cap) => cap.fromMs <= atMs && atMs < cap.untilMs);
  return inForce.length === 0 ? null : choose(...inForce.map(({ allotted }) => allotted));
}

/** How many units are out at a moment, `fromMs` included and `untilMs` not: sums once, looks up in log n. */
class Steps {
  readonly #moments: number[] = [];
  readonly #sums: number[] = [];

  constructor(stays: readonly Stay[]) {
    const changes = stays
      .filter(({ fromMs, untilMs }) => fromMs < untilMs)
      .flatMap(({ units, fromMs, untilMs }) => [
        { atMs: fromMs, units },
        { atMs: untilMs, units: -units },
      ])
      .sort((a, b) => a.atMs - b.atMs);
    let sum = 0;
    for (const { atMs, units } of changes) {
      sum += units;
      if (this.#moments.at(-1) === atMs) this.#sums[this.#sums.length - 1] = sum;
      else {
        this.#moments.push(atMs);
        this.#sums.push(sum);
      }
    }
  }

  at(atMs: number): number {
    let [low, high] = [0, this.#moments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#moments[middle] ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (this.#sums[low - 1] ?? 0);
  }
}
