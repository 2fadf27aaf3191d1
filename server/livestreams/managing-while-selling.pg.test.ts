import { expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import type { NewOrder } from '../orders/order-ledger.ts';
import { createPrismaLedger } from '../orders/prisma-ledger.ts';
import { managed, openTestShop } from './test-shop.ts';

/** Orders of two items that meet every change a manager can make, over the real ledger: deadlocks would show as rejections. */
describeWithDatabases('managing while selling', ({ database, kind }) => {
  test('[LS-30] pools are moved, sales stopped, items added and the livestream ended while orders are committed', async () => {
    const shop = openTestShop(database());
    const ledger = createPrismaLedger({ prisma: shop.prisma });
    const { catalogue } = shop;
    const [tea, mug, bowl] = [await shop.sku('tea', 400), await shop.sku('mug', 400), await shop.sku('bowl', 10)];
    const livestreamId = await shop.livestream('show', 'live');
    const next = await shop.livestream('next', 'live');
    for (const skuId of [tea, mug]) managed(await shop.add(livestreamId, skuId, 60));
    managed(await shop.add(next, tea, 0));

    const order = (group: number, at: number): NewOrder => ({
      rid: shop.idOf(`r-${group}-${at}`),
      key: shop.idOf(`k-${group}-${at}`),
      bodyHash: 'hash',
      livestreamId,
      epoch: 0,
      buyerId: shop.idOf(`b-${at}`),
      deviceId: null,
      takes: 'hold',
      lines:
        at % 3 === 0
          ? [
              { skuId: mug, quantity: 1 },
              { skuId: tea, quantity: 1 },
            ]
          : [{ skuId: tea, quantity: 1 }],
      holdTtlMs: 600_000,
    });
    const groups = kind === 'pglite' ? 6 : 16;
    const outcomes: string[] = [];
    async function sell(): Promise<void> {
      for (let group = 0; group < groups; group += 1) {
        const appended = await ledger.append(Array.from({ length: 12 }, (_, at) => order(group, at)));
        outcomes.push(...appended.map((one) => one.kind));
        await ledger.cancel(shop.idOf(`r-${group}-1`), 'test');
      }
    }
    async function move(livestream: string, sizes: readonly number[]): Promise<void> {
      for (const size of sizes) {
        expect(['done', 'refused']).toContain((await catalogue.allotItem(livestream, tea, size, 'test', 'race')).kind);
      }
    }
    async function operate(): Promise<void> {
      managed(await catalogue.changeSale(livestreamId, mug, { action: 'open', opensAtMs: 0 }, 'test'));
      managed(await shop.add(livestreamId, bowl, 2));
      managed(await catalogue.changeItem(livestreamId, tea, { unitPriceMinor: 5 }, 'test'));
      managed(await catalogue.changeSale(livestreamId, mug, { action: 'stop', reason: '' }, 'test'));
      const epoch = (await ledger.fenceAndRead(next, 60_000))?.epoch;
      expect(epoch).toBeGreaterThan(0);
      managed(await catalogue.end(livestreamId, 'test'));
    }
    await Promise.all([
      sell(),
      move(livestreamId, [40, 90, 20, 70, 110, 30]),
      move(next, [300, 10, 340, 0]),
      operate(),
    ]);

    expect(outcomes.filter((outcome) => outcome !== 'committed' && outcome !== 'does_not_fit')).toEqual([]);
    expect(outcomes).toHaveLength(groups * 12);
    const audit = await ledger.audit(livestreamId);
    expect(audit?.items).toHaveLength(3);
    for (const item of audit?.items ?? []) {
      expect([item.held, item.sold]).toEqual([item.heldByOrders, item.soldByOrders]);
      expect(item.held + item.sold).toBeLessThanOrEqual(item.allotted);
    }
    expect((await shop.stock(tea)).unallotted).toBeGreaterThanOrEqual(0);

    await catalogue.archive(livestreamId);
    expect((await catalogue.active()).map((one) => one.livestreamId)).toContain(livestreamId);
    const [paid, ...unpaid] = (await ledger.orders({ livestreamId, state: 'held', limit: 200 })).toReversed();
    if (paid === undefined) throw new Error('no order was committed');
    const { orderId, totalMinor: amountMinor, currency } = paid;
    const payment = await ledger.pay({ paymentId: shop.idOf('p'), orderId, amountMinor, currency });
    expect(payment).toMatchObject({ kind: 'final', outcome: 'paid' });
    for (const one of unpaid) await ledger.cancel(one.orderId, 'test');
    await catalogue.archive(livestreamId);
    expect((await catalogue.active()).map((one) => one.livestreamId)).not.toContain(livestreamId);
    const archived = await ledger.audit(livestreamId);
    expect(archived?.items.map(({ allotted, held, sold }) => [held, allotted - sold])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(archived?.items.reduce((sum, { sold }) => sum + sold, 0)).toBe(paid.lines.length);

    // A refund after the archive: the unit is free for the next livestream, and the old one can never sell it again.
    await ledger.refund(orderId, 'test', 'returned');
    managed(await catalogue.allotItem(next, tea, 400, 'test', 'all of it'));
    expect(await shop.item(livestreamId, tea)).toMatchObject({ allotted: 0, sold: 0 });
  });
});
