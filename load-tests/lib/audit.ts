import type * as z from 'zod/mini';
import { type DisplayPolicy, type StockLevel, shownOf } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { OrderForOperator } from '../../contract/orders.ts';
import { type AuditAnswer, routes } from '../../contract/routes.ts';
import type { ApiClient } from './api-client.ts';
import { delay } from './limiter.ts';
import type { LevelBook } from './viewer.ts';

type Audit = z.infer<typeof AuditAnswer>;

/** An order that the server acknowledged to this client, in the last state that the client knows of. */
export type Receipt = {
  readonly orderId: string;
  readonly skuId: string;
  readonly quantity: number;
  /**
   * `open`: acknowledged and neither paid nor cancelled by this client; it may have expired since. `unknown`: a payment, cancellation
   * or refund of this client got no answer or was refused, so the order may be in any state.
   */
  readonly state: 'open' | 'paid' | 'cancelled' | 'refunded' | 'refund_due' | 'unknown';
};

export type Evidence = {
  readonly audit: Audit;
  readonly levels: readonly StockLevel[];
  readonly livestream: LivestreamInfo;
  readonly watchers: readonly { readonly name: string; readonly book: LevelBook }[];
  /** null: other buyers order in this livestream too, so receipts prove nothing about its sums. */
  readonly receipts: readonly Receipt[] | null;
  readonly orders: readonly OrderForOperator[];
};

/**
 * Compares what the gate has, what the ledger has, what clients were shown and what buyers were told. Each sentence of the answer is
 * one thing that must never happen; none means that I1 to I5 held in this run.
 */
export function judge(evidence: Evidence): readonly string[] {
  return [...judgeStock(evidence), ...judgeWatchers(evidence), ...judgeReceipts(evidence)];
}

function judgeStock({ audit, levels }: Evidence): string[] {
  const found: string[] = [];
  if (audit.items.length === 0) found.push('the audit has no items');
  if (audit.drift !== 0) found.push(`gate and ledger differ by ${audit.drift} units (I3)`);
  for (const { skuId, allotted, gate, ledger } of audit.items) {
    if (ledger.held + ledger.sold > allotted)
      found.push(`${skuId}: ${ledger.held} held and ${ledger.sold} sold of ${allotted} allotted (I1)`);
    if (ledger.held !== ledger.heldByOrders || ledger.sold !== ledger.soldByOrders)
      found.push(
        `${skuId}: the ledger's counters (${ledger.held}, ${ledger.sold}) are not its orders' sums (${ledger.heldByOrders}, ${ledger.soldByOrders})`,
      );
    if (gate === null) {
      found.push(`${skuId}: the gate has nothing`);
      continue;
    }
    if (gate.held !== ledger.held || gate.sold !== ledger.sold || gate.allotted !== allotted)
      found.push(
        `${skuId}: gate ${gate.held} held, ${gate.sold} sold of ${gate.allotted}, ledger ${ledger.held}, ${ledger.sold} of ${allotted} (I3)`,
      );
    const level = levels.find((one) => one.skuId === skuId);
    if (level === undefined || level.available !== gate.available)
      found.push(`${skuId}: the levels say ${level?.available} available, the gate ${gate.available}`);
  }
  return found;
}

function judgeWatchers({ levels, livestream, watchers }: Evidence): string[] {
  return watchers.flatMap(({ name, book }) => [
    ...book.violations.map((violation) => `${name}: ${violation}`),
    ...livestream.items.flatMap((item) => {
      const level = levels.find(({ skuId }) => skuId === item.skuId);
      const wrong = level === undefined ? 'the gate has no such level' : wrongOf(book, item.index, level, item.display);
      return wrong === null ? [] : [`${name}: ${item.skuId}: ${wrong} (I5)`];
    }),
  ]);
}

function wrongOf(book: LevelBook, index: number, level: StockLevel, display: DisplayPolicy): string | null {
  const row = book.rows.get(index);
  if (row === undefined) return 'was never shown';
  const full = row.held !== undefined;
  const expected = full ? level.available : shownOf(level.available, display);
  if (row.shown !== expected) return `shows ${row.shown}, the gate has ${expected}`;
  if (row.status !== level.status) return `shows ${row.status}, the gate has ${level.status}`;
  if (full && (row.held !== level.held || row.sold !== level.sold))
    return `shows ${row.held} held and ${row.sold} sold, the gate has ${level.held} and ${level.sold}`;
  return null;
}

function judgeReceipts({ audit, receipts, orders }: Evidence): string[] {
  if (receipts === null) return [];
  const found: string[] = [];
  const known = new Map(orders.map((order) => [order.orderId, order]));
  const allowed: Record<Exclude<Receipt['state'], 'unknown'>, readonly string[]> = {
    open: ['held', 'placed', 'expired'],
    paid: ['paid'],
    cancelled: ['cancelled'],
    refunded: ['refunded'],
    refund_due: ['refund_due', 'refunded'],
  };
  for (const { orderId, skuId, quantity, state } of receipts) {
    const order = known.get(orderId);
    if (order === undefined) found.push(`order ${orderId} was acknowledged and is not in the ledger (I2)`);
    else if (state !== 'unknown' && !allowed[state].includes(order.state))
      found.push(`order ${orderId} is ${order.state}, its buyer was told ${state} (I2)`);
    else if (order.lines.length !== 1 || order.lines[0]?.skuId !== skuId || order.lines[0].quantity !== quantity)
      found.push(`order ${orderId} has other lines than its buyer ordered (I4)`);
  }
  for (const { skuId, ledger } of audit.items) {
    const unitsIn = (state: Receipt['state']): number =>
      sum(receipts.filter((one) => one.skuId === skuId && one.state === state).map((one) => one.quantity));
    const paid = unitsIn('paid');
    if (ledger.sold < paid || ledger.sold > paid + unitsIn('unknown'))
      found.push(`${skuId}: buyers hold receipts for ${paid} paid units, the ledger sold ${ledger.sold} (I2)`);
  }
  return found;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export type Gathering = {
  readonly api: ApiClient;
  readonly livestreamId: string;
  readonly operatorToken: string;
  readonly watchers: Evidence['watchers'];
  readonly receipts: Evidence['receipts'];
  /** Longest wait for rest: the last hold has ended (unless `holdsRemain`) and every watcher has heard of it. */
  readonly patienceMs: number;
  /** Unpaid orders stay as they are: rest is only that nothing is under way. */
  readonly holdsRemain?: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
};

/** Waits for rest or until patience ends; then takes the evidence as it is. */
export async function gatherEvidence(gathering: Gathering): Promise<Evidence> {
  const {
    api,
    livestreamId,
    operatorToken: token,
    watchers,
    receipts,
    patienceMs,
    holdsRemain = false,
    now,
  } = gathering;
  const params = { livestreamId };
  const deadlineMs = now() + patienceMs;
  for (;;) {
    const audit = await api.need(routes.getAudit, { token, params });
    const { levels } = await api.need(routes.getLevels, { token, params });
    const { livestream } = await api.need(routes.getLivestream, { token, params });
    const evidence: Evidence = { audit, levels, livestream, watchers, receipts: null, orders: [] };
    const quiet = holdsRemain || audit.items.every(({ ledger }) => ledger.held === 0);
    if ((quiet && judge(evidence).length === 0) || now() >= deadlineMs) {
      const orders = receipts === null ? [] : await allOrders(api, livestreamId, token);
      return { ...evidence, receipts, orders };
    }
    await delay(250);
  }
}

export async function allOrders(api: ApiClient, livestreamId: string, token: string): Promise<OrderForOperator[]> {
  const all: OrderForOperator[] = [];
  for (;;) {
    const before = all.at(-1)?.orderId;
    const query = { limit: '200', ...(before === undefined ? {} : { before }) };
    const { orders } = await api.need(routes.listOrders, { token, params: { livestreamId }, query });
    all.push(...orders);
    if (orders.length < 200) return all;
  }
}
