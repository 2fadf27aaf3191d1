import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { layoutShiftOf, watchLayoutShift } from './layout-shift.ts';
import { findingsOf, openStage, type Stage, shirt, sidewaysOf, tea, type Visit } from './operator-stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
  const [skuId = ''] = await stage.shop.livestream('looks', [
    { ...tea, allotted: 200 },
    shirt,
    { ...shirt, productId: 's2' },
  ]);
  const thresholds = { yellowPercent: 20, orangePercent: 40, redPercent: 60 };
  await stage.shop.call('PUT', `/livestreams/looks/plans/${skuId}`, { estimate: 10, ...thresholds });
  await stage.sell('looks', skuId, 6);
});
afterAll(async () => {
  await stage?.close();
});
afterEach(async () => {
  expect(await stage.clear()).toEqual([]);
});

const visits: readonly Visit[] = [
  { query: '&lang=zh', colorScheme: 'light' },
  { query: '&lang=en', colorScheme: 'dark' },
];

test('[CO-14] axe finds nothing on any page of the console, in both languages and schemes', async () => {
  for (const visit of visits) {
    const page = await stage.console('looks', { ...visit, role: 'admin', reducedMotion: 'reduce' });
    await page.locator('.alert').first().waitFor();
    const tabs = page.locator('.tabs .tab:not(.narrow-only)');
    expect(await tabs.count()).toBe(5);
    for (let at = 0; at < 5; at += 1) {
      await tabs.nth(at).click();
      expect(await findingsOf(page), `page ${at} ${visit.query}`).toEqual([]);
      expect(await sidewaysOf(page)).toBe(0);
    }
    await tabs.first().click();
    await page.locator('.name-button').first().click();
    await page.locator('.panel canvas').waitFor();
    await page.keyboard.press('n');
    expect(await findingsOf(page), `panel ${visit.query}`).toEqual([]);
  }
});

test('[CO-14] a phone shows the queue first, with targets of 44 px; the big screen fits 1920 × 1080', async () => {
  for (const visit of visits) {
    const phone = await stage.console('looks', { ...visit, width: 360, height: 740 });
    const acknowledge = phone.locator('.alert .small-button-strong').first();
    await acknowledge.waitFor();
    expect((await acknowledge.boundingBox())?.height).toBeGreaterThanOrEqual(44);
    expect(await findingsOf(phone)).toEqual([]);
    expect(await sidewaysOf(phone)).toBe(0);
    await phone.locator('.tab').first().click();
    await phone.locator('tr[data-sku]').first().waitFor();
    expect(await findingsOf(phone)).toEqual([]);
    expect(await sidewaysOf(phone)).toBe(0);

    const big = await stage.console('looks', {
      ...visit,
      query: `${visit.query}&mode=wall`,
      width: 1920,
      height: 1080,
    });
    await big.locator('.tile').first().waitFor();
    expect(await findingsOf(big)).toEqual([]);
    expect(await sidewaysOf(big)).toBe(0);
    expect(await big.evaluate('document.documentElement.scrollHeight')).toBe(1_080);
    expect(await big.locator('button:visible').count(), 'nothing to press but what is highlighted').toBeLessThan(10);
  }
});

test('[CO-14][CO-2] the layout does not shift while numbers tick', async () => {
  const [skuId = ''] = await stage.shop.livestream('ticking', [{ ...tea, allotted: 500 }, shirt]);
  const page = await stage.console('ticking');
  await page.waitForTimeout(2_500);
  await watchLayoutShift(page);
  await stage.sell('ticking', skuId, 60);
  await expect.poll(() => page.locator(`tr[data-sku="${skuId}"] .cell-available`).textContent()).toBe('440');
  await page.waitForTimeout(2_500);
  // Right-aligned digits that grow to the left count as a shift of about 0.00001; a row that moves counts a thousand times that.
  expect(await layoutShiftOf(page)).toBeLessThan(0.001);
});

test('[CO-13] the language is switched in place and kept', async () => {
  const page = await stage.console('looks', { query: '&lang=zh' });
  await page.locator('.top-facts button', { hasText: 'English' }).click();
  expect(await page.locator('html').getAttribute('lang')).toBe('en');
  expect(await page.locator('.tab').first().textContent()).toBe('Items');
  await page.goto(page.url().replace('&lang=zh', ''));
  await page.locator('tr[data-sku]').first().waitFor();
  expect(await page.locator('.tab').first().textContent()).toBe('Items');
});

test('[CO-15] the scripts of the console are 150 kB at most, compressed', async () => {
  const { url } = stage.server;
  const html = await (await fetch(`${url}/operator/`)).text();
  const scripts = [...html.matchAll(/(?:src|href)="([^"]+\.js)"/g)].map(([, path = '']) => path);
  expect(scripts.length).toBeGreaterThan(0);
  const sizes = await Promise.all(
    scripts.map(async (path) => gzipSync(await (await fetch(new URL(path, url))).text()).length),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(150 * 1_024);
});

test('[CO-6] the service worker of push messages is served beside the console', async () => {
  const answer = await fetch(`${stage.server.url}/operator/sw.js`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('javascript')]);
  const source = await answer.text();
  expect(source).toContain('notificationclick');
  expect(source).not.toMatch(/^import /m);
});
