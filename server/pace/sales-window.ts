/** Complete seconds that are remembered: the longer of the two windows of `velocity.ts`. */
export const windowSeconds = 300;
/** And the second that has only begun. */
const slots = windowSeconds + 1;

/** Of counts per second: how many, their sum and the sum of their squares. */
export type SecondSums = { readonly seconds: number; readonly units: number; readonly squares: number };

/**
 * Units of one item that were taken in each of the last 300 seconds and in this one, O(1) of memory. Counts rises of consumption only: refunds and
 * expiries lower it, and nobody sells less than nothing (PA-2).
 */
export class SalesWindow {
  readonly #units = new Uint32Array(slots);
  #second: number;
  #total = 0;
  /** Before it the item could not sell, or nobody watched: time that says nothing about its velocity. */
  #activeSinceMs: number;

  constructor(nowMs: number) {
    this.#second = secondOf(nowMs);
    this.#activeSinceMs = nowMs;
  }

  get activeSinceMs(): number {
    return this.#activeSinceMs;
  }

  /** Units counted since the item is watched. */
  get total(): number {
    return this.#total;
  }

  /** Counts `units` ≥ 1 at `atMs`; an instant older than the window counts in the total only, a clock that steps back counts as now. */
  add(atMs: number, units: number): void {
    const second = secondOf(atMs);
    this.#total += units;
    if (second > this.#second) this.#forgetUntil(second);
    if (second < this.#second - windowSeconds) return;
    this.#units[second % slots] = (this.#units[second % slots] ?? 0) + units;
  }

  /** The sale opened at this instant: the time before it is no time without sales. */
  openedAt(atMs: number): void {
    if (atMs > this.#activeSinceMs && this.#total === 0) this.#activeSinceMs = atMs;
  }

  /** History from before this node watched: the time since then counts too. */
  watchedSince(atMs: number): void {
    if (atMs < this.#activeSinceMs) this.#activeSinceMs = atMs;
  }

  /**
   * The `seconds` (1…300) complete seconds before `nowMs`: their units and the squares of them. The second that has only begun is left
   * out: as a whole one it would make every rate too low. One pass without an allocation: it runs for every item every second.
   */
  sums(nowMs: number, seconds: number): SecondSums {
    const now = secondOf(nowMs);
    if (now > this.#second) this.#forgetUntil(now);
    let units = 0;
    let squares = 0;
    for (let second = Math.max(now - seconds, this.#second - windowSeconds, 0); second < now; second += 1) {
      const count = this.#units[second % slots] ?? 0;
      units += count;
      squares += count * count;
    }
    return { seconds, units, squares };
  }

  #forgetUntil(second: number): void {
    const passed = Math.min(second - this.#second, slots);
    for (let back = 0; back < passed; back += 1) this.#units[(second - back) % slots] = 0;
    this.#second = second;
  }
}

export const secondOf = (atMs: number): number => Math.floor(atMs / 1_000);
