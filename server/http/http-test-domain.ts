import { type WireError, wireError } from '../../contract/errors.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order, OrderForOperator } from '../../contract/orders.ts';
import type { Buyer, OrderService, PlaceOutcome } from '../orders/order-service.ts';

/** A domain for tests of the HTTP shell, small enough to be read at a glance. */

const text = (en: string) => ({ zh: en, en });

export function livestreamInfo(livestreamId: string): LivestreamInfo {
  return {
    livestreamId,
    title: text('A livestream'),
    state: 'live',
    scheduledAtMs: null,
    startedAtMs: 1,
    endedAtMs: null,
    holdTtlMs: 600_000,
    pinnedSkuId: null,
    infoRev: 1,
    items: [],
  };
}

const isThere = (livestreamId: string): boolean => ['live-1', 'live-2', 'members'].includes(livestreamId);

export const testCatalogue = {
  allowsAnonymous: async (livestreamId: string) => (isThere(livestreamId) ? livestreamId !== 'members' : null),
  info: async (livestreamId: string) => (isThere(livestreamId) ? livestreamInfo(livestreamId) : null),
};

type StoredOrder = Order & { buyerId: string; deviceId: string | null; key: string; bodyHash: string };

/** The order service of the tests: one item `tea` with a few units, real idempotency, real refusals as values. */
export function createTestOrders(clock: { now(): number }, units = 5) {
  const orders = new Map<string, StoredOrder>();
  const buyers: Buyer[] = [];
  const place = placing({ clock, orders, buyers }, units);
  const shedding: { error: WireError | null } = { error: null };
  const service: OrderService = {
    refusesNow: () => shedding.error,
    place: async (...order) => (shedding.error === null ? place(...order) : { kind: 'refused', error: shedding.error }),
    ...following(orders),
  };
  return { service, orders, buyers, shedding };
}

type Shelf = { clock: { now(): number }; orders: Map<string, StoredOrder>; buyers: Buyer[] };

function placing({ clock, orders, buyers }: Shelf, units: number): OrderService['place'] {
  let available = units;
  return async (livestreamId, buyer, { idempotencyKey, lines }): Promise<PlaceOutcome> => {
    buyers.push(buyer);
    const key = `${buyer.buyerId}/${idempotencyKey}`;
    const first = [...orders.values()].find((order) => order.key === key);
    const bodyHash = JSON.stringify(lines);
    if (first !== undefined && first.bodyHash !== bodyHash) return refused('idempotency_mismatch');
    if (first !== undefined) return { kind: 'duplicate', order: first, payUrl: '/pay/' };
    const [line] = lines;
    if (line === undefined || line.skuId === 'bug') throw new Error('secret detail of the database');
    if (line.skuId === 'busy') return refused('overloaded');
    if (line.skuId !== 'tea') return refused('not_found', line.skuId);
    if (available < line.quantity) return refused(available === 0 ? 'sold_out' : 'insufficient', line.skuId);
    available -= line.quantity;
    const order: StoredOrder = {
      orderId: `o-${orders.size + 1}`,
      livestreamId,
      state: 'held',
      lines: [{ ...line, unitPriceMinor: 100 }],
      totalMinor: 100 * line.quantity,
      currency: 'CNY',
      createdAtMs: clock.now(),
      expiresAtMs: clock.now() + 600_000,
      ...buyer,
      key,
      bodyHash,
    };
    orders.set(order.orderId, order);
    return { kind: 'accepted', order, payUrl: '/pay/' };
  };
}

/** What comes after an order. */
function following(orders: Map<string, StoredOrder>): Omit<OrderService, 'place' | 'refusesNow'> {
  return {
    async cancel(livestreamId, orderId, buyerId) {
      const order = orders.get(orderId);
      const mayCancel = order?.livestreamId === livestreamId && (buyerId === null || order.buyerId === buyerId);
      if (order === undefined || !mayCancel) return refused('route_not_found');
      order.state = 'cancelled';
      return { kind: 'done', order };
    },
    async refund(_livestreamId, orderId) {
      const order = orders.get(orderId);
      if (order === undefined) return refused('route_not_found');
      if (order.state !== 'paid') return refused('conflict');
      order.state = 'refunded';
      return { kind: 'done', order };
    },
    async pay({ orderId, paymentId }) {
      const order = orders.get(orderId);
      if (order === undefined) return refused('route_not_found');
      order.state = 'paid';
      return { kind: 'done', outcome: { orderId, paymentId, outcome: 'paid' } };
    },
    async ordersOf(_livestreamId, buyerId) {
      return [...orders.values()].filter((order) => order.buyerId === buyerId);
    },
    async list(filter) {
      return [...orders.values()]
        .filter((order) => filter.state === undefined || order.state === filter.state)
        .slice(0, filter.limit)
        .map((order): OrderForOperator => Object.assign({}, order, { payments: [] }));
    },
  };
}

function refused(code: Parameters<typeof wireError>[0], skuId?: string) {
  return { kind: 'refused' as const, error: wireError(code, skuId === undefined ? {} : { skuId }) };
}
