import type { Order, OrderForOperator, OrderState, PaymentOutcome } from '../../contract/orders.ts';
import type { GateSnapshot, ItemDefinition, Line, Takes } from '../stock/stock-engine.ts';

/**
 * The ledger: what was promised to a buyer. PostgreSQL decides; this interface has one implementation, `prisma-ledger.ts`,
 * over a real server or over PGlite. Rule numbers are those of `docs/spec/order-protocol.md`.
 */

export type NewOrder = {
  readonly rid: string;
  /** `<buyerId>/<idempotencyKey>`; null for a re-acquisition. */
  readonly key: string | null;
  readonly bodyHash: string;
  readonly livestreamId: string;
  /** The gate's epoch at reserve: an older one is fenced (O1). */
  readonly epoch: number;
  readonly buyerId: string;
  readonly deviceId: string | null;
  readonly takes: Takes;
  /** Already added up per SKU. */
  readonly lines: readonly Line[];
  readonly holdTtlMs: number;
};

/** One order as the ledger has it. `rid` is the wire's `orderId`. */
export type LedgerOrder = Order & {
  readonly deviceId: string | null;
  readonly key: string | null;
  readonly bodyHash: string;
  readonly takes: Takes;
  readonly buyerId: string;
};

export type AppendOutcome =
  | { readonly kind: 'committed'; readonly order: LedgerOrder }
  /** This rid is there already: a repeated append. `void`: resolve was faster, the units are free again. */
  | { readonly kind: 'exists'; readonly state: OrderState | 'void'; readonly order: LedgerOrder | null }
  /** Another attempt owns this key. */
  | { readonly kind: 'key_conflict'; readonly order: LedgerOrder }
  /** The item's epoch has moved on: reserve anew with a new rid. */
  | { readonly kind: 'fenced' }
  /** The guard `held + sold + n <= allotted` refuses. `anyLeft`: whether the item has units left at all. */
  | { readonly kind: 'does_not_fit'; readonly skuId: string; readonly anyLeft: boolean };

/** The transaction certainly did not commit: release, or retry the same rid, never both (O4). */
export class LedgerRefused extends Error {
  override readonly name = 'LedgerRefused';
}
/** Nobody knows whether the transaction committed: never release; only resolve decides (O5). */
export class LedgerUnknown extends Error {
  override readonly name = 'LedgerUnknown';
}

/** A state that the gate has to follow (A2): `settle` for paid, `release` for the others. */
export type Transition = { readonly rid: string; readonly livestreamId: string; readonly order: LedgerOrder };

/**
 * What became of one attempt, told as the gate has to follow it: void → release and unbind · held, placed → confirm · paid → settle ·
 * anything else → release. An order that was paid with the units of another attempt (A4) has given its own place back; so has one
 * whose money was refunded because it never had units.
 */
export type Resolution = {
  readonly rid: string;
  readonly state: OrderState | 'void';
  readonly expiresAtMs: number | null;
};

export type PayRequest = {
  readonly paymentId: string;
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
};

export type PayOutcome =
  | { readonly kind: 'not_found' }
  /** Settled now or before by this payment: the answer is final. `transition`: what the gate has to follow, null when it was before. */
  | {
      readonly kind: 'final';
      readonly outcome: PaymentOutcome['outcome'];
      readonly order: LedgerOrder;
      readonly transition: Transition | null;
    }
  /** A4: the order is placed or expired; reserve units under a new rid, then `payReacquired`. */
  | { readonly kind: 'needs_units'; readonly order: LedgerOrder };

export type AuditItem = {
  readonly skuId: string;
  readonly allotted: number;
  readonly held: number;
  readonly sold: number;
  readonly returned: number;
  /** The same sums taken from the orders themselves: must be equal to `held` and to `sold`. */
  readonly heldByOrders: number;
  readonly soldByOrders: number;
  readonly poolRev: number;
  readonly termsRev: number;
};

export type LedgerAudit = { readonly epoch: number; readonly infoRev: number; readonly items: readonly AuditItem[] };

export type OrderLedger = {
  /**
   * One group, one statement, one transaction (O1, O2): an outcome per order, in the order given. 1…500 orders, any livestreams.
   * An order that does not fit never fails its neighbours. Rejects with `LedgerRefused` or `LedgerUnknown` for the whole group.
   */
  append(orders: readonly NewOrder[]): Promise<readonly AppendOutcome[]>;

  /** O6. Inserts void rows; where an attempt exists, tells its state. Waits shortly for an insert in flight, else rejects. */
  resolve(livestreamId: string, rids: readonly string[]): Promise<readonly Resolution[]>;

  find(orderId: string): Promise<LedgerOrder | null>;
  /** Newest first, at most 100. */
  ordersOfBuyer(livestreamId: string, buyerId: string): Promise<readonly LedgerOrder[]>;
  /** For operators: newest first, keyset pagination by the last orderId of the page before. */
  orders(filter: {
    livestreamId: string;
    /** The whole id, or its beginning. */
    orderId?: string;
    state?: OrderState;
    buyerId?: string;
    /** Only orders with a payment that waits for its way back. */
    refundDue?: boolean;
    before?: string;
    limit: number;
  }): Promise<readonly OrderForOperator[]>;

  /**
   * A2, A4: held → paid in one transaction with the payment row. A payment of another amount or currency, a second payment of a
   * paid order and a payment of a cancelled order become `refund_due` payments. Idempotent by paymentId.
   */
  pay(request: PayRequest): Promise<PayOutcome>;

  /**
   * A4, second step: the units are reserved at the gate under `rid`. Order still placed or expired, rid not void, same epoch, fits →
   * paid (a fence row of this rid keeps the answer for resolve); else `refund_due`. `fenced`: reserve anew with a new rid.
   */
  payReacquired(
    request: PayRequest & { readonly rid: string; readonly epoch: number },
  ): Promise<PayOutcome | { readonly kind: 'fenced' }>;

  /** A4: no units are left for a payment: the order and the payment are `refund_due`, an operator sees them. */
  markRefundDue(request: PayRequest): Promise<PayOutcome>;

  /** held or placed → cancelled, by its buyer or an operator. null: no such order; its state unchanged if it is none of the two. */
  cancel(orderId: string, actor: string): Promise<{ order: LedgerOrder; transition: Transition | null } | null>;

  /** A1: orders due by PostgreSQL's clock, SKIP LOCKED, at most `limit`; oldest first. */
  expireDue(limit: number): Promise<readonly Transition[]>;

  /**
   * refund_due → refunded, or paid → refunded with its units sellable again (`returned + n`, pool rev + 1: the items to put at the gate).
   * Marks the order's payments refunded, returns which, and leaves a request to the provider for each in the same transaction.
   * `paymentId`: only this payment, which has no units; an order that has others keeps its state.
   */
  refund(
    orderId: string,
    actor: string,
    reason: string,
    paymentId?: string | null,
  ): Promise<{
    order: LedgerOrder;
    refunded: readonly { paymentId: string; amountMinor: number; currency: string }[];
    items: readonly ItemDefinition[];
  } | null>;

  /** A3: attempts that left `held` or `placed` in the last `withinMs` by PostgreSQL's clock, oldest first: what a dead node left undone. */
  recentResolutions(livestreamId: string, withinMs: number): Promise<readonly Resolution[]>;

  /** B2: locks the livestream's items, epoch + 1, then reads everything in later statements of the same transaction. null: no such livestream. */
  fenceAndRead(livestreamId: string, keyWindowMs: number): Promise<GateSnapshot | null>;

  /** The ledger's side of drift checks, of the once-a-second comparison (B4) and of audits. */
  audit(livestreamId: string): Promise<LedgerAudit | null>;
  /** Only epoch, infoRev and the items' revs: cheap, once a second. */
  revisions(livestreamId: string): Promise<{
    epoch: number;
    infoRev: number;
    items: readonly { skuId: string; poolRev: number; termsRev: number }[];
  } | null>;
  definitions(livestreamId: string): Promise<{ infoRev: number; items: readonly ItemDefinition[] } | null>;

  /** Number of orders in `held` or `placed`: an ended livestream is archived at 0. */
  openOrders(livestreamId: string): Promise<number>;
  countRefundDue(): Promise<number>;
};
