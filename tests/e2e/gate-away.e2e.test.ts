import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Browser, launchChromium } from '../services/chromium.ts';
import { startRedisCluster, type TestCluster } from '../services/redis-cluster.ts';
import { soonTrue } from '../services/redis-process.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { openShop } from './viewer-shop.ts';

/** What people see while the gate of their livestream is away: a whole server on a real Redis Cluster, of which one primary dies. */

let dataDir: string;
let cluster: TestCluster;
let server: ServerProcess;
let shop: Awaited<ReturnType<typeof openShop>>;
let browser: Browser;
const contexts: BrowserContext[] = [];
const tea = { productId: 'tea', title: { zh: '岩茶', en: 'Rock tea' }, allotted: 50 };
beforeAll(async () => {
  [dataDir, cluster, browser] = await Promise.all([
    mkdtemp(join(tmpdir(), 'stockcast-away-')),
    startRedisCluster(),
    launchChromium(),
  ]);
  server = await startServerProcess({ dataDir, redisUrl: cluster.url });
  shop = await openShop(server);
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  await cluster.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function open(path: string): Promise<Page> {
  const context = await browser.visit({ width: 390, height: 844 });
  contexts.push(context);
  const page = await context.newPage();
  await page.goto(`${server.url}${path}`);
  return page;
}

const primaryOf = (livestreamId: string) => cluster.primaryOf(`sc:{${livestreamId}}:meta`);
const left = (page: Page) => page.locator('[data-units]').first().getAttribute('data-units');

test('[RD-13] [RD-6] viewers see that numbers are old while their shard is away, the other livestream goes on, and both sell afterwards', async () => {
  await shop.livestream('night', [tea]);
  let other = '';
  for (let n = 0; other === ''; n += 1) {
    if ((await primaryOf(`day-${n}`)).id !== (await primaryOf('night')).id) other = `day-${n}`;
  }
  await shop.livestream(other, [tea]);
  const [page, otherPage] = [await open('/viewer/?livestream=night'), await open(`/viewer/?livestream=${other}`)];
  await Promise.all([page, otherPage].map((each) => each.locator('[data-status=on_sale]').waitFor()));
  expect(await page.locator('.connection').getAttribute('data-state')).toBe('live');

  const promotion = cluster.failOver(await primaryOf('night'));
  await page.locator('.connection[data-state=stale]').waitFor({ timeout: 60_000 });
  await page.locator('.notice-warn').waitFor();
  expect(await page.locator('.notice-warn').textContent()).toContain('暂时收不到库存更新');
  expect(await left(page)).toBe('50');
  expect(await otherPage.locator('.connection').getAttribute('data-state')).toBe('live');
  await shop.buy(other, 'buyer-1', `${other}-1`);
  await expect.poll(() => left(otherPage), { timeout: 30_000 }).toBe('49');

  await promotion;
  await page.locator('.connection[data-state=live]').waitFor({ timeout: 60_000 });
  await soonTrue('an order is taken again', () => shop.buy('night', 'buyer-2', 'night-1').then(() => true));
  await expect.poll(() => left(page), { timeout: 30_000 }).toBe('49');
  await page.locator('.button-buy').first().click();
  await page.locator('.outcome[data-order-state=held]').waitFor({ timeout: 30_000 });
  await expect.poll(() => left(page), { timeout: 30_000 }).toBe('48');
});
