import type { Velocity } from './velocity.ts';

/** An item as the rankings look at it. */
export type RankedItem = {
  readonly skuId: string;
  /** Its sale is open and it has units. */
  readonly sells: boolean;
  readonly pinned: boolean;
  readonly consumed: number;
  readonly available: number;
  readonly velocity: Velocity;
  /** Units expected by now, and units a minute expected just now; null without an expectation. */
  readonly expected: number | null;
  readonly expectedPerMinute: number | null;
  readonly unitPriceMinor: number;
};

/** Longest lists that people read at a glance. */
const listMax = 10;
/** Consumption below this part of what is expected by now is slow. */
const slowBelow = 0.5;
/** With less than this expected, an item is not slow but new. */
const expectedMin = 5;
/** How long a push goes on, in minutes. */
const pushMinutes = 10;

const ids = (items: readonly RankedItem[]): string[] => items.slice(0, listMax).map(({ skuId }) => skuId);
const byId = (a: RankedItem, b: RankedItem): number => (a.skuId < b.skuId ? -1 : 1);
const valueOf = ({ unitPriceMinor, available }: RankedItem): number => unitPriceMinor * available;
const rateOf = ({ velocity }: RankedItem): number => velocity?.perMinute ?? 0;

/** Hot: what is being bought now, fastest first. Stopped and sold-out items too, while their last minutes count. */
export function hotItems(items: readonly RankedItem[]): string[] {
  return ids(items.filter((item) => rateOf(item) > 0).toSorted((a, b) => rateOf(b) - rateOf(a) || byId(a, b)));
}

/** Slow: open items below half of what is expected by now (from 5 units on), most unsold value (price × available) first. */
export function slowItems(items: readonly RankedItem[]): string[] {
  const slow = items.filter(
    ({ sells, consumed, expected }) =>
      sells && expected !== null && expected >= expectedMin && consumed < slowBelow * expected,
  );
  return ids(slow.toSorted((a, b) => valueOf(b) - valueOf(a) || byId(a, b)));
}

/**
 * What to push next, best first: stock cover × velocity.
 *   demand = velocity, or what its curve expects a minute where that is more (an item that nobody has shown yet sells nothing yet)
 *   cover  = available / demand in minutes, counted up to the 10 minutes of a push
 *   score  = demand × cover / 10 = units a minute that the item can sell through a whole push
 * So a fast item that would sell out in the middle of its push ranks below a slower one that lasts. Equal scores: more unsold value
 * first. Items that do not sell and the item that is being explained already are left out.
 */
export function nextItems(items: readonly RankedItem[]): string[] {
  const candidates = items.filter(({ sells, pinned }) => sells && !pinned);
  const scored = candidates.map((item) => ({ item, score: pushScoreOf(item) }));
  const sorted = scored.toSorted(
    (a, b) => b.score - a.score || valueOf(b.item) - valueOf(a.item) || byId(a.item, b.item),
  );
  return ids(sorted.map(({ item }) => item));
}

export function pushScoreOf(item: RankedItem): number {
  const demand = Math.max(rateOf(item), item.expectedPerMinute ?? 0);
  if (demand === 0) return 0;
  const cover = item.available / demand;
  return (demand * Math.min(cover, pushMinutes)) / pushMinutes;
}
