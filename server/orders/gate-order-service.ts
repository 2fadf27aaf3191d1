import { type WireError, wireError } from '../../contract/errors.ts';
import type { Order, PaymentCallback } from '../../contract/orders.ts';
import type { RateLimiter } from '../lib/rate-limiter.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ItemDefinition } from '../stock/stock-engine.ts';
import type { Admission, AdmittedAs } from './admission.ts';
import type { LatePaymentDeps } from './late-payment.ts';
import { payLate } from './late-payment.ts';
import type { LedgerOrder, OrderLedger, PayOutcome } from './order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';
import type { Buyer, OrderOutcome, OrderService, PlaceOutcome } from './order-service.ts';
import type { PlaceDeps } from './place-order.ts';
import { placeOrder, wireOrder } from './place-order.ts';

type Deps = Omit<PlaceDeps, 'ledger' | 'follower'> & {
  readonly ledger: OrderLedger;
  readonly follower: PlaceDeps['follower'] & LatePaymentDeps['follower'];
  readonly onOrderChanged: (order: LedgerOrder) => void;
  /** Puts items at the gate after units came back; never rejects (the tail repeats it). */
  readonly takeOver: (livestreamId: string, items: readonly ItemDefinition[]) => Promise<void>;
  /** Requests to the payment provider have been written; must not throw. */
  readonly onRefunded: () => void;
  readonly metrics: Pick<Metrics, 'orders'>;
  readonly admission: Admission;
  /** By buyer, over both rims. */
  readonly buyerRate: RateLimiter;
  /** False: the ledger is away or takes nothing. No units are taken at the gate for orders that it could not promise. */
  readonly ledgerTakes: () => boolean;
  /** 0 ≤ chance() < 1: those who are shed together must not come back together. */
  readonly chance: () => number;
};

/** A shed order comes again after at least this, at most three times as long. */
const shedBackoffMs = 700;
/** Says nothing about how long orders queue: they waited for something else. */
const otherWaits: ReadonlySet<string> = new Set(['rebuilding', 'unavailable', 'in_progress']);

/** The order service over a gate and a ledger. What the database cannot answer becomes `unavailable`, which is retryable. */
export class GateOrderService implements OrderService {
  readonly #deps: Deps;
  readonly #paying = new Map<string, Promise<unknown>>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  refusesNow(): WireError | null {
    const { admission, chance, ledgerTakes, metrics } = this.#deps;
    if (!ledgerTakes()) {
      metrics.orders.inc({ outcome: 'unavailable' });
      return wireError('unavailable');
    }
    if (admission.admits()) return null;
    metrics.orders.inc({ outcome: 'overloaded' });
    return wireError('overloaded', { minBackoffMs: Math.round(shedBackoffMs * (1 + 2 * chance())) });
  }

  async place(livestreamId: string, buyer: Buyer, order: Parameters<OrderService['place']>[2]): Promise<PlaceOutcome> {
    const error = this.refusesNow();
    if (error !== null) return { kind: 'refused', error };
    const waitMs = this.#deps.buyerRate.take(buyer.buyerId);
    if (waitMs > 0) {
      this.#deps.metrics.orders.inc({ outcome: 'rate_limited' });
      return { kind: 'refused', error: wireError('rate_limited', { minBackoffMs: waitMs }) };
    }
    const leave = this.#deps.admission.enter();
    let as: AdmittedAs = 'other';
    try {
      const outcome = await placeOrder(this.#deps, livestreamId, buyer, order);
      const name = outcome.kind === 'refused' ? outcome.error.code : outcome.kind;
      if (!otherWaits.has(name)) as = outcome.kind === 'refused' ? 'refused' : 'ordered';
      this.#deps.metrics.orders.inc({ outcome: name });
      return outcome;
    } finally {
      leave(as);
    }
  }

  /** Orders between reserve and acknowledgement; a graceful stop waits for 0. */
  get inFlight(): number {
    return this.#deps.admission.inFlight;
  }

  cancel(livestreamId: string, orderId: string, buyerId: string | null, actor: string): Promise<OrderOutcome> {
    return orUnavailable(() => this.#cancel(livestreamId, orderId, buyerId, actor));
  }

  refund(...refund: Parameters<OrderService['refund']>): Promise<OrderOutcome> {
    return orUnavailable(() => this.#refund(...refund));
  }

  async #cancel(livestreamId: string, orderId: string, buyerId: string | null, actor: string): Promise<OrderOutcome> {
    const order = await this.#visible(livestreamId, orderId, buyerId);
    if (order === null) return { kind: 'refused', error: wireError('route_not_found') };
    const cancelled = await this.#deps.ledger.cancel(orderId, actor);
    if (cancelled === null) return { kind: 'refused', error: wireError('route_not_found') };
    if (cancelled.transition !== null) {
      // A2: the ledger first, then the gate.
      await this.#deps.follower.release(livestreamId, { rid: orderId, unbind: false });
      this.#deps.onOrderChanged(cancelled.order);
    }
    if (cancelled.order.state !== 'cancelled') return { kind: 'refused', error: notCancellable(cancelled.order) };
    return { kind: 'done', order: wireOrder(cancelled.order) };
  }

  async #refund(
    ...[livestreamId, orderId, actor, reason, paymentId]: Parameters<OrderService['refund']>
  ): Promise<OrderOutcome> {
    const order = await this.#visible(livestreamId, orderId, null);
    if (order === null) return { kind: 'refused', error: wireError('route_not_found') };
    const refund = await this.#deps.ledger.refund(orderId, actor, reason, paymentId);
    // A payment of a wrong amount can go back while its order waits for the right one.
    if (refund === null || (refund.order.state !== 'refunded' && refund.refunded.length === 0)) {
      return { kind: 'refused', error: notRefundable(refund?.order ?? order) };
    }
    if (refund.refunded.length > 0) this.#deps.onRefunded();
    if (refund.items.length > 0) await this.#deps.takeOver(livestreamId, refund.items);
    this.#deps.onOrderChanged(refund.order);
    return { kind: 'done', order: wireOrder(refund.order) };
  }

  /** Callbacks for one order run one after the other here: a repeated one must not find its units reserved by the first and give up. */
  async pay(payment: PaymentCallback['data']): ReturnType<OrderService['pay']> {
    const { orderId } = payment;
    const before = this.#paying.get(orderId) ?? Promise.resolve();
    const turn = before.then(() => this.#pay(payment));
    const settled = Promise.allSettled([turn]);
    this.#paying.set(orderId, settled);
    try {
      return await turn;
    } finally {
      if (this.#paying.get(orderId) === settled) this.#paying.delete(orderId);
    }
  }

  async #pay(payment: PaymentCallback['data']): ReturnType<OrderService['pay']> {
    const outcome = await this.#deps.ledger.pay(payment).catch(() => null);
    if (outcome === null) return { kind: 'refused', error: wireError('unavailable') };
    if (outcome.kind === 'not_found') return { kind: 'refused', error: wireError('route_not_found') };
    if (outcome.kind === 'final') {
      if (outcome.transition !== null) await this.#follow(outcome.transition.order);
      return this.#answerPayment(payment, outcome);
    }
    const late = await payLate(this.#deps, payment, outcome.order);
    return late.kind === 'refused' ? late : this.#answerPayment(payment, late.payment);
  }

  async ordersOf(livestreamId: string, buyerId: string): Promise<readonly Order[]> {
    const orders = await this.#deps.ledger.ordersOfBuyer(livestreamId, buyerId);
    return orders.map(wireOrder);
  }

  list(filter: Parameters<OrderService['list']>[0]): ReturnType<OrderService['list']> {
    return this.#deps.ledger.orders(filter);
  }

  async #visible(livestreamId: string, orderId: string, buyerId: string | null): Promise<LedgerOrder | null> {
    const order = await this.#deps.ledger.find(orderId);
    if (order === null || order.livestreamId !== livestreamId) return null;
    return buyerId === null || order.buyerId === buyerId ? order : null;
  }

  /** After held → paid: the same units go from held to sold at the gate. */
  async #follow(order: LedgerOrder): Promise<void> {
    if (order.state === 'paid') await this.#deps.follower.settle(order.livestreamId, order.orderId);
  }

  #answerPayment(
    { orderId, paymentId }: PaymentCallback['data'],
    payment: Extract<PayOutcome, { kind: 'final' }>,
  ): Awaited<ReturnType<OrderService['pay']>> {
    if (payment.transition !== null) this.#deps.onOrderChanged(payment.order);
    return { kind: 'done', outcome: { orderId, paymentId, outcome: payment.outcome } };
  }
}

/** Both are idempotent: a client whose answer was lost sends the same again. */
async function orUnavailable(work: () => Promise<OrderOutcome>): Promise<OrderOutcome> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LedgerRefused || error instanceof LedgerUnknown)) throw error;
    return { kind: 'refused', error: wireError('unavailable') };
  }
}

const notCancellable = (order: LedgerOrder) =>
  wireError('conflict', {
    message: {
      zh: `订单状态为 ${order.state}，不能取消；已付款请申请退款`,
      en: `The order is ${order.state} and cannot be cancelled; ask for a refund if it is paid.`,
    },
  });

const notRefundable = (order: LedgerOrder) =>
  wireError('conflict', {
    message: {
      zh: `订单状态为 ${order.state}，没有可退的款项`,
      en: `The order is ${order.state}; there is no money to refund.`,
    },
  });
