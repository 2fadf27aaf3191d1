import { type FullRow, itemStatuses, type Lane, shownOf, type ViewerRow } from '../../contract/levels.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';

/** In the order in which they are served. */
export const lanesInOrder: readonly Lane[] = ['operators', 'anchor', 'viewers'];

export type Row = ViewerRow | FullRow;

/** What anchor and operators see: every number. */
export function fullRowOf(item: ItemInfo, level: ItemLevel): FullRow {
  return [item.index, level.version, level.available, level.held, level.sold, itemStatuses.indexOf(level.status)];
}

/** What viewers see: never held or sold, and the units left only as precisely as the item's display policy allows. */
export function viewerRowOf(item: ItemInfo, level: ItemLevel): ViewerRow {
  return [item.index, level.version, shownOf(level.available, item.display), itemStatuses.indexOf(level.status)];
}

/** Turns levels into rows of one kind of lane. */
export type RowEncoder = {
  /** For a snapshot or a merged frame to one member. */
  plain(item: ItemInfo, level: ItemLevel): Row;
  /**
   * For a frame to the whole lane. null where its members see what they saw before: under a band or "100+" most changes are none
   * for viewers and cost no frame. `forced`: not all of them saw it.
   */
  framed(item: ItemInfo, level: ItemLevel, forced: boolean): Row | null;
};

export const fullEncoder: RowEncoder = { plain: fullRowOf, framed: fullRowOf };

export function viewerEncoder(): RowEncoder {
  const lastShown = new Map<number, { readonly shown: number | string; readonly status: number }>();
  return {
    plain: viewerRowOf,
    framed(item, level, forced) {
      const row = viewerRowOf(item, level);
      const [index, , shown, status] = row;
      const last = lastShown.get(index);
      if (!forced && last?.shown === shown && last.status === status) return null;
      lastShown.set(index, { shown, status });
      return row;
    },
  };
}
