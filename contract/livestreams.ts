import * as z from 'zod/mini';
import { DisplayPolicy, SaleState } from './levels.ts';
import { Count, Currency, Id, InstantMs, Quantity, Text, UnitPriceMinor } from './primitives.ts';

export const LivestreamState = z.enum(['draft', 'scheduled', 'live', 'ended']);
export type LivestreamState = z.infer<typeof LivestreamState>;

/**
 * When an order takes units: 拍下减 · 付款减 · deduct on payment while more than `threshold` are available, on order at or below it.
 * Stamped on each order at reserve (A6). An order of several items takes its units on order as soon as one of its items does.
 */
export const SalePolicy = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('deduct_on_order') }),
  z.object({ kind: z.literal('deduct_on_payment') }),
  z.object({ kind: z.literal('hold_below'), threshold: Count }),
]);
export type SalePolicy = z.infer<typeof SalePolicy>;

/** 限购: null means no limit. `perBuyer` and `perDevice` count unpaid, paid and refunded units of this livestream together. */
export const PurchaseLimits = z.object({
  perOrder: z.nullable(Quantity),
  perBuyer: z.nullable(Quantity),
  perDevice: z.nullable(Quantity),
});
export type PurchaseLimits = z.infer<typeof PurchaseLimits>;

/** One choice of a SKU, as colour = black. */
export const SpecValue = z.object({ name: Text, value: Text });
export type SpecValue = z.infer<typeof SpecValue>;

/** One SKU on sale in one livestream, as everybody may know it. Levels travel apart, by `index`, which never changes. */
export const ItemInfo = z.object({
  index: z.int(),
  skuId: Id,
  productId: Id,
  title: Text,
  spec: z.array(SpecValue),
  imageUrl: z.nullable(z.string()),
  unitPriceMinor: UnitPriceMinor,
  currency: Currency,
  limits: PurchaseLimits,
  salePolicy: SalePolicy,
  display: DisplayPolicy,
  sale: SaleState,
  /** The sale opens at this moment if `sale` is `open`; 0 = at once. */
  opensAtMs: InstantMs,
});
export type ItemInfo = z.infer<typeof ItemInfo>;

export const LivestreamInfo = z.object({
  livestreamId: Id,
  title: Text,
  state: LivestreamState,
  scheduledAtMs: z.nullable(InstantMs),
  startedAtMs: z.nullable(InstantMs),
  endedAtMs: z.nullable(InstantMs),
  holdTtlMs: z.int(),
  /** The item that the anchor is explaining now. */
  pinnedSkuId: z.nullable(Id),
  /** Raised by every change of what is in here. */
  infoRev: z.int(),
  items: z.array(ItemInfo),
});
export type LivestreamInfo = z.infer<typeof LivestreamInfo>;

export const holdTtlMs = z.int().check(z.minimum(1_000), z.maximum(86_400_000));

// ---- bodies of the management API (operator of the livestream, or admin) ----

export const CreateProduct = z.object({
  productId: Id,
  title: Text,
  imageUrl: z._default(z.nullable(z.string().check(z.maxLength(500), z.regex(/^(https:\/\/|\/)/))), null),
});
export const CreateSku = z.object({
  skuId: Id,
  productId: Id,
  spec: z._default(z.array(SpecValue).check(z.maxLength(5)), []),
});
export const CreateWarehouse = z.object({ warehouseId: Id, name: Text });
/** Absolute numbers of one SKU in one warehouse; `reserved` is kept for big customers and gifts and never sellable. */
export const SetWarehouseStock = z.object({
  onHand: Count,
  reserved: z._default(Count, 0),
  reason: z.string().check(z.minLength(1), z.maxLength(200)),
});
/** A sales channel beside the livestreams, as the shop's own app. */
export const CreateChannel = z.object({ channelId: Id, name: Text });
export const AllotChannel = z.object({ allotted: Count, reason: z.string().check(z.minLength(1), z.maxLength(200)) });
/** A sale that another channel made: takes units of that channel's pool only. */
export const ChannelSale = z.object({ saleId: Id, skuId: Id, quantity: Quantity });
export const CreateLivestream = z.object({
  livestreamId: Id,
  title: Text,
  holdTtlMs: z._default(holdTtlMs, 600_000),
  /** May viewers without a buyer's identity watch and buy? */
  anonymousViewers: z._default(z.boolean(), true),
});
export const ScheduleLivestream = z.object({ scheduledAtMs: InstantMs });
export const AddItem = z.object({
  skuId: Id,
  unitPriceMinor: UnitPriceMinor,
  currency: Currency,
  allotted: Count,
  limits: z._default(PurchaseLimits, { perOrder: null, perBuyer: null, perDevice: null }),
  salePolicy: z._default(SalePolicy, { kind: 'deduct_on_order' }),
  display: z._default(DisplayPolicy, { kind: 'exact' }),
});
/** Any of them; what is absent stays. */
export const ChangeItem = z.object({
  unitPriceMinor: z.optional(UnitPriceMinor),
  limits: z.optional(PurchaseLimits),
  salePolicy: z.optional(SalePolicy),
  display: z.optional(DisplayPolicy),
});
/** 上链接: open at a moment (0 or absent = now) · stop · resume · */
export const ChangeSale = z.discriminatedUnion('action', [
  z.object({ action: z.literal('open'), opensAtMs: z._default(InstantMs, 0) }),
  z.object({ action: z.literal('stop'), reason: z._default(z.string().check(z.maxLength(200)), '') }),
  z.object({ action: z.literal('resume') }),
]);
/** Absolute number of units that the livestream may sell of this item: never a delta (A5). */
export const AllotItem = z.object({ allotted: Count, reason: z.string().check(z.minLength(1), z.maxLength(200)) });
export const PinItem = z.object({ skuId: z.nullable(Id) });
