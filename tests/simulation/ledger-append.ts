import type { AppendOutcome, NewOrder } from '../../server/orders/order-ledger.ts';
import { type ItemRow, type LedgerTables, ledgerOrderOf, type OrderRow } from './ledger-state.ts';

type State = 'undecided' | 'fits' | 'fenced' | 'does_not_fit' | 'there' | 'committed';

/** `stockcast_append` (O1, O2), step by step as the function in `prisma/migrations` does it. Rids are distinct. */
export function appendGroup(tables: LedgerTables, orders: readonly NewOrder[], nowMs: number): AppendOutcome[] {
  const free = new Map<string, number>();
  const items = new Map<string, ItemRow>();
  const nameOf = (order: NewOrder, skuId: string) => `${order.livestreamId} ${skuId}`;
  for (const order of orders) {
    for (const { skuId } of order.lines) {
      const item = tables.item(order.livestreamId, skuId);
      if (item !== undefined) items.set(nameOf(order, skuId), item);
      free.set(nameOf(order, skuId), item === undefined ? 0 : item.allotted - item.held - item.sold);
    }
  }
  const take = (order: NewOrder, sign: 1 | -1) => {
    if (order.takes === 'pay') return;
    for (const { skuId, quantity } of order.lines) {
      free.set(nameOf(order, skuId), (free.get(nameOf(order, skuId)) ?? 0) - sign * quantity);
    }
  };
  const states = orders.map((): State => 'undecided');
  const blame = orders.map(() => '');

  for (;;) {
    const accepted: number[] = [];
    for (const [n, order] of orders.entries()) {
      if (states[n] !== 'undecided') continue;
      const short = order.lines.find(
        ({ skuId, quantity }) => order.takes === 'hold' && (free.get(nameOf(order, skuId)) ?? 0) < quantity,
      );
      const isFenced = order.lines.some(({ skuId }) => (items.get(nameOf(order, skuId))?.epoch ?? -1) !== order.epoch);
      states[n] = isFenced ? 'fenced' : short === undefined ? 'fits' : 'does_not_fit';
      if (short !== undefined) blame[n] = short.skuId;
      if (states[n] !== 'fits') continue;
      accepted.push(n);
      take(order, 1);
    }
    if (accepted.length === 0) break;
    let anyLost = false;
    // Sorted as the insert is: of two orders with one key, the earlier wins.
    for (const n of accepted.toSorted((a, b) => compare(orders[a], orders[b]) || a - b)) {
      const order = orders[n];
      if (order === undefined) continue;
      const isIn = tables.insert(rowOf(order, nowMs, (skuId) => items.get(nameOf(order, skuId))));
      states[n] = isIn ? 'committed' : 'there';
      if (isIn) continue;
      anyLost = true;
      take(order, -1);
    }
    if (!anyLost || !states.includes('does_not_fit')) break;
    for (const [n, state] of states.entries()) if (state === 'does_not_fit') states[n] = 'undecided';
  }
  for (const [n, order] of orders.entries()) {
    if (states[n] !== 'committed' || order.takes === 'pay') continue;
    const row = tables.orders.get(order.rid);
    if (row !== undefined) tables.move(row, { held: 1 });
  }
  return orders.map((order, n) =>
    outcomeOf(tables, order, {
      state: states[n] ?? 'undecided',
      blame: blame[n] ?? '',
      free: free.get(nameOf(order, blame[n] ?? '')) ?? 0,
    }),
  );
}

/** O1: rid and key come before epoch and units. */
function outcomeOf(
  tables: LedgerTables,
  order: NewOrder,
  { state, blame, free }: { state: State; blame: string; free: number },
): AppendOutcome {
  const same = tables.orders.get(order.rid);
  if (state === 'committed' && same !== undefined) return { kind: 'committed', order: ledgerOrderOf(same) };
  if (same !== undefined) {
    return { kind: 'exists', state: same.state, order: same.state === 'void' ? null : ledgerOrderOf(same) };
  }
  const other = tables.byKey(order.livestreamId, order.key);
  if (other !== undefined) return { kind: 'key_conflict', order: ledgerOrderOf(other) };
  if (state === 'fenced') return { kind: 'fenced' };
  if (state === 'does_not_fit') return { kind: 'does_not_fit', skuId: blame, anyLeft: free > 0 };
  throw new Error(`order ${order.rid} ended as ${state}`);
}

function rowOf(order: NewOrder, nowMs: number, itemOf: (skuId: string) => ItemRow | undefined): OrderRow {
  const { rid, key, bodyHash, livestreamId, buyerId, deviceId, takes, holdTtlMs } = order;
  const lines = order.lines.map(({ skuId, quantity }) => {
    return { skuId, quantity, unitPriceMinor: itemOf(skuId)?.unitPriceMinor ?? 0 };
  });
  return {
    id: rid,
    key,
    bodyHash,
    livestreamId,
    buyerId,
    deviceId,
    state: takes === 'hold' ? 'held' : 'placed',
    takes,
    reacquires: null,
    totalMinor: lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0),
    currency: itemOf(order.lines[0]?.skuId ?? '')?.currency ?? '',
    createdAtMs: nowMs,
    expiresAtMs: nowMs + holdTtlMs,
    changedAtMs: nowMs,
    lines,
  };
}

/** By livestream and key, in bytes; no key comes last. */
function compare(a: NewOrder | undefined, b: NewOrder | undefined): number {
  const text = (order: NewOrder | undefined) => `${order?.livestreamId} ${order?.key ?? '\uffff'}`;
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
}
