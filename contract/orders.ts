import * as z from 'zod/mini';
import {
  AmountMinor,
  Currency,
  Id,
  IdempotencyKey,
  InstantMs,
  QUANTITY_MAX,
  Quantity,
  UnitPriceMinor,
} from './primitives.ts';

/** 1 to 20 lines; the same SKU twice is added up before anything is checked, this limit included. All or nothing. */
export const OrderLineRequest = z.strictObject({ skuId: Id, quantity: Quantity });
export const PlaceOrder = z.strictObject({
  idempotencyKey: IdempotencyKey,
  lines: z.array(OrderLineRequest).check(
    z.minLength(1),
    z.maxLength(20),
    z.refine((lines) => mostUnits(lines) <= QUANTITY_MAX, `an order has at most ${QUANTITY_MAX} units of a SKU`),
  ),
  /** Identifies the buyer's device for the limit per device; a token's device wins over it. */
  deviceId: z.optional(Id),
});
export type PlaceOrder = z.infer<typeof PlaceOrder>;

/** Units of the SKU that most are asked of. */
function mostUnits(lines: readonly z.infer<typeof OrderLineRequest>[]): number {
  const units = new Map<string, number>();
  for (const { skuId, quantity } of lines) units.set(skuId, (units.get(skuId) ?? 0) + quantity);
  return Math.max(...units.values());
}

/**
 * `held` units are the buyer's until `expiresAtMs` · `placed` units are taken when the payment arrives · `paid` · `expired` · `cancelled` ·
 * `refund_due` money arrived that has no units, a refund is on its way · `refunded`.
 */
export const OrderState = z.enum(['held', 'placed', 'paid', 'expired', 'cancelled', 'refund_due', 'refunded']);
export type OrderState = z.infer<typeof OrderState>;

export const Order = z.object({
  orderId: Id,
  livestreamId: Id,
  state: OrderState,
  lines: z.array(z.object({ skuId: Id, quantity: Quantity, unitPriceMinor: UnitPriceMinor })),
  totalMinor: AmountMinor,
  currency: Currency,
  createdAtMs: InstantMs,
  /** Unpaid at this moment, the order expires and its units are sellable again. */
  expiresAtMs: InstantMs,
});
export type Order = z.infer<typeof Order>;

/**
 * What became of money that goes back: `pending` the provider has not heard of it yet · `delivered` it has taken the request over ·
 * `completed` it says that the money is back · `failed` it refuses, or could not be reached in a day · `manual` nobody is configured to be
 * asked, or an operator took it over · `settled` an operator says that it was paid back by hand.
 */
export const RefundState = z.enum(['pending', 'delivered', 'completed', 'failed', 'manual', 'settled']);
export type RefundState = z.infer<typeof RefundState>;

export const RefundRequest = z.object({
  /** The same for every attempt: what the provider knows a repeated request by. */
  refundId: Id,
  orderId: Id,
  paymentId: Id,
  amountMinor: AmountMinor,
  currency: Currency,
  reason: z.string(),
  state: RefundState,
  attempts: z.int(),
  /** What the provider answered last, or why it could not be reached. */
  error: z.nullable(z.string()),
  nextAttemptAtMs: z.nullable(InstantMs),
  createdAtMs: InstantMs,
  changedAtMs: InstantMs,
});
export type RefundRequest = z.infer<typeof RefundRequest>;

/** An order as operators see it. */
export const OrderForOperator = z.extend(Order, {
  buyerId: Id,
  deviceId: z.nullable(Id),
  payments: z.array(
    z.object({
      paymentId: Id,
      amountMinor: AmountMinor,
      currency: Currency,
      state: z.enum(['accepted', 'refund_due', 'refunded']),
      /** Why the money has no units: no_units, cancelled, wrong_amount, second_payment. */
      reason: z.nullable(z.string()),
      receivedAtMs: InstantMs,
      /** What became of the way back; null: it was never asked for. */
      refund: z.nullable(z.object({ refundId: Id, state: RefundState, error: z.nullable(z.string()) })),
    }),
  ),
});
export type OrderForOperator = z.infer<typeof OrderForOperator>;

/** `accepted`: committed in the ledger by this request. `duplicate`: the same key was accepted before, this is its order as it is now. */
export const OrderAnswer = z.object({ outcome: z.enum(['accepted', 'duplicate']), order: Order, payUrl: z.string() });
export type OrderAnswer = z.infer<typeof OrderAnswer>;

/** Body of the payment provider's callback; its signature is in the headers `webhook-id`, `webhook-timestamp`, `webhook-signature`. */
export const PaymentCallback = z.object({
  type: z.literal('payment.succeeded'),
  timestamp: z.string(),
  data: z.object({ paymentId: Id, orderId: Id, amountMinor: AmountMinor, currency: Currency }),
});
export type PaymentCallback = z.infer<typeof PaymentCallback>;

/** What became of a callback: repeated by the provider until it is one of these (A4). */
export const PaymentOutcome = z.object({ orderId: Id, paymentId: Id, outcome: z.enum(['paid', 'refund_due']) });
export type PaymentOutcome = z.infer<typeof PaymentOutcome>;

export const RefundOrder = z.object({
  reason: z.string().check(z.minLength(1), z.maxLength(200)),
  /** Only this payment, which has no units (a second one, a wrong amount): the order stays as it is. */
  paymentId: z.optional(Id),
});

/** Body of the signed request that the payment provider gets at REFUND_WEBHOOK_URL. */
export const RefundRequested = z.object({
  type: z.literal('payment.refund_requested'),
  timestamp: z.string(),
  data: z.object({
    refundId: Id,
    paymentId: Id,
    orderId: Id,
    livestreamId: Id,
    amountMinor: AmountMinor,
    currency: Currency,
    reason: z.string(),
  }),
});
export type RefundRequested = z.infer<typeof RefundRequested>;

/** The provider's own word about a refund, signed as its payment callbacks; optional, a 2xx answer to the request is enough. */
export const RefundCallback = z.object({
  type: z.enum(['payment.refunded', 'payment.refund_failed']),
  timestamp: z.string(),
  data: z.object({ refundId: Id, reason: z.optional(z.string().check(z.maxLength(500))) }),
});
export type RefundCallback = z.infer<typeof RefundCallback>;

/** `retry`: ask the provider again, from the first attempt on · `settle`: the money was paid back by hand, nobody is asked any more. */
export const ChangeRefund = z.strictObject({ action: z.enum(['retry', 'settle']) });
