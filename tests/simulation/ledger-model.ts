import { createHash } from 'node:crypto';
import type {
  AppendOutcome,
  LedgerAudit,
  LedgerOrder,
  NewOrder,
  OrderLedger,
  PayOutcome,
  PayRequest,
  Resolution,
  Transition,
} from '../../server/orders/order-ledger.ts';
import type { GateSnapshot } from '../../server/stock/stock-engine.ts';
import { appendGroup } from './ledger-append.ts';
import { definitionOf, LedgerTables, ledgerOrderOf, type OrderRow } from './ledger-state.ts';

/** The ledger's interface without the wire: every method is one transaction that has committed when it returns. */
export type LedgerSteps = {
  readonly [Name in keyof OrderLedger]: (
    ...args: Parameters<OrderLedger[Name]>
  ) => Awaited<ReturnType<OrderLedger[Name]>>;
};

/**
 * The reference model of the ledger: what `prisma-ledger.ts` and the functions of `prisma/migrations` do, one transaction at a time.
 * A property test compares it with the real ones, answer by answer. `nowMs` is the database's clock.
 */
export class LedgerModel implements LedgerSteps {
  readonly tables = new LedgerTables();
  nowMs = 0;

  append(orders: readonly NewOrder[]): readonly AppendOutcome[] {
    const distinct = [...new Map(orders.map((order) => [order.rid, order])).values()];
    const outcomes = new Map(
      appendGroup(this.tables, distinct, this.nowMs).map((outcome, n) => [distinct[n]?.rid, outcome]),
    );
    const seen = new Set<string>();
    return orders.map(({ rid }) => {
      const outcome = outcomes.get(rid);
      if (outcome === undefined) throw new Error(`order ${rid} has no outcome`);
      const isAgain = seen.has(rid) && outcome.kind === 'committed';
      seen.add(rid);
      return isAgain ? { kind: 'exists', state: outcome.order.state, order: outcome.order } : outcome;
    });
  }

  resolve(livestreamId: string, rids: readonly string[]): readonly Resolution[] {
    return [...new Set(rids)].map((rid) => {
      this.tables.insert(this.#fence(rid, livestreamId, 'void'));
      return this.#resolution(this.#row(rid));
    });
  }

  find(orderId: string): LedgerOrder | null {
    const row = this.tables.order(orderId);
    return row === undefined ? null : ledgerOrderOf(row);
  }

  ordersOfBuyer(livestreamId: string, buyerId: string): readonly LedgerOrder[] {
    return this.#newestFirst(livestreamId, (row) => row.buyerId === buyerId, 100).map(ledgerOrderOf);
  }

  orders(filter: Parameters<OrderLedger['orders']>[0]): ReturnType<LedgerSteps['orders']> {
    const { livestreamId, state, buyerId, before, limit } = filter;
    const from = before === undefined ? undefined : this.tables.orders.get(before);
    const wanted = (row: OrderRow) =>
      (state === undefined || row.state === state) &&
      (buyerId === undefined || row.buyerId === buyerId) &&
      (from === undefined || byAge(from, row) < 0);
    return this.#newestFirst(livestreamId, wanted, limit).map((row) => {
      const { key: _key, bodyHash: _hash, takes: _takes, ...order } = ledgerOrderOf(row);
      const payments = [...this.tables.payments.values()]
        .filter(({ orderId }) => orderId === row.id)
        .map(({ id, amountMinor, currency, state: paymentState, reason, receivedAtMs }) => {
          const refundId = `rf-${createHash('md5').update(id).digest('hex')}`;
          // Nobody sends requests to a provider here.
          const refund = paymentState === 'refunded' ? { refundId, state: 'pending' as const, error: null } : null;
          return { paymentId: id, amountMinor, currency, state: paymentState, reason, receivedAtMs, refund };
        });
      return Object.assign(order, { payments });
    });
  }

  pay(request: PayRequest): PayOutcome {
    return notFenced(this.#pay(request, 'pay', { rid: '', epoch: 0 }));
  }

  payReacquired({
    rid,
    epoch,
    ...request
  }: PayRequest & { rid: string; epoch: number }): PayOutcome | { kind: 'fenced' } {
    return this.#pay(request, 'reacquire', { rid, epoch });
  }

  markRefundDue(request: PayRequest): PayOutcome {
    return notFenced(this.#pay(request, 'refuse', { rid: '', epoch: 0 }));
  }

  cancel(orderId: string, _actor = ''): { order: LedgerOrder; transition: Transition | null } | null {
    const row = this.tables.order(orderId);
    if (row === undefined) return null;
    const { state } = row;
    const isOpen = state === 'held' || state === 'placed';
    if (isOpen) {
      if (state === 'held') this.tables.move(row, { held: -1 });
      this.#setState(row, 'cancelled');
    }
    return { order: ledgerOrderOf(row), transition: isOpen ? transitionOf(row) : null };
  }

  expireDue(limit: number): readonly Transition[] {
    const due = [...this.tables.orders.values()]
      .filter(({ state, expiresAtMs }) => isOpenState(state) && (expiresAtMs ?? Infinity) <= this.nowMs)
      .sort((a, b) => (a.expiresAtMs ?? 0) - (b.expiresAtMs ?? 0))
      .slice(0, limit);
    for (const row of due) {
      if (row.state === 'held') this.tables.move(row, { held: -1 });
      this.#setState(row, 'expired');
    }
    return due.map((row) => transitionOf(row));
  }

  refund(orderId: string, _actor = '', _reason = ''): ReturnType<LedgerSteps['refund']> {
    const row = this.tables.order(orderId);
    if (row === undefined) return null;
    const wasPaid = row.state === 'paid';
    const back = [...this.tables.payments.values()]
      .filter((payment) => payment.orderId === orderId)
      .filter(({ state }) => state === 'refund_due' || (state === 'accepted' && wasPaid))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const payment of back) payment.state = 'refunded';
    if (back.length === 0 && !['paid', 'refund_due', 'refunded'].includes(row.state)) return null;
    if (wasPaid) this.tables.move(row, { sold: -1, returned: 1 });
    if (wasPaid || row.state === 'refund_due') this.#setState(row, 'refunded');
    const items = wasPaid ? row.lines.map(({ skuId }) => this.#itemOf(row, skuId)) : [];
    return {
      order: ledgerOrderOf(row),
      refunded: back.map(({ id, amountMinor, currency }) => ({ paymentId: id, amountMinor, currency })),
      items: items.sort((a, b) => a.index - b.index).map(definitionOf),
    };
  }

  recentResolutions(livestreamId: string, withinMs: number): readonly Resolution[] {
    return this.tables
      .ordersOf(livestreamId)
      .filter(
        ({ state, changedAtMs }) => !isOpenState(state) && state !== 'void' && changedAtMs >= this.nowMs - withinMs,
      )
      .sort((a, b) => a.changedAtMs - b.changedAtMs)
      .map((row) => this.#resolution(row));
  }

  fenceAndRead(livestreamId: string, keyWindowMs: number): GateSnapshot | null {
    const livestream = this.tables.livestreams.get(livestreamId);
    if (livestream === undefined) return null;
    const epoch = Math.max(livestream.epoch, ...livestream.items.map((item) => item.epoch)) + 1;
    livestream.epoch = epoch;
    for (const item of livestream.items) item.epoch = epoch;
    const rows = this.tables.ordersOf(livestreamId);
    const open = rows.filter(({ state }) => isOpenState(state));
    const counts = rows.filter((row) => row.state === 'paid' || (row.state === 'refunded' && this.#hadUnits(row)));
    return {
      epoch,
      infoRev: livestream.infoRev,
      items: livestream.items.map((item) => Object.assign(definitionOf(item), { sold: item.sold })),
      holds: open.map((row) => ({
        rid: row.id,
        state: row.state === 'placed' ? 'placed' : 'held',
        takes: row.takes,
        buyerId: row.buyerId,
        deviceId: row.deviceId,
        leaseEndsAtMs: row.expiresAtMs ?? 0,
        lines: row.lines
          .map(({ skuId, quantity }) => ({ skuId, quantity }))
          .sort((a, b) => (a.skuId < b.skuId ? -1 : 1)),
      })),
      counted: countedOf(counts),
      keys: rows
        .filter((row) => row.key !== null && (row.createdAtMs > this.nowMs - keyWindowMs || isOpenState(row.state)))
        .map((row) => ({
          key: row.key ?? '',
          rid: row.id,
          bodyHash: row.bodyHash,
          takes: row.takes,
          state: isOpenState(row.state) ? row.state : ['paid', 'refunded'].includes(row.state) ? 'settled' : 'closed',
        })) as GateSnapshot['keys'],
    };
  }

  audit(livestreamId: string): LedgerAudit | null {
    const livestream = this.tables.livestreams.get(livestreamId);
    if (livestream === undefined) return null;
    const rows = this.tables.ordersOf(livestreamId);
    const units = (state: string, skuId: string) =>
      rows
        .filter((row) => row.state === state)
        .flatMap(({ lines }) => lines)
        .reduce((sum, line) => sum + (line.skuId === skuId ? line.quantity : 0), 0);
    return {
      epoch: livestream.epoch,
      infoRev: livestream.infoRev,
      items: livestream.items.map(({ skuId, allotted, held, sold, returned, poolRev, termsRev }) => {
        const [heldByOrders, soldByOrders] = [units('held', skuId), units('paid', skuId)];
        return { skuId, allotted, held, sold, returned, heldByOrders, soldByOrders, poolRev, termsRev };
      }),
    };
  }

  revisions(livestreamId: string): ReturnType<LedgerSteps['revisions']> {
    const livestream = this.tables.livestreams.get(livestreamId);
    if (livestream === undefined) return null;
    const items = livestream.items.map(({ skuId, poolRev, termsRev }) => ({ skuId, poolRev, termsRev }));
    return { epoch: livestream.epoch, infoRev: livestream.infoRev, items };
  }

  definitions(livestreamId: string): ReturnType<LedgerSteps['definitions']> {
    const livestream = this.tables.livestreams.get(livestreamId);
    return livestream === undefined ? null : { infoRev: livestream.infoRev, items: livestream.items.map(definitionOf) };
  }

  openOrders(livestreamId: string): number {
    return this.tables.ordersOf(livestreamId).filter(({ state }) => isOpenState(state)).length;
  }

  countRefundDue(): number {
    const due = [...this.tables.payments.values()].filter(({ state }) => state === 'refund_due');
    return new Set(due.map(({ orderId }) => orderId)).size;
  }

  /** `stockcast_pay`. */
  #pay(request: PayRequest, mode: 'pay' | 'reacquire' | 'refuse', attempt: { rid: string; epoch: number }) {
    const { paymentId, orderId, amountMinor, currency } = request;
    const order = this.tables.order(orderId);
    const known = this.tables.payments.get(paymentId);
    if (known !== undefined) {
      return final(known.reason === null ? 'paid' : 'refund_due', this.#row(known.orderId), null);
    }
    if (order === undefined) return { kind: 'not_found' as const };
    let reason = reasonAgainst(order, request);
    let settled: string | null = null;
    if (reason === null && order.state === 'held') {
      settled = orderId;
      this.tables.move(order, { held: -1, sold: 1 });
      this.#setState(order, 'paid');
    } else if (reason === null && mode === 'pay') {
      return { kind: 'needs_units' as const, order: ledgerOrderOf(order) };
    } else if (reason === null && mode === 'reacquire') {
      const items = order.lines.map(({ skuId, quantity }) => ({ item: this.#itemOf(order, skuId), quantity }));
      if (items.some(({ item }) => item.epoch !== attempt.epoch)) return { kind: 'fenced' as const };
      if (items.every(({ item, quantity }) => item.held + item.sold + quantity <= item.allotted)) {
        const fence = { ...this.#fence(attempt.rid, order.livestreamId, 'paid'), reacquires: orderId };
        if (!this.tables.insert({ ...fence, buyerId: order.buyerId, deviceId: order.deviceId })) {
          return { kind: 'fenced' as const };
        }
        settled = attempt.rid;
        this.tables.move(order, { sold: 1 });
        this.#setState(order, 'paid');
        order.takes = 'pay';
      } else reason = 'no_units';
    } else reason ??= 'no_units';

    const goesBack = reason === 'cancelled' || reason === 'no_units';
    if (goesBack) this.#setState(order, 'refund_due');
    const state = reason === null ? ('accepted' as const) : ('refund_due' as const);
    this.tables.payments.set(paymentId, {
      id: paymentId,
      orderId,
      amountMinor,
      currency,
      state,
      reason,
      receivedAtMs: this.nowMs,
    });
    const changed = settled !== null || goesBack;
    return final(
      reason === null ? 'paid' : 'refund_due',
      order,
      changed ? transitionOf(order, settled ?? orderId) : null,
    );
  }

  #setState(row: OrderRow, state: OrderRow['state']): void {
    this.tables.revision += 1;
    row.state = state;
    row.changedAtMs = this.nowMs;
  }

  #fence(id: string, livestreamId: string, state: 'void' | 'paid'): OrderRow {
    const at = { createdAtMs: this.nowMs, changedAtMs: this.nowMs, expiresAtMs: null };
    const nobody = { key: null, bodyHash: '', buyerId: '', deviceId: null, totalMinor: 0, currency: '', lines: [] };
    return { id, livestreamId, state, takes: 'hold', reacquires: null, ...nobody, ...at };
  }

  /** `stockcast_resolution`: what the gate has to do for one attempt. */
  #resolution(row: OrderRow): Resolution {
    const { id, state, takes, expiresAtMs } = row;
    if ((state === 'paid' || state === 'refunded') && takes === 'pay')
      return { rid: id, state: 'expired', expiresAtMs };
    if (state === 'refunded') return { rid: id, state: this.#hadUnits(row) ? 'paid' : 'cancelled', expiresAtMs };
    return { rid: id, state, expiresAtMs };
  }

  #hadUnits({ id }: OrderRow): boolean {
    return [...this.tables.payments.values()].some(({ orderId, reason }) => orderId === id && reason === null);
  }

  #row(id: string): OrderRow {
    const row = this.tables.orders.get(id);
    if (row === undefined) throw new Error(`there is no row ${id}`);
    return row;
  }

  #itemOf({ livestreamId }: OrderRow, skuId: string) {
    const item = this.tables.item(livestreamId, skuId);
    if (item === undefined) throw new Error(`there is no item ${skuId}`);
    return item;
  }

  #newestFirst(livestreamId: string, wanted: (row: OrderRow) => boolean, limit: number): OrderRow[] {
    return this.tables
      .ordersOf(livestreamId)
      .filter((row) => row.state !== 'void' && row.reacquires === null && wanted(row))
      .sort((a, b) => byAge(a, b))
      .slice(0, limit);
  }
}

const isOpenState = (state: string): boolean => state === 'held' || state === 'placed';

/** Newest first, then by id backwards. */
const byAge = (a: OrderRow, b: OrderRow): number => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1);

function reasonAgainst({ state, totalMinor, currency }: OrderRow, request: PayRequest): string | null {
  if (state === 'paid' || state === 'refunded' || state === 'refund_due') return 'second_payment';
  if (state === 'cancelled') return 'cancelled';
  return request.amountMinor !== totalMinor || request.currency !== currency ? 'wrong_amount' : null;
}

const transitionOf = (row: OrderRow, rid = row.id): Transition => ({
  rid,
  livestreamId: row.livestreamId,
  order: ledgerOrderOf(row),
});

function final(outcome: 'paid' | 'refund_due', row: OrderRow, transition: Transition | null) {
  return { kind: 'final' as const, outcome, order: ledgerOrderOf(row), transition };
}

/** Only a re-acquisition can be fenced. */
const notFenced = (outcome: PayOutcome | { kind: 'fenced' }): PayOutcome =>
  outcome.kind === 'fenced' ? { kind: 'not_found' } : outcome;

function countedOf(rows: readonly OrderRow[]): GateSnapshot['counted'] {
  const sums = new Map<string, GateSnapshot['counted'][number]>();
  for (const { buyerId, deviceId, lines } of rows) {
    for (const { skuId, quantity } of lines) {
      const name = JSON.stringify([skuId, buyerId, deviceId]);
      sums.set(name, { skuId, buyerId, deviceId, quantity: (sums.get(name)?.quantity ?? 0) + quantity });
    }
  }
  return [...sums.values()];
}
