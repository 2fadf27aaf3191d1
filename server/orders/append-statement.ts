import type { OrderState } from '../../contract/orders.ts';
import { Prisma } from '../../generated/prisma/client.ts';
import type { AppendOutcome, LedgerOrder, NewOrder } from './order-ledger.ts';

/** What `stockcast_append` answers: one entry an order in `states`, `blame` and `other`, one an item in the others. */
export type AppendReply = {
  readonly atMs: number;
  readonly states: readonly number[];
  /** The item that did not fit, counted from 1. */
  readonly blame: readonly number[];
  readonly other: readonly string[];
  readonly free: readonly number[];
  readonly prices: readonly number[];
  readonly currencies: readonly string[];
  readonly existing: Readonly<Record<string, Omit<LedgerOrder, 'state'> & { state: OrderState | 'void' }>>;
};

export type AppendStatement = {
  readonly sql: Prisma.Sql;
  outcomesOf(reply: AppendReply): AppendOutcome[];
};

/**
 * One group as one call of `stockcast_append` (O2): items once each, orders, and their lines one after the other. Arrays travel as
 * PostgreSQL's own text, which costs Prisma nothing to pass on. Rids must be distinct.
 */
export function appendStatement(orders: readonly NewOrder[]): AppendStatement {
  const items = new Map<string, { number: number; livestreamId: string; skuId: string }>();
  const numberOf = (livestreamId: string, skuId: string): number => {
    const name = `${livestreamId}/${skuId}`;
    const known = items.get(name);
    if (known !== undefined) return known.number;
    items.set(name, { number: items.size + 1, livestreamId, skuId });
    return items.size;
  };
  const firstLine: number[] = [];
  const lines: { rid: string; item: number; quantity: number }[] = [];
  for (const order of orders) {
    firstLine.push(lines.length + 1);
    for (const { skuId, quantity } of order.lines) {
      lines.push({ rid: order.rid, item: numberOf(order.livestreamId, skuId), quantity });
    }
  }
  firstLine.push(lines.length + 1);
  const distinct = [...items.values()];

  const sql = Prisma.sql`SELECT stockcast_append(
    ${texts(distinct.map(({ livestreamId }) => livestreamId))}::text[], ${texts(distinct.map(({ skuId }) => skuId))}::text[],
    ${texts(orders.map(({ rid }) => rid))}::text[], ${texts(orders.map(({ key }) => key ?? ''))}::text[],
    ${texts(orders.map(({ bodyHash }) => bodyHash))}::text[], ${texts(orders.map(({ livestreamId }) => livestreamId))}::text[],
    ${numbers(orders.map(({ epoch }) => epoch))}::int[], ${texts(orders.map(({ buyerId }) => buyerId))}::text[],
    ${texts(orders.map(({ deviceId }) => deviceId ?? ''))}::text[],
    ${numbers(orders.map(({ takes }) => (takes === 'pay' ? 1 : 0)))}::int[],
    ${numbers(orders.map(({ holdTtlMs }) => holdTtlMs))}::int[], ${numbers(firstLine)}::int[],
    ${texts(lines.map(({ rid }) => rid))}::text[], ${numbers(lines.map(({ item }) => item))}::int[],
    ${numbers(lines.map(({ quantity }) => quantity))}::int[]) AS json`;

  const outcomesOf = (reply: AppendReply) =>
    orders.map((order, index): AppendOutcome => {
      const state = reply.states[index];
      const existing = reply.existing[reply.other[index] ?? ''];
      if (state === 5)
        return { kind: 'committed', order: committed(order, reply, (skuId) => numberOf(order.livestreamId, skuId)) };
      if (state === 2) return { kind: 'fenced' };
      if (state === 6 && existing !== undefined) {
        const { state: found } = existing;
        return { kind: 'exists', state: found, order: found === 'void' ? null : { ...existing, state: found } };
      }
      if (state === 7 && existing !== undefined && existing.state !== 'void') {
        return { kind: 'key_conflict', order: { ...existing, state: existing.state } };
      }
      const blame = reply.blame[index] ?? 0;
      if (state === 3) {
        return {
          kind: 'does_not_fit',
          skuId: distinct[blame - 1]?.skuId ?? '',
          anyLeft: (reply.free[blame - 1] ?? 0) > 0,
        };
      }
      throw new Error(`stockcast_append answered ${state} for order ${order.rid}`);
    });
  return { sql, outcomesOf };
}

/** The order as it was written: what `stockcast_order` would tell of it. */
function committed(
  order: NewOrder,
  { atMs, prices, currencies }: AppendReply,
  numberOf: (skuId: string) => number,
): LedgerOrder {
  const { rid, key, bodyHash, livestreamId, buyerId, deviceId, takes, holdTtlMs } = order;
  const lines = order.lines
    .map(({ skuId, quantity }) => ({ skuId, quantity, unitPriceMinor: prices[numberOf(skuId) - 1] ?? 0 }))
    .sort((a, b) => (a.skuId < b.skuId ? -1 : 1));
  return {
    orderId: rid,
    livestreamId,
    state: takes === 'hold' ? 'held' : 'placed',
    lines,
    totalMinor: lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0),
    currency: currencies[numberOf(order.lines[0]?.skuId ?? '') - 1] ?? '',
    createdAtMs: atMs,
    expiresAtMs: atMs + holdTtlMs,
    key,
    bodyHash,
    takes,
    buyerId,
    deviceId,
  };
}

/** An array in PostgreSQL's text form; every element quoted, so that none can be taken for syntax. */
const texts = (values: readonly string[]): string =>
  `{${values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
const numbers = (values: readonly number[]): string => `{${values.join(',')}}`;
