import type { Scene, SmallWorld } from './every-order.ts';
import type { LivestreamRow } from './ledger-state.ts';
import { livestreamId } from './shop.ts';
import type { Shoppers } from './shoppers.ts';

function oneItem(
  allotted: number,
  parts: Partial<LivestreamRow['items'][number]> & { holdTtlMs?: number } = {},
): LivestreamRow {
  const { holdTtlMs = 60_000, ...item } = parts;
  const limits = { perOrder: null, perBuyer: null, perDevice: null };
  return {
    livestreamId,
    state: 'live',
    holdTtlMs,
    epoch: 0,
    infoRev: 1,
    archived: false,
    items: [
      {
        skuId: 'tea',
        index: 0,
        unitPriceMinor: 100,
        currency: 'CNY',
        limits,
        salePolicy: { kind: 'deduct_on_order' },
        sale: 'open',
        opensAtMs: 0,
        allotted,
        held: 0,
        sold: 0,
        returned: 0,
        epoch: 0,
        poolRev: 1,
        termsRev: 1,
        ...item,
      },
    ],
  };
}

const buys = (shoppers: Shoppers, buyer: number, key = 'key-1', quantity = 1) =>
  shoppers.buy({
    key: `buyer${buyer}/${key}`,
    buyerId: `buyer${buyer}`,
    deviceId: null,
    lines: [{ skuId: 'tea', quantity }],
  });
const pays = (shoppers: Shoppers) => {
  for (const { order } of shoppers.orders.slice(0, 1)) shoppers.pay(order);
};
const cancels = (shoppers: Shoppers) => {
  for (const { order } of shoppers.orders.slice(0, 1)) shoppers.cancel(order);
};
const dies = ({ nodes }: Scene) => nodes[0]?.crash();
const flushes = ({ shop }: Scene) => shop.gate.flush();
const promotes = ({ shop }: Scene) => shop.promote(Math.max(0, shop.gate.changes - 3));
const deduct = { salePolicy: { kind: 'deduct_on_payment' as const } };

export const smallWorlds: readonly SmallWorld[] = [
  {
    name: 'two buyers on the last unit at two nodes, one of which may die',
    nodes: ['a', 'b'],
    livestream: () => oneItem(1),
    begin: (shoppers) => [1, 2].forEach((buyer) => buys(shoppers, buyer)),
    strikes: [dies],
    horizonMs: 90,
  },
  {
    name: 'one buyer after the other on the last unit, the gate may be emptied',
    nodes: ['a'],
    livestream: () => oneItem(1),
    begin: (shoppers) => buys(shoppers, 1),
    afterwards: [(shoppers) => buys(shoppers, 2)],
    strikes: [flushes],
    horizonMs: 90,
  },
  {
    name: 'one buyer after the other on the last unit, a stale copy may be promoted',
    nodes: ['a'],
    livestream: () => oneItem(1),
    begin: (shoppers) => buys(shoppers, 1),
    afterwards: [(shoppers) => buys(shoppers, 2)],
    strikes: [promotes],
    horizonMs: 90,
  },
  {
    name: 'one key twice, one answer may be lost',
    nodes: ['a'],
    livestream: () => oneItem(2),
    begin(shoppers) {
      buys(shoppers, 1);
      buys(shoppers, 1);
    },
    lostAnswers: 1,
    horizonMs: 250,
  },
  {
    name: 'an order is paid and cancelled at the same moment, its node may die',
    nodes: ['a'],
    livestream: () => oneItem(1),
    begin: (shoppers) => buys(shoppers, 1),
    afterwards: [
      (shoppers) => {
        pays(shoppers);
        cancels(shoppers);
      },
    ],
    strikes: [dies],
    horizonMs: 90,
  },
  {
    name: 'an order that takes its units when it is paid, paid twice; an answer may be lost',
    nodes: ['a'],
    livestream: () => oneItem(1, deduct),
    begin: (shoppers) => buys(shoppers, 1),
    afterwards: [
      (shoppers) => {
        pays(shoppers);
        pays(shoppers);
      },
    ],
    lostAnswers: 1,
    horizonMs: 90,
  },
  {
    name: 'a payment meets the expiry, its node may die',
    nodes: ['a'],
    livestream: () => oneItem(1, { holdTtlMs: 300 }),
    begin: (shoppers) => buys(shoppers, 1),
    afterwards: [pays],
    sweepMs: 400,
    earlyTimers: 1,
    strikes: [dies],
    horizonMs: 500,
  },
  {
    name: 'a pool gets smaller while one buys',
    nodes: ['a'],
    livestream: () => oneItem(2),
    begin: (shoppers) => buys(shoppers, 1, 'key-1', 2),
    strikes: [
      ({ shop, nodes }) =>
        void nodes[0]?.manage(() => shop.catalogue.allotItem(livestreamId, 'tea', 1), 'allot 1').catch(() => {}),
    ],
    horizonMs: 90,
  },
];
