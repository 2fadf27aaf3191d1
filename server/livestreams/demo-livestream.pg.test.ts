import { existsSync } from 'node:fs';
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
        expect(await createDemoLivestream({ catalogue: interruptAfter(catalogue, runs * 29), clock })).toBe('created');
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
    expect(await createDemoLivestream({ catalogue, clock })).toBe('present');
    expect((await catalogue.info(demoLivestreamId))?.items[0]?.unitPriceMinor).toBe(1);
  });
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
