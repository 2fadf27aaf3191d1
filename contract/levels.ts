import * as z from 'zod/mini';
import { Count, Epoch, Id, InstantMs, Version } from './primitives.ts';

/**
 * What a viewer can do with an item. On the wire it is the index in this list.
 * `scheduled` becomes `on_sale` (or `sold_out`) by itself at the item's `opensAtMs`: see `effectiveStatus`.
 */
export const itemStatuses = ['not_open', 'scheduled', 'on_sale', 'sold_out', 'stopped', 'ended'] as const;
export const ItemStatus = z.enum(itemStatuses);
export type ItemStatus = z.infer<typeof ItemStatus>;

/** The state an operator gives to the sale of an item. */
export const SaleState = z.enum(['not_open', 'open', 'stopped', 'ended']);
export type SaleState = z.infer<typeof SaleState>;

/** The one formula for units that can still be sold; a pool made smaller than what is out shows 0 (A5). */
export function availableOf({ allotted, held, sold }: { allotted: number; held: number; sold: number }): number {
  return Math.max(0, allotted - held - sold);
}

/** The one place where a sale's state, its opening moment and the units left become a status. */
export function statusOf(item: { sale: SaleState; opensAtMs: number; available: number }, nowMs: number): ItemStatus {
  if (item.sale !== 'open') return item.sale;
  if (nowMs < item.opensAtMs) return 'scheduled';
  return item.available > 0 ? 'on_sale' : 'sold_out';
}

/** Opening at a moment needs no message: who knows the server's clock lets a `scheduled` item open by itself. */
export function effectiveStatus(
  status: ItemStatus,
  anyAvailable: boolean,
  opensAtMs: number,
  serverNowMs: number,
): ItemStatus {
  if (status !== 'scheduled' || serverNowMs < opensAtMs) return status;
  return anyAvailable ? 'on_sale' : 'sold_out';
}

/** An item's level with all its numbers: REST answers for operators and services. */
export const StockLevel = z.object({
  skuId: Id,
  version: Version,
  available: Count,
  held: Count,
  sold: Count,
  status: ItemStatus,
});
export type StockLevel = z.infer<typeof StockLevel>;

const statusCode = z.int().check(z.minimum(0), z.maximum(itemStatuses.length - 1));
const itemIndex = z.int().check(z.minimum(0), z.maximum(9_999));

/** A level for viewers: `[index, version, shown, status]`. `shown` obeys the item's display policy: `shownOf`. */
export const ViewerRow = z.tuple([itemIndex, Version, z.union([Count, z.string()]), statusCode]);
export type ViewerRow = z.infer<typeof ViewerRow>;

/** A level for anchor and operators: `[index, version, available, held, sold, status]`. */
export const FullRow = z.tuple([itemIndex, Version, Count, Count, Count, statusCode]);
export type FullRow = z.infer<typeof FullRow>;

/** How precisely viewers see the units left. Always derived from the real pool, never invented. */
export const DisplayPolicy = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('exact') }),
  /** The number only below `below`; else "`below`+". */
  z.object({ kind: z.literal('low_only'), below: Count }),
  /** Ascending lower bounds, as [1, 10, 100]: shown as "1-9", "10-99", "100+". */
  z.object({ kind: z.literal('band'), bounds: z.array(Count).check(z.minLength(1), z.maxLength(8)) }),
]);
export type DisplayPolicy = z.infer<typeof DisplayPolicy>;

/** What a viewer is shown: a number where the policy is exact there, else "lo-hi" or "lo+". Zero is always 0. */
export function shownOf(available: number, display: DisplayPolicy): number | string {
  if (available === 0 || display.kind === 'exact') return available;
  if (display.kind === 'low_only') return available < display.below ? available : `${display.below}+`;
  const above = display.bounds.findIndex((bound) => bound > available);
  if (above === 0) return `1-${(display.bounds[0] ?? 1) - 1}`;
  if (above === -1) return `${display.bounds.at(-1)}+`;
  return `${display.bounds[above - 1]}-${(display.bounds[above] ?? 0) - 1}`;
}

/** True while a viewer may still find a unit: `shown` is a positive number or a band. */
export const anyShown = (shown: number | string): boolean => shown !== 0;

/** Audience of a room; each has its own frames and its own numbering of them. */
export const Lane = z.enum(['operators', 'anchor', 'viewers']);
export type Lane = z.infer<typeof Lane>;

/**
 * A frame of levels. Rows replace what the client knows only if their version is greater (V3).
 * `upTo`: every row up to this version has been delivered; absent on critical frames, which overtake and do not advance it.
 * `frame` numbers the lane's frames; clients acknowledge it with `stock:ack`.
 */
export const StockLevels = z.object({
  /** A socket may be in several livestreams; their frames are numbered apart. */
  livestreamId: Id,
  frame: z.int(),
  epoch: Epoch,
  upTo: z.optional(Version),
  rows: z.array(z.union([ViewerRow, FullRow])),
});
export type StockLevels = z.infer<typeof StockLevels>;

/**
 * The gate's version, not the node's memory (V-11): a client that is behind `upTo` for longer than a frame takes asks once, with jitter.
 * `stale`: the node cannot reach the gate just now, or the gate is being rebuilt; numbers may be old.
 */
export const StockHeartbeat = z.object({
  livestreamId: Id,
  epoch: Epoch,
  upTo: Version,
  serverNowMs: InstantMs,
  /** People in the room over all nodes, some seconds old at most. */
  viewers: Count,
  stale: z.boolean(),
});
export type StockHeartbeat = z.infer<typeof StockHeartbeat>;
