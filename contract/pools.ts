import * as z from 'zod/mini';
import { Count, Id, IdempotencyKey, InstantMs } from './primitives.ts';

/**
 * Where units of a SKU can be, seen from one livestream: its own pool · a channel's pool, as the shop's app · sellable units in the
 * warehouses that no pool has.
 */
export const StockPool = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('livestream') }),
  z.strictObject({ kind: z.literal('channel'), channelId: Id }),
  z.strictObject({ kind: z.literal('unallotted') }),
]);
export type StockPool = z.infer<typeof StockPool>;

/** Units go into the livestream's pool or out of it. `transferId` is chosen before it is sent: a repeated request moves units once. */
export const MoveUnits = z
  .strictObject({
    transferId: IdempotencyKey,
    from: StockPool,
    to: StockPool,
    quantity: Count.check(z.minimum(1)),
    reason: z.string().check(z.minLength(1), z.maxLength(200)),
  })
  .check(
    z.refine(
      ({ from, to }) => (from.kind === 'livestream') !== (to.kind === 'livestream'),
      'one side, and only one, is the livestream',
    ),
  );
export type MoveUnits = z.infer<typeof MoveUnits>;

export const StockTransfer = z.object({
  transferId: Id,
  skuId: Id,
  from: StockPool,
  to: StockPool,
  quantity: Count,
  /** Size of both sides before and after: an allotment, or the unallotted units. */
  fromBefore: Count,
  fromAfter: Count,
  toBefore: Count,
  toAfter: Count,
  reason: z.string(),
  actor: z.string(),
  atMs: InstantMs,
});
export type StockTransfer = z.infer<typeof StockTransfer>;

/** One change of the livestream's pool, whoever made it. `transferId`: it was one side of a transfer. */
export const AllotmentChange = z.object({
  before: Count,
  after: Count,
  reason: z.string(),
  actor: z.string(),
  atMs: InstantMs,
  transferId: z.nullable(z.string()),
});

/** The pools that units of an item can move between. `movable`: what can leave without touching held and sold units. */
export const ItemPools = z.object({
  skuId: Id,
  unallotted: Count,
  livestream: z.object({ allotted: Count, held: Count, sold: Count, movable: Count }),
  channels: z.array(
    z.object({
      channelId: Id,
      name: z.object({ zh: z.string(), en: z.string() }),
      allotted: Count,
      sold: Count,
      movable: Count,
    }),
  ),
  /** Newest first, at most 50. */
  changes: z.array(AllotmentChange),
  transfers: z.array(StockTransfer),
});
export type ItemPools = z.infer<typeof ItemPools>;
