import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, launchChromium, type Screen } from '../services/chromium.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { openShop } from './viewer-shop.ts';

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tea = { productId: 'tea', title: { zh: '岩茶', en: 'Rock tea' } };
const shirt = { productId: 'shirt', title: { zh: '衬衫', en: 'Shirt' } };

let dataDir: string;
let server: ServerProcess;
let shop: Awaited<ReturnType<typeof openShop>>;
let browser: Browser;
let contexts: BrowserContext[] = [];
/** What pages complained of: a script error or a refused resource is a failure of every test. */
let complaints: string[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-viewer-'));
  [server, browser] = await Promise.all([startServerProcess({ dataDir }), launchChromium()]);
  shop = await openShop(server);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  expect(complaints.splice(0)).toEqual([]);
});

async function open(livestreamId: string, options: Screen & { query?: string; fragment?: string } = {}): Promise<Page> {
  const { query = '', fragment = '', ...screen } = options;
  const context = await browser.visit(screen);
  contexts.push(context);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // The browser logs every connection that a server refuses while it is away.
    const expected = /ERR_CONNECTION_REFUSED|WebSocket connection/.test(message.text());
    if (message.type() === 'error' && !expected) complaints.push(message.text());
  });
  await page.goto(`${server.url}/viewer/?livestream=${livestreamId}${query}${fragment}`);
  await page.locator('[data-status]:not([data-status=loading])').first().waitFor();
  return page;
}

const card = (page: Page, product: string) => page.locator(`[data-product$="-${product}"]`);
const button = (page: Page, product: string) => card(page, product).locator('.button-buy');

describe('orders', () => {
  test('[VW-20][VW-9] a guest buys, pays in the other tab, and sees it paid without reload', async () => {
    await shop.livestream('pay', [{ ...tea, allotted: 5 }]);
    const page = await open('pay');
    await button(page, 'tea').click();
    await page.locator('.outcome[data-order-state=held]').waitFor();
    expect(await page.locator('dialog .pay-clock').textContent()).toMatch(/^(10:00|09:5\d)$/);
    expect(await card(page, 'tea').locator('.left').getAttribute('data-units')).toBe('4');
    const [payment] = await Promise.all([
      page.context().waitForEvent('page'),
      page.locator('dialog a.button-buy').click(),
    ]);
    await payment.locator('.total').waitFor();
    expect(await payment.locator('.simulation').isVisible()).toBe(true);
    expect(await payment.locator('.lines').textContent()).toContain('岩茶 × 1');
    await payment.locator('.button-buy').click();
    await payment.locator('.result[data-tone=good]').waitFor();
    await page.locator('.outcome[data-order-state=paid]').waitFor();
  });

  test('[VW-21] the other tabs of a browser have a new order at once, and it can be paid in any of them', async () => {
    await shop.livestream('tabs', [{ ...tea, allotted: 5, limits: { perOrder: 2, perBuyer: 2, perDevice: null } }]);
    const page = await open('tabs');
    const other = await page.context().newPage();
    await other.goto(page.url());
    await card(other, 'tea').and(other.locator('[data-status=on_sale]')).waitFor();
    await button(page, 'tea').click();
    await page.locator('.outcome[data-order-state=held]').waitFor();
    await expect.poll(() => card(other, 'tea').locator('.limits').textContent()).toContain('你已有 1 件');
    await button(other, 'tea').click();
    await other.locator('.outcome[data-order-state=held]').waitFor();
    await page.keyboard.press('Escape');
    for (const tab of [page, other]) {
      await tab.reload();
      await tab.locator('.orders-button').click();
      await expect.poll(() => tab.locator('dialog a.button-buy').count()).toBe(2);
    }
  });

  test('[VW-20] an order that is not paid expires on the page, and its unit is for sale again', async () => {
    const [skuId = ''] = await shop.livestream('expiry', [{ ...tea, allotted: 1 }], 2_500);
    const page = await open('expiry');
    await button(page, 'tea').click();
    await page.locator('.outcome[data-order-state=held]').waitFor();
    await card(page, 'tea').and(page.locator('[data-status=sold_out]')).waitFor();
    await page.locator('.outcome[data-order-state=expired]').waitFor();
    await card(page, 'tea').and(page.locator('[data-status=on_sale]')).waitFor();
    expect(skuId).toBe('expiry-1');
  });

  test('[VW-20] a cancelled order gives its unit back to every page', async () => {
    await shop.livestream('cancel', [{ ...tea, allotted: 1 }]);
    const [buyer, other] = await Promise.all([open('cancel'), open('cancel')]);
    await button(buyer, 'tea').click();
    await buyer.locator('.outcome[data-order-state=held]').waitFor();
    await card(other, 'tea').and(other.locator('[data-status=sold_out]')).waitFor();
    await buyer.locator('dialog .button-quiet').click();
    await buyer.locator('.outcome[data-order-state=cancelled]').waitFor();
    await card(other, 'tea').and(other.locator('[data-status=on_sale]')).waitFor();
  });

  test('[VW-16] limits are explained, and what is used up cannot be asked for', async () => {
    const limits = { perOrder: 2, perBuyer: 2, perDevice: null };
    await shop.livestream('limits', [{ ...tea, allotted: 50, limits }]);
    const page = await open('limits');
    expect(await card(page, 'tea').locator('.limits').textContent()).toContain('每人限 2 件');
    await card(page, 'tea').getByLabel('增加数量').click();
    await button(page, 'tea').click();
    await page.locator('.outcome[data-order-state=held]').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => button(page, 'tea').getAttribute('aria-disabled')).toBe('true');
    expect(await button(page, 'tea').textContent()).toBe('已达限购数量');
    expect(await card(page, 'tea').locator('.limits').textContent()).toContain('你已有 2 件');
  });

  test('[VW-9] a link makes its bearer that buyer, and its token is gone from the address', async () => {
    const [skuId = ''] = await shop.livestream('link', [{ ...tea, allotted: 5 }]);
    await shop.buy('link', 'buyer-7', skuId);
    const page = await open('link', { fragment: `#token=${await shop.buyerToken('link', 'buyer-7')}` });
    expect(page.url()).not.toContain('token');
    await page.locator('.orders-button').click();
    expect(await page.locator('dialog .order').count()).toBe(1);
  });
});

describe('levels on the page', () => {
  test('[VW-20][VW-14] black L sells out on every page while red L goes on, and comes back without reload', async () => {
    const [blackL = '', redL = ''] = await shop.livestream('specs', [
      { ...shirt, spec: { 颜色: '黑', 尺码: 'L' }, allotted: 3 },
      { ...shirt, spec: { 颜色: '红', 尺码: 'L' }, allotted: 3 },
    ]);
    const pages = await Promise.all([open('specs'), open('specs')]);
    for (const buyer of ['a', 'b', 'c']) await shop.buy('specs', buyer, blackL);
    for (const page of pages) {
      await card(page, 'shirt').and(page.locator('[data-status=sold_out]')).waitFor();
      expect(await button(page, 'shirt').getAttribute('aria-disabled')).toBe('true');
      expect(await button(page, 'shirt').textContent()).toBe('已售罄');
      const black = page.locator(`[data-sku=${blackL}]`).first();
      expect(await black.getAttribute('data-state')).toBe('sold_out');
      const struck = `getComputedStyle(document.querySelector('[data-sku=${blackL}] .chip-value')).textDecorationLine`;
      expect(await page.evaluate(struck)).toBe('line-through');
      await page.locator(`[data-sku=${redL}]`).first().click();
      expect(await button(page, 'shirt').textContent()).toBe('立即抢购');
    }
    await shop.allot('specs', blackL, 5);
    for (const page of pages) await page.locator(`[data-sku=${blackL}][data-state=open]`).first().waitFor();
  });

  test('[VW-15] a scheduled item counts down and opens by itself', async () => {
    await shop.livestream('scheduled', [{ ...tea, allotted: 9, opensInMs: 6_000 }]);
    const page = await open('scheduled');
    expect(await button(page, 'tea').textContent()).toMatch(/^即将开抢 00:0\d$/);
    expect(await button(page, 'tea').getAttribute('aria-disabled')).toBe('true');
    await card(page, 'tea').and(page.locator('[data-status=on_sale]')).waitFor();
    await button(page, 'tea').click();
    await page.locator('.outcome[data-order-state=held]').waitFor();
  });

  test('[VW-13] units are shown as their policy lets them be', async () => {
    await shop.livestream('display', [
      { ...tea, allotted: 300, display: { kind: 'low_only', below: 20 } },
      { ...shirt, allotted: 35, display: { kind: 'band', bounds: [1, 10, 50] } },
    ]);
    const page = await open('display');
    expect(await card(page, 'tea').locator('.left').textContent()).toBe('库存充足 20+');
    expect(await card(page, 'shirt').locator('.left').textContent()).toBe('剩余 10–49 件');
    await shop.allot('display', 'display-1', 3);
    await expect.poll(() => card(page, 'tea').locator('.left').textContent()).toBe('仅剩 3 件');
  });

  test('[VW-20] a new price and the item being explained are on the page at once', async () => {
    const [, skuId = ''] = await shop.livestream('manage', [
      { ...tea, allotted: 9 },
      { ...shirt, allotted: 9 },
    ]);
    const page = await open('manage');
    await shop.call('PUT', '/livestreams/manage/pin', { skuId });
    await page.locator('.card-pinned[data-product$="-shirt"]').waitFor();
    await shop.call('PATCH', `/livestreams/manage/items/${skuId}`, { unitPriceMinor: 4_950 });
    await expect.poll(() => page.locator('.card-pinned .price').textContent()).toBe('¥49.50');
    await shop.call('POST', '/livestreams/manage/end');
    await card(page, 'shirt').and(page.locator('[data-status=ended]')).waitFor();
  });

  test('[VW-8][VW-6] a killed server is noticed, and the page continues with the truth when it is back', async () => {
    const [skuId = ''] = await shop.livestream('crash', [{ ...tea, allotted: 5 }]);
    const page = await open('crash');
    await server.kill();
    await page.locator('.connection[data-state=reconnecting]').waitFor();
    await server.restart();
    await shop.buy('crash', 'elsewhere', skuId);
    await page.locator('.connection[data-state=live]').waitFor();
    await expect.poll(() => card(page, 'tea').locator('.left').getAttribute('data-units')).toBe('4');
  });
});

describe('for everybody', () => {
  test('[VW-19][VW-17] no serious finding of axe, no sideways scrolling, in both languages and schemes', async () => {
    const limits = { perOrder: 1, perBuyer: 2, perDevice: null };
    await shop.livestream('access', [
      { ...shirt, spec: { 颜色: '黑' }, allotted: 5, limits },
      { ...shirt, spec: { 颜色: '红' }, allotted: 0 },
      { ...tea, allotted: 0 },
    ]);
    await shop.call('PUT', '/livestreams/access/pin', { skuId: 'access-1' });
    for (const [query, colorScheme] of [
      ['&lang=zh', 'light'],
      ['&lang=en', 'dark'],
    ] as const) {
      const page = await open('access', { query, colorScheme, reducedMotion: 'reduce' });
      const sideways = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await page.evaluate(sideways)).toBe(0);
      expect(await seriousFindings(page)).toEqual([]);
      await button(page, 'shirt').click();
      await page.locator('.outcome[data-order-state=held]').waitFor();
      expect(await seriousFindings(page)).toEqual([]);
    }
  });

  test('[VW-19] an order by keyboard alone; its outcome is said, focus returns', async () => {
    await shop.livestream('keyboard', [{ ...tea, allotted: 5 }]);
    const page = await open('keyboard');
    await button(page, 'tea').focus();
    await page.keyboard.press('Enter');
    await page.locator('.outcome[data-order-state=held]').waitFor();
    expect(await page.locator('dialog [aria-live=polite]').textContent()).toContain('抢到了');
    const focused = 'document.activeElement?.closest("dialog") !== null';
    expect(await page.evaluate(focused)).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.evaluate('document.activeElement?.className')).toContain('button-buy');
  });

  test('[VW-17] the language is switched in place and kept', async () => {
    await shop.livestream('language', [{ ...tea, allotted: 5 }]);
    const page = await open('language');
    await page.getByRole('button', { name: 'English' }).click();
    expect(await button(page, 'tea').textContent()).toBe('Buy now');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    await page.reload();
    await page.locator('[data-status=on_sale]').waitFor();
    expect(await card(page, 'tea').locator('.card-title').textContent()).toBe('Rock tea');
  });

  test('[VW-17] the entrance lists livestreams and leads only to pages that exist', async () => {
    await shop.livestream('entrance', [{ ...tea, allotted: 5 }]);
    const context = await browser.visit();
    contexts.push(context);
    const page = await context.newPage();
    await page.goto(`${server.url}/?lang=en`);
    await page.locator('.livestream', { hasText: 'Test show' }).first().waitFor();
    const links = await page.evaluate<string[]>('[...new Set([...document.links].map(({ href }) => href))]');
    expect(links).toEqual(expect.arrayContaining([expect.stringContaining('/viewer/?livestream=entrance')]));
    for (const link of links) expect((await fetch(link)).status, link).toBe(200);
    await page.locator('a[href$="livestream=entrance"]').click();
    await page.locator('[data-status=on_sale]').waitFor();
  });
});

async function seriousFindings(page: Page): Promise<readonly string[]> {
  // In the page's own realm, past its policy for scripts: a check is not part of the page.
  await page.evaluate(axeSource);
  const findings = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return findings
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}
