import type { SecondSums } from './sales-window.ts';

/** Two-sided 90 %: 5 % on either side. */
const z = 1.645;

/**
 * Low and high estimate of the mean behind a count: the exact (Garwood) Poisson interval in the approximation of Wilson and Hilferty,
 * whose error is about 1 %, and a hundredth of a unit where the low limit is near 0. `dispersion` ≥ 1 is variance over mean of the counts: orders of several units,
 * or sales in bursts, tell less than as many single ones, and widen the interval as a smaller count would.
 * `count` ≥ 0 in units; the answer too, with 0 ≤ low ≤ count ≤ high.
 */
export function poissonInterval(count: number, dispersion = 1): { readonly low: number; readonly high: number } {
  const events = count / dispersion;
  const above = events + 1;
  const high = above * (1 - 1 / (9 * above) + z / (3 * Math.sqrt(above))) ** 3;
  const root = events === 0 ? 0 : 1 - 1 / (9 * events) - z / (3 * Math.sqrt(events));
  return { low: Math.min(count, Math.max(0, events * Math.max(0, root) ** 3) * dispersion), high: high * dispersion };
}

/** Variance over mean (index of dispersion) of counts per second, at least 1; 1 for fewer than two. */
export function dispersionOf({ seconds, units, squares }: SecondSums): number {
  if (seconds < 2 || units === 0) return 1;
  const variance = (squares - units ** 2 / seconds) / (seconds - 1);
  return Math.max(1, (variance * seconds) / units);
}
