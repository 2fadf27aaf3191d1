import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { createDemoLivestream, demoSkus } from './demo-livestream.ts';
import { demoLivestreamId } from './demo-show.ts';
import type { LivestreamCatalogue } from './livestream-catalogue.ts';
import { createPrismaCatalogue } from './prisma-catalogue.ts';

const clock = { now: () => Date.UTC(2_026, 10, 11, 12) };

describeWithDatabases('demo livestream', ({ database }) => {
  test('[LS-24] interrupted anywhere, the next run completes it; then it is left alone', async () => {
    const catalogue = createPrismaCatalogue({ prisma: database().prisma, clock });
    // Each run gets a few steps further before it is interrupted, as a process that is killed while it starts.
    let runs = 0;
    let interrupted = true;
    while (interrupted) {
      runs += 1;
      try {
        expect(
          await createDemoLivestream({ catalogue: interruptAfter(catalogue, runs * 29), clock, wait: sleep }),
        ).toBe('created');
        interrupted = false;
      } catch (error) {
        expect((error as Error).message).toBe('interrupted');
      }
    }
    expect(runs).toBeGreaterThan(3);

    const info = await catalogue.info(demoLivestreamId);
    expect(info).toMatchObject({ state: 'live', pinnedSkuId: info?.items[0]?.skuId });
    expect(info?.items.map(({ skuId }) => skuId)).toEqual(demoSkus().map(({ sku }) => sku.skuId));
    expect(info?.items.every(({ sale }) => sale === 'open')).toBe(true);
    expect(info?.items.filter(({ opensAtMs }) => opensAtMs === 0).length).toBeGreaterThan(12);
    for (const { sku } of demoSkus()) {
      const stock = await catalogue.stockOfSku(sku.skuId);
      expect(stock).toMatchObject({
        livestreams: [{ livestreamId: demoLivestreamId, allotted: sku.units.live }],
        channels: [{ channelId: 'app', allotted: sku.units.app }],
      });
      expect(stock?.unallotted).toBeGreaterThanOrEqual(0);
    }

    const [skuId = ''] = info?.items.map((item) => item.skuId) ?? [];
    await catalogue.changeItem(demoLivestreamId, skuId, { unitPriceMinor: 1 }, 'operator');
    expect(await createDemoLivestream({ catalogue, clock, wait: sleep })).toBe('present');
    expect((await catalogue.info(demoLivestreamId))?.items[0]?.unitPriceMinor).toBe(1);
  });
});

describeWithDatabases('demo livestream of several nodes', ({ database }) => {
  test('[LS-24] nodes that start at the same moment make it together', async () => {
    const catalogue = createPrismaCatalogue({ prisma: database().prisma, clock });
    const made = await Promise.all([1, 2, 3].map(() => createDemoLivestream({ catalogue, clock, wait: sleep })));
    expect(made).toContain('created');
    const info = await catalogue.info(demoLivestreamId);
    expect(info?.state).toBe('live');
    expect(info?.items.every(({ sale }) => sale === 'open')).toBe(true);
    const skuIds = info?.items.map(({ skuId }) => skuId).toSorted();
    expect(skuIds).toEqual(
      demoSkus()
        .map(({ sku }) => sku.skuId)
        .toSorted(),
    );
  });
});

test('[LS-24] a step that stays refused ends the start with its reason', async () => {
  let pauses = 0;
  const refused = { kind: 'refused', code: 'conflict', message: { zh: '不行', en: 'These units are taken.' } } as const;
  const answers: Partial<LivestreamCatalogue> = {
    info: () => Promise.resolve(null),
    putWarehouse: () => Promise.resolve(),
    putChannel: () => Promise.resolve(),
    putProduct: () => Promise.resolve(),
    putSku: () => Promise.resolve(refused),
  };
  const making = createDemoLivestream({
    catalogue: answers as LivestreamCatalogue,
    clock,
    wait: () => Promise.resolve(void (pauses += 1)),
  });
  await expect(making).rejects.toThrow('These units are taken.');
  expect(pauses).toBe(19);
});

test('[LS-24] the demo shows every policy, small pools and reserved stock, and its pictures exist', () => {
  const skus = demoSkus();
  expect(skus.length).toBeGreaterThanOrEqual(14);
  const kinds = (of: 'salePolicy' | 'display') => new Set(skus.map(({ product }) => product[of].kind));
  expect(kinds('salePolicy')).toEqual(new Set(['deduct_on_order', 'deduct_on_payment', 'hold_below']));
  expect(kinds('display')).toEqual(new Set(['exact', 'low_only', 'band']));
  expect(skus.some(({ sku }) => sku.units.live <= 12)).toBe(true);
  expect(skus.some(({ sku }) => sku.units.hangzhou[1] > 0)).toBe(true);
  const missing = skus.map(({ product }) => product.imageUrl).filter((url) => !existsSync(`public${url}`));
  expect(missing).toEqual([]);
});

/** The catalogue that stops answering after so many changes. */
function interruptAfter(catalogue: LivestreamCatalogue, changes: number): LivestreamCatalogue {
  let left = changes;
  return new Proxy(catalogue, {
    get(target, name: keyof LivestreamCatalogue) {
      return (...args: never[]) => {
        left -= 1;
        if (left < 0) return Promise.reject(new Error('interrupted'));
        return (target[name] as (...args: never[]) => unknown)(...args);
      };
    },
  });
}
