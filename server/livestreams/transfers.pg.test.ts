import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MoveUnits, StockPool } from '../../contract/pools.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { createPrismaLedger } from '../orders/prisma-ledger.ts';
import type { ManageRefusal } from './livestream-catalogue.ts';
import { done, managed, openTestShop, refused, type TestShop } from './test-shop.ts';

const livestream: StockPool = { kind: 'livestream' };
const unallotted: StockPool = { kind: 'unallotted' };
const channel = (channelId: string): StockPool => ({ kind: 'channel', channelId });

describeWithDatabases('transfers', ({ database, kind }) => {
  /** 100 units: 40 in the livestream's pool, 30 in the app's, 30 unallotted. */
  async function setUp() {
    const shop = openTestShop(database());
    const [skuId, livestreamId] = [await shop.sku('tea', 110, 10), await shop.livestream('show', 'live')];
    const app = await shop.channel();
    managed(await shop.add(livestreamId, skuId, 40));
    done(await shop.catalogue.allotChannel(app, skuId, 30, 'test', 'app'));
    const move = (transferId: string, from: StockPool, to: StockPool, quantity: number) =>
      shop.catalogue.moveUnits(livestreamId, skuId, { transferId, from, to, quantity, reason: 'test' }, 'operator');
    const sizes = async () => {
      const { livestreams, channels, unallotted: free } = await shop.stock(skuId);
      return [livestreams[0]?.allotted, channels[0]?.allotted, free];
    };
    return { shop, skuId, livestreamId, app, move, sizes };
  }

  test('[LS-31] units move between the livestream, a channel and the unallotted ones, and their sum stays', async () => {
    const { shop, skuId, livestreamId, app, move, sizes } = await setUp();
    expect(await sizes()).toEqual([40, 30, 30]);
    const first = done(await move('transfer-1', channel(app), livestream, 12));
    expect(first.transfer).toMatchObject({
      fromBefore: 30,
      fromAfter: 18,
      toBefore: 40,
      toAfter: 52,
      actor: 'operator',
    });
    expect(first.gate?.items).toMatchObject([{ skuId, pool: { rev: 2, allotted: 52 } }]);
    expect(await sizes()).toEqual([52, 18, 30]);
    done(await move('transfer-2', unallotted, livestream, 30));
    expect(await sizes()).toEqual([82, 18, 0]);
    done(await move('transfer-3', livestream, channel(app), 80));
    done(await move('transfer-4', livestream, unallotted, 2));
    expect(await sizes()).toEqual([0, 98, 2]);
    expect((await shop.item(livestreamId, skuId)).poolRev).toBe(5);
  });

  test('[LS-31] a channel that had no pool of the SKU gets one', async () => {
    const { shop, skuId, move } = await setUp();
    const kiosk = await shop.channel('kiosk');
    done(await move('transfer-1', livestream, channel(kiosk), 5));
    expect((await shop.stock(skuId)).channels).toContainEqual({ channelId: kiosk, allotted: 5, sold: 0, available: 5 });
  });

  test('[LS-32] held and sold units stay, on both sides; the refusal says how many may leave', async () => {
    const { shop, skuId, livestreamId, app, move, sizes } = await setUp();
    await shop.orders(livestreamId, skuId, { held: 5, sold: 10 });
    done(await shop.catalogue.sellInChannel(app, { saleId: 's1', skuId, quantity: 8 }));
    const refusal = refused(await move('transfer-1', livestream, channel(app), 26));
    expect(refusal).toEqual({
      code: 'conflict',
      sentence: "At most 25 units can leave the livestream's pool: those that are held or sold stay.",
    });
    expect(refused(await move('transfer-2', channel(app), livestream, 23)).sentence).toContain('At most 22 units');
    expect(refused(await move('transfer-3', unallotted, livestream, 31)).sentence).toContain('At most 30 units');
    expect(await sizes()).toEqual([40, 30, 30]);
    // What was refused leaves its id free.
    done(await move('transfer-1', livestream, channel(app), 25));
    expect(await sizes()).toEqual([15, 55, 30]);
  });

  test('[LS-32] what does not exist, and the items of an ended livestream, are refused', async () => {
    const { shop, skuId, livestreamId, move } = await setUp();
    expect(refused(await move('transfer-1', channel('nobody'), livestream, 1)).code).toBe('not_found');
    const plain: MoveUnits = { transferId: 'transfer-2', from: unallotted, to: livestream, quantity: 1, reason: 'r' };
    expect(refused(await shop.catalogue.moveUnits('nowhere', skuId, plain, 'test')).code).toBe('route_not_found');
    expect(refused(await shop.catalogue.moveUnits(livestreamId, 'nothing', plain, 'test')).code).toBe('not_found');
    expect(refused(await shop.catalogue.poolsOf('nowhere', skuId)).code).toBe('route_not_found');
    expect(refused(await shop.catalogue.poolsOf(livestreamId, 'nothing')).code).toBe('not_found');
    managed(await shop.catalogue.end(livestreamId, 'test'));
    expect(refused(await move('transfer-3', unallotted, livestream, 1)).code).toBe('conflict');
  });

  test('[LS-33] one transfer that is asked for ten times at once moves its units once', async () => {
    const { shop, skuId, livestreamId, app, move, sizes } = await setUp();
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => move('transfer-1', channel(app), livestream, 10)),
    );
    const transfers = outcomes.map((outcome) => done(outcome).transfer);
    expect(new Set(transfers.map((transfer) => JSON.stringify(transfer))).size).toBe(1);
    expect(await sizes()).toEqual([50, 20, 30]);
    expect(refused(await move('transfer-1', channel(app), livestream, 11)).sentence).toContain('was something else');
    const mug = await shop.sku('mug', 10);
    managed(await shop.add(livestreamId, mug, 0));
    const other: MoveUnits = { transferId: 'transfer-1', from: unallotted, to: livestream, quantity: 10, reason: 'r' };
    expect(refused(await shop.catalogue.moveUnits(livestreamId, mug, other, 'test')).code).toBe('conflict');
    expect(await shop.prisma.stockTransfer.count({ where: { livestreamId, skuId } })).toBe(1);
  });

  test('[LS-34] each side has its entry with before and after, and nobody rewrites a transfer', async () => {
    const { shop, skuId, livestreamId, app, move } = await setUp();
    done(await move('transfer-1', channel(app), livestream, 10));
    expect((await shop.entries(skuId)).slice(-2)).toMatchObject([
      { type: 'TRANSFER_OUT', bucket: 'allotted', before: 30, after: 20, channelId: app, refId: 'transfer-1' },
      { type: 'TRANSFER_IN', bucket: 'allotted', before: 40, after: 50, livestreamId, actor: 'operator' },
    ]);
    const { pools } = done(await shop.catalogue.poolsOf(livestreamId, skuId));
    expect(pools).toMatchObject({
      unallotted: 30,
      livestream: { allotted: 50, movable: 50 },
      channels: expect.arrayContaining([expect.objectContaining({ channelId: app, allotted: 20, movable: 20 })]),
      changes: [
        { before: 40, after: 50, transferId: 'transfer-1' },
        { before: 0, after: 40, transferId: null },
      ],
      transfers: [{ transferId: 'transfer-1', from: { kind: 'channel', channelId: app }, to: { kind: 'livestream' } }],
    });
    await expect(shop.prisma.stockTransfer.deleteMany({ where: { livestreamId } })).rejects.toThrow();
    await expect(
      shop.prisma.stockTransfer.updateMany({ where: { livestreamId }, data: { quantity: 1 } }),
    ).rejects.toThrow();
  });

  test('[LS-35] transfers, allotments, orders and sales of channels at the same moment make and lose no unit', async () => {
    const numRuns = kind === 'pglite' ? 6 : 12;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(aRound, { minLength: 1, maxLength: 4 }), async (rounds) => {
        run += 1;
        const bench = await openBench(openTestShop(database()), run);
        for (const round of rounds) await Promise.all(round.map((step) => bench.take(step)));
        await bench.check();
      }),
      { numRuns, endOnFailure: true },
    );
  });
});

type Step =
  | { kind: 'move'; from: 0 | 1 | 2; into: boolean; quantity: number }
  | { kind: 'allot'; allotted: number }
  | { kind: 'buy'; quantity: number }
  | { kind: 'pay' | 'cancel' }
  | { kind: 'sale'; quantity: number };

const units = fc.integer({ min: 1, max: 25 });
const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      from: fc.constantFrom(0, 1, 2),
      into: fc.boolean(),
      quantity: units,
    }),
  },
  fc.record({ kind: fc.constant('allot' as const), allotted: fc.integer({ min: 0, max: 120 }) }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('buy' as const), quantity: fc.integer({ min: 1, max: 6 }) }) },
  fc.record({ kind: fc.constantFrom('pay' as const, 'cancel' as const) }),
  fc.record({ kind: fc.constant('sale' as const), quantity: fc.integer({ min: 1, max: 6 }) }),
);
const aRound = fc.array(aStep, { minLength: 2, maxLength: 8 });

/** A shop with 100 units, where steps run beside each other over the real ledger. */
async function openBench(shop: TestShop, run: number) {
  const ledger = createPrismaLedger({ prisma: shop.prisma });
  const [skuId, livestreamId] = [await shop.sku('tea', 100), await shop.livestream('show', 'live')];
  const channels = [await shop.channel('app'), await shop.channel('kiosk')];
  const pools = [unallotted, ...channels.map(channel)];
  managed(await shop.add(livestreamId, skuId, 40));
  for (const channelId of channels) done(await shop.catalogue.allotChannel(channelId, skuId, 20, 'test', 'app'));
  let at = 0;
  const tolerate = (outcome: { kind: string } | ManageRefusal): void =>
    void (outcome.kind === 'refused' && expect((outcome as ManageRefusal).code).toBe('conflict'));

  async function take(step: Step): Promise<void> {
    at += 1;
    const id = shop.idOf(`${run}-${at}-step`);
    if (step.kind === 'move') {
      const other = pools[step.from] ?? unallotted;
      const sides = step.into ? { from: other, to: livestream } : { from: livestream, to: other };
      const move = { transferId: id, ...sides, quantity: step.quantity, reason: 'race' };
      tolerate(await shop.catalogue.moveUnits(livestreamId, skuId, move, 'test'));
    } else if (step.kind === 'allot') {
      tolerate(await shop.catalogue.allotItem(livestreamId, skuId, step.allotted, 'test', 'race'));
    } else if (step.kind === 'sale') {
      const sale = { saleId: id, skuId, quantity: step.quantity };
      await shop.catalogue.sellInChannel(channels[at % 2] ?? '', sale);
    } else if (step.kind === 'buy') {
      const lines = [{ skuId, quantity: step.quantity }];
      const [outcome] = await ledger.append([{ ...plainOrder, rid: id, key: id, livestreamId, buyerId: id, lines }]);
      expect(['committed', 'does_not_fit']).toContain(outcome?.kind);
    } else {
      const [order] = await ledger.orders({ livestreamId, state: 'held', limit: 1 });
      if (order === undefined) return;
      const { orderId, totalMinor: amountMinor, currency } = order;
      if (step.kind === 'cancel') await ledger.cancel(orderId, 'test');
      else await ledger.pay({ paymentId: id, orderId, amountMinor, currency });
    }
  }

  return {
    take,
    async check(): Promise<void> {
      const stock = await shop.stock(skuId);
      const all = [...stock.livestreams, ...stock.channels].reduce((sum, { allotted }) => sum + allotted, 0);
      expect([stock.sellable, all + stock.unallotted]).toEqual([100, 100]);
      expect(stock.unallotted).toBeGreaterThanOrEqual(0);
      for (const { allotted, sold } of stock.channels) expect(sold).toBeLessThanOrEqual(allotted);
      const [item] = (await ledger.audit(livestreamId))?.items ?? [];
      if (item === undefined) throw new Error('there is no item');
      expect([item.held, item.sold]).toEqual([item.heldByOrders, item.soldByOrders]);
      expect(item.held + item.sold).toBeLessThanOrEqual(item.allotted);
      expectChains(await shop.entries(skuId), { livestreamId, allotted: item.allotted, channels: stock.channels });
      const moved = await shop.prisma.stockTransfer.findMany({ where: { livestreamId } });
      for (const row of moved) expect(row.fromBefore + row.toBefore).toBe(row.fromAfter + row.toAfter);
    },
  };
}

const plainOrder = { bodyHash: 'hash', epoch: 0, deviceId: null, takes: 'hold', holdTtlMs: 600_000 } as const;

/** Every entry of a pool begins where the one before it ended, and the last one is the pool's size. */
function expectChains(
  entries: Awaited<ReturnType<TestShop['entries']>>,
  now: { livestreamId: string; allotted: number; channels: readonly { channelId: string; allotted: number }[] },
): void {
  const places = [
    { is: now.livestreamId, allotted: now.allotted },
    ...now.channels.map(({ channelId, allotted }) => ({ is: channelId, allotted })),
  ];
  for (const { is, allotted } of places) {
    const own = entries.filter((one) => one.bucket === 'allotted' && (one.livestreamId ?? one.channelId) === is);
    expect(own.map(({ before }) => before)).toEqual([0, ...own.slice(0, -1).map(({ after }) => after)]);
    expect(own.at(-1)?.after).toBe(allotted);
  }
}
