import type { SaleState } from '../../contract/levels.ts';
import type { OrderState } from '../../contract/orders.ts';
import type { LedgerOrder } from '../../server/orders/order-ledger.ts';
import type { ItemDefinition, ItemTerms, Line, Takes } from '../../server/stock/stock-engine.ts';

/** Tables of the simulated ledger; names as in `prisma/schema.prisma`. */

export type ItemRow = {
  readonly skuId: string;
  readonly index: number;
  readonly unitPriceMinor: number;
  readonly currency: string;
  salePolicy: ItemTerms['salePolicy'];
  limits: ItemTerms['limits'];
  sale: SaleState;
  opensAtMs: number;
  allotted: number;
  held: number;
  sold: number;
  returned: number;
  epoch: number;
  poolRev: number;
  termsRev: number;
};

export type OrderRow = {
  readonly id: string;
  readonly key: string | null;
  readonly bodyHash: string;
  readonly livestreamId: string;
  readonly buyerId: string;
  readonly deviceId: string | null;
  state: OrderState | 'void';
  takes: Takes;
  readonly reacquires: string | null;
  readonly totalMinor: number;
  readonly currency: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  changedAtMs: number;
  readonly lines: readonly (Line & { readonly unitPriceMinor: number })[];
};

export type PaymentRow = {
  readonly id: string;
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
  state: 'accepted' | 'refund_due' | 'refunded';
  readonly reason: string | null;
  readonly receivedAtMs: number;
};

export type LivestreamRow = {
  readonly livestreamId: string;
  state: 'draft' | 'scheduled' | 'live' | 'ended';
  readonly holdTtlMs: number;
  epoch: number;
  infoRev: number;
  archived: boolean;
  readonly items: ItemRow[];
};

export class LedgerTables {
  readonly livestreams = new Map<string, LivestreamRow>();
  readonly orders = new Map<string, OrderRow>();
  readonly payments = new Map<string, PaymentRow>();
  /** Raised by every change of an order or of units. */
  revision = 0;
  /** `<livestream> <key>` → order. */
  readonly #keys = new Map<string, OrderRow>();

  item(livestreamId: string, skuId: string): ItemRow | undefined {
    return this.livestreams.get(livestreamId)?.items.find((item) => item.skuId === skuId);
  }

  byKey(livestreamId: string, key: string | null): OrderRow | undefined {
    return key === null ? undefined : this.#keys.get(`${livestreamId} ${key}`);
  }

  /** ON CONFLICT DO NOTHING: false where the id or the key is there already. */
  insert(order: OrderRow): boolean {
    if (this.orders.has(order.id) || this.byKey(order.livestreamId, order.key) !== undefined) return false;
    this.revision += 1;
    this.orders.set(order.id, order);
    if (order.key !== null) this.#keys.set(`${order.livestreamId} ${order.key}`, order);
    return true;
  }

  /** A row that is an order to its buyer: neither a fence nor void. */
  order(orderId: string): OrderRow | undefined {
    const row = this.orders.get(orderId);
    return row === undefined || row.state === 'void' || row.reacquires !== null ? undefined : row;
  }

  ordersOf(livestreamId: string): OrderRow[] {
    return [...this.orders.values()].filter((order) => order.livestreamId === livestreamId);
  }

  /** Moves the units of an order's lines: −1, 0 or 1 times the quantity. A broken CHECK undoes the statement: nothing has moved then. */
  move(order: OrderRow, by: { held?: number; sold?: number; returned?: number }): void {
    const { held = 0, sold = 0, returned = 0 } = by;
    const moves = order.lines.map(({ skuId, quantity }) => ({ item: this.item(order.livestreamId, skuId), quantity }));
    for (const { item, quantity } of moves) {
      if (item === undefined) throw new Error('an order of an item that is not there');
      const after = [item.held + held * quantity, item.sold + sold * quantity, item.returned + returned * quantity];
      if (Math.min(...after) < 0 || item.held + item.sold + (held + sold) * quantity > item.allotted) {
        throw new CheckViolation(`livestream_items_counts_check of ${item.skuId}`);
      }
    }
    this.revision += 1;
    for (const { item, quantity } of moves) {
      if (item === undefined) continue;
      item.held += held * quantity;
      item.sold += sold * quantity;
      item.returned += returned * quantity;
      item.poolRev += Math.abs(returned);
    }
  }
}

/** The last defence of I1: a statement that would break it is undone, and its sender hears of it as refused. */
export class CheckViolation extends Error {
  override readonly name = 'CheckViolation';
}

export function ledgerOrderOf(row: OrderRow): LedgerOrder {
  const { id, livestreamId, state, totalMinor, currency, createdAtMs, key, bodyHash, takes, buyerId, deviceId } = row;
  if (state === 'void') throw new Error('a void row is no order');
  return {
    orderId: id,
    livestreamId,
    state,
    lines: row.lines.map((line) => Object.assign({}, line)).sort((a, b) => (a.skuId < b.skuId ? -1 : 1)),
    totalMinor,
    currency,
    createdAtMs,
    expiresAtMs: row.expiresAtMs ?? createdAtMs,
    key,
    bodyHash,
    takes,
    buyerId,
    deviceId,
  };
}

export function definitionOf({ skuId, ...item }: ItemRow): ItemDefinition {
  const { poolRev, termsRev, allotted, returned, sale, opensAtMs, salePolicy, limits } = item;
  return {
    skuId,
    pool: { rev: poolRev, allotted, returned },
    terms: { rev: termsRev, sale, opensAtMs, salePolicy, limits: { ...limits } },
  };
}
