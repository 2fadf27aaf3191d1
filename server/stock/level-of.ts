import { availableOf, type SaleState, statusOf } from '../../contract/levels.ts';
import type { ItemLevel } from './stock-engine.ts';

/** What both engines store of an item. `soldEver` counts paid units and never falls; `returned` those of them that were refunded. */
export type StoredLevel = {
  readonly skuId: string;
  readonly version: number;
  readonly allotted: number;
  readonly held: number;
  readonly soldEver: number;
  readonly returned: number;
  readonly sale: SaleState;
  readonly opensAtMs: number;
};

/** A refund can overtake the settlement of its own order: then nothing is shown as sold, never less than nothing. */
export function soldOf({ soldEver, returned }: { soldEver: number; returned: number }): number {
  return Math.max(0, soldEver - returned);
}

export function levelOf(stored: StoredLevel, nowMs: number): ItemLevel {
  const { skuId, version, allotted, held, sale, opensAtMs } = stored;
  const sold = soldOf(stored);
  const available = availableOf({ allotted, held, sold });
  return { skuId, version, allotted, available, held, sold, status: statusOf({ sale, opensAtMs, available }, nowMs) };
}

/** By code unit, as Redis orders members. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
