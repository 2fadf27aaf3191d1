import type { WireError } from '../../contract/errors.ts';
import type { Order } from '../../contract/orders.ts';
import type { AppendOutcome, NewOrder } from '../../server/orders/order-ledger.ts';
import type { PlaceOutcome } from '../../server/orders/order-service.ts';
import type { GateReading, Line } from '../../server/stock/stock-engine.ts';
import type { OrderRow } from './ledger-state.ts';
import { livestreamId, type Shop } from './shop.ts';

/** One request for an order as its buyer knows it, from the first time it is sent. */
export type Wish = {
  readonly key: string;
  readonly buyerId: string;
  readonly deviceId: string | null;
  readonly lines: readonly Line[];
};

type Known = {
  readonly wish: Wish;
  orderId: string | null;
  /** The fewest units of each item that ledger and gate both had free since the wish was first sent. */
  readonly leastFree: Map<string, number>;
  isOver: boolean;
};

/** A round of the tail, and the calls in it, under faults. */
const findsFencedWithinMs = 3_000;

/** Looks on at everything, from outside, and knows what must never be seen. */
export class Judge {
  readonly #shop: Shop;
  readonly #known = new Map<string, Known>();
  readonly #payments = new Map<string, { orderId: string; outcome: string | null }>();
  readonly #limits = new Map<string, { perBuyer: number; perDevice: number; perOrder: number }>();
  #revision = -1;
  #epoch = 0;
  #epochChangedAtMs = 0;
  drifts = 0;

  constructor(shop: Shop) {
    this.#shop = shop;
    shop.onLedger = () => this.#ledgerChanged();
    shop.onGate = () => this.#lookAtFree();
    shop.onAppend = (orders, outcomes) => this.#appended(orders, outcomes);
  }

  /** A buyer sends a request, for the first time or again. Returns whether this key has been acknowledged before. */
  asks(wish: Wish): boolean {
    const known = this.#known.get(wish.key) ?? { wish, orderId: null, leastFree: new Map(), isOver: false };
    this.#known.set(wish.key, known);
    this.#lookAtFree();
    return known.orderId !== null;
  }

  /** What a node answers at this moment; it may still get lost on its way. */
  answers(wish: Wish, wasAcknowledged: boolean, outcome: PlaceOutcome): void {
    const known = this.#known.get(wish.key);
    if (known === undefined) throw new Error('an answer to nothing');
    if (outcome.kind === 'refused') this.#refused(known, wish, wasAcknowledged, outcome.error);
    else this.#acknowledged(known, wish, outcome.order);
  }

  pays(paymentId: string, orderId: string): void {
    if (!this.#payments.has(paymentId)) this.#payments.set(paymentId, { orderId, outcome: null });
  }

  paid(paymentId: string, outcome: 'paid' | 'refund_due'): void {
    const payment = this.#payments.get(paymentId);
    if (payment === undefined) throw new Error('an outcome of nothing');
    if (payment.outcome !== null && payment.outcome !== outcome) {
      this.#violate('OR-8', `payment ${paymentId} was ${payment.outcome} and is ${outcome}`);
    }
    payment.outcome = outcome;
  }

  #refused(
    { wish: { lines }, leastFree }: Known,
    wish: Wish,
    wasAcknowledged: boolean,
    { code, action }: WireError,
  ): void {
    // A gate that the ledger has fenced goes on refusing until somebody finds it (B4): what it says is old, and promises nothing.
    if (this.#shop.split !== null || this.#shop.world.nowMs - this.#epochChangedAtMs < findsFencedWithinMs) return;
    const isSame = JSON.stringify(lines) === JSON.stringify(wish.lines);
    if (wasAcknowledged && isSame && action !== 'retry') {
      this.#violate('I4', `${wish.key} was acknowledged and is now ${code}`);
    }
    if (code === 'idempotency_mismatch' && isSame) this.#violate('I4', `${wish.key} is the same and called another`);
    if (code !== 'sold_out' && code !== 'insufficient') return;
    if (lines.every(({ skuId, quantity }) => (leastFree.get(skuId) ?? 0) >= quantity)) {
      this.#violate('O2', `${wish.key} is ${code} although there were units all the time`);
    }
  }

  #acknowledged(known: Known, wish: Wish, order: Order): void {
    const row = this.#shop.ledger.tables.order(order.orderId);
    if (row === undefined) {
      this.#violate('I2', `${wish.key} is told ${order.orderId}, which is not in the ledger`);
      return;
    }
    known.orderId ??= order.orderId;
    if (known.orderId !== order.orderId) {
      this.#violate('I4', `${wish.key} is told ${order.orderId} and was told ${known.orderId}`);
    }
    if (row.key !== wish.key || row.buyerId !== wish.buyerId) {
      this.#violate('I4', `${wish.key} is told ${order.orderId} of ${row.key}`);
    }
    const units = (lines: readonly Line[]) =>
      lines
        .map(({ skuId, quantity }) => `${skuId} ${quantity}`)
        .sort()
        .join();
    if (units(row.lines) !== units(wish.lines)) this.#violate('OR-6', `${wish.key} is told of other units`);
  }

  /** Whoever is refused for want of units does not fit beside those that were taken. */
  #appended(orders: readonly NewOrder[], outcomes: readonly AppendOutcome[]): void {
    for (const [n, { rid, lines }] of orders.entries()) {
      if (outcomes[n]?.kind !== 'does_not_fit') continue;
      const fits = lines.every(({ skuId, quantity }) => {
        const item = this.#shop.ledger.tables.item(livestreamId, skuId);
        return item !== undefined && item.held + item.sold + quantity <= item.allotted;
      });
      if (fits) this.#violate('O2', `${rid} fits and was refused with its group`);
    }
  }

  #ledgerChanged(): void {
    const { tables } = this.#shop.ledger;
    this.#rememberLimits();
    const epoch = tables.livestreams.get(livestreamId)?.epoch ?? 0;
    if (epoch !== this.#epoch) this.#epochChangedAtMs = this.#shop.world.nowMs;
    this.#epoch = epoch;
    if (tables.revision === this.#revision) return;
    this.#revision = tables.revision;
    this.#lookAtFree();
    for (const { skuId, allotted, held, sold, heldByOrders, soldByOrders } of this.#shop.ledger.audit(livestreamId)
      ?.items ?? []) {
      if (held + sold > allotted || held < 0 || sold < 0)
        this.#violate('I1', `${skuId}: ${held} held and ${sold} sold of ${allotted}`);
      if (held !== heldByOrders || sold !== soldByOrders) {
        this.#violate('I1', `${skuId}: ${held} held and ${sold} sold, orders say ${heldByOrders} and ${soldByOrders}`);
      }
    }
    const rows = tables.ordersOf(livestreamId);
    this.#checkLimits(rows);
    this.#checkMoney(rows);
  }

  /** The greatest that was ever allowed: what an operator lowers later takes nothing back. */
  #rememberLimits(): void {
    for (const { skuId, limits } of this.#shop.ledger.tables.livestreams.get(livestreamId)?.items ?? []) {
      const before = this.#limits.get(skuId) ?? { perBuyer: 0, perDevice: 0, perOrder: 0 };
      this.#limits.set(skuId, {
        perBuyer: Math.max(before.perBuyer, limits.perBuyer ?? Infinity),
        perDevice: Math.max(before.perDevice, limits.perDevice ?? Infinity),
        perOrder: Math.max(before.perOrder, limits.perOrder ?? Infinity),
      });
    }
  }

  #checkLimits(rows: readonly OrderRow[]): void {
    const counted = new Map<string, number>();
    for (const row of rows) {
      if (!['held', 'placed', 'paid'].includes(row.state) || row.reacquires !== null) continue;
      for (const { skuId, quantity } of row.lines) {
        const limits = this.#limits.get(skuId);
        if (quantity > (limits?.perOrder ?? Infinity)) this.#violate('G4', `${row.id} has ${quantity} of ${skuId}`);
        const fields = [
          [`buyer ${row.buyerId}`, limits?.perBuyer],
          [row.deviceId === null ? null : `device ${row.deviceId}`, limits?.perDevice],
        ] as const;
        for (const [who, limit] of fields) {
          if (who === null) continue;
          const units = (counted.get(`${skuId} ${who}`) ?? 0) + quantity;
          counted.set(`${skuId} ${who}`, units);
          if (units > (limit ?? Infinity))
            this.#violate('G4', `${who} has ${units} of ${skuId}, the limit was never above ${limit}`);
        }
      }
    }
  }

  #checkMoney(rows: readonly OrderRow[]): void {
    const kept = new Map<string, number>();
    for (const { orderId, state, reason } of this.#shop.ledger.tables.payments.values()) {
      if (reason === null && state !== 'refunded') kept.set(orderId, (kept.get(orderId) ?? 0) + 1);
    }
    for (const { id, state, reacquires } of rows) {
      if (reacquires !== null) continue;
      const expected = state === 'paid' ? 1 : 0;
      if ((kept.get(id) ?? 0) !== expected)
        this.#violate('A4', `${id} is ${state} with ${kept.get(id) ?? 0} payments kept`);
    }
  }

  #lookAtFree(): void {
    const open = [...this.#known.values()].filter(({ orderId, isOver }) => orderId === null && !isOver);
    if (open.length === 0) return;
    // In a split either server may be the one that answers.
    const { gate, split, world } = this.#shop;
    const readings = [gate, ...(split === null ? [] : [split.server])].map((server) =>
      server.read({ identity: server.identity, nowMs: world.nowMs }, livestreamId),
    );
    for (const { skuId, allotted, held, sold } of this.#shop.ledger.tables.livestreams.get(livestreamId)?.items ?? []) {
      const there = readings.map(
        (reading) => reading?.items.find((item) => item.skuId === skuId)?.available ?? Infinity,
      );
      const free = Math.min(allotted - held - sold, ...there);
      for (const { leastFree } of open) leastFree.set(skuId, Math.min(leastFree.get(skuId) ?? Infinity, free));
    }
  }

  #gateReading(): GateReading | null {
    const { gate, world } = this.#shop;
    return gate.read({ identity: gate.identity, nowMs: world.nowMs }, livestreamId);
  }

  anyJustDue(): boolean {
    const { ledger, ledgerNowMs } = this.#shop;
    const orders = ledger.tables.ordersOf(livestreamId);
    return orders.some(
      ({ expiresAtMs: dueAtMs }) => dueAtMs !== null && dueAtMs <= ledgerNowMs && dueAtMs > ledgerNowMs - 1_000,
    );
  }

  /** Everything has come to rest: nothing may be left over, on any side. */
  atRest(): void {
    this.#gateIsLedger();
    this.#nothingLeftOver();
    for (const [paymentId, { orderId, outcome }] of this.#payments) {
      const row = this.#shop.ledger.tables.payments.get(paymentId);
      if (row === undefined || outcome === null)
        this.#violate('A4', `payment ${paymentId} of ${orderId} has come to nothing`);
      else if ((row.reason === null) !== (outcome === 'paid'))
        this.#violate('A4', `payment ${paymentId} is ${outcome}, the ledger says ${row.state}`);
    }
    const [violation] = this.#shop.world.violations;
    if (violation === undefined && this.drifts > 0)
      this.#violate('OR-10', 'gate and ledger drifted apart without a reason');
  }

  #gateIsLedger(): void {
    const reading = this.#gateReading();
    const ledger = this.#shop.ledger.audit(livestreamId);
    if (reading === null || ledger === null) {
      this.#violate('I3', 'at rest there is no gate');
      return;
    }
    if (reading.epoch !== ledger.epoch)
      this.#violate('I3', `the gate has epoch ${reading.epoch}, the ledger ${ledger.epoch}`);
    if (reading.infoRev < ledger.infoRev)
      this.#violate('I3', `the gate has infoRev ${reading.infoRev}, the ledger ${ledger.infoRev}`);
    for (const item of ledger.items) {
      const gate = reading.items.find(({ skuId }) => skuId === item.skuId);
      const of = (one: { allotted: number; held: number; sold: number; termsRev: number } | undefined) =>
        one === undefined
          ? 'nothing'
          : `${one.allotted} allotted ${one.held} held ${one.sold} sold terms ${one.termsRev}`;
      if (of(gate) !== of(item))
        this.#violate('I3', `${item.skuId} has ${of(gate)} at the gate and ${of(item)} in the ledger`);
    }
  }

  #nothingLeftOver(): void {
    const { gate, world, ledger, ledgerNowMs } = this.#shop;
    const holds = gate.holds({ identity: gate.identity, nowMs: world.nowMs }, livestreamId);
    const open = ledger.tables.ordersOf(livestreamId).filter(({ state }) => state === 'held' || state === 'placed');
    for (const { rid, state } of holds) {
      if (state === 'pending') this.#violate('A3', `${rid} is still pending`);
      else if (!open.some(({ id }) => id === rid)) this.#violate('I3', `the gate has ${rid}, the ledger has not`);
    }
    for (const { id, expiresAtMs } of open) {
      if (!holds.some(({ rid }) => rid === id)) this.#violate('I3', `the ledger has ${id}, the gate has not`);
      if ((expiresAtMs ?? 0) < ledgerNowMs - 1_000) this.#violate('I6', `${id} is due and has not expired`);
    }
  }

  #violate(rule: string, text: string): void {
    this.#shop.world.violate(rule, text);
  }
}
