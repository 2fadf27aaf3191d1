import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { API_PREFIX } from '../../contract/routes.ts';
import { signWebhook } from '../../server/lib/standard-webhooks.ts';
import { launchChromium, type Screen } from '../services/chromium.ts';
import { paymentWebhookSecret, startServerProcess } from '../services/server-process.ts';
import { openShop, type ShopItem } from './viewer-shop.ts';

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const tea: ShopItem = { productId: 'tea', title: { zh: '岩茶', en: 'Rock tea' }, allotted: 20 };
export const shirt: ShopItem = { productId: 'shirt', title: { zh: '衬衫', en: 'Shirt' }, allotted: 50 };

export type Visit = Screen & {
  readonly role?: 'operator' | 'admin' | 'viewer' | null;
  readonly query?: string;
  readonly livestreamId?: string;
};

/** A real server, a real browser, and operators who come by their links. */
export async function openStage() {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-operator-'));
  const [server, browser] = await Promise.all([startServerProcess({ dataDir }), launchChromium()]);
  const shop = await openShop(server);
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];

  async function visit(path: string, screen: Screen): Promise<Page> {
    const context = await browser.visit({ width: 1366, height: 768, ...screen });
    contexts.push(context);
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser logs every answer above 399; pages show them in their own words.
      if (message.type() === 'error' && !message.text().includes('status of 4')) complaints.push(message.text());
    });
    await page.goto(`${server.url}${path}`);
    return page;
  }

  return {
    server,
    shop,
    visit,
    /** The console of a livestream, opened by a link, with its numbers on the wall. */
    async console(livestreamId: string, { role = 'operator', query = '', ...screen }: Visit = {}): Promise<Page> {
      const of = role === 'admin' ? null : livestreamId;
      const token = role === null ? null : await server.token({ role, livestreamId: of });
      const fragment = token === null ? '' : `#token=${token}`;
      const page = await visit(`/operator/?livestream=${livestreamId}${query}${fragment}`, screen);
      await page.locator('[data-sku]:not([data-status=loading])').first().waitFor({ state: 'attached' });
      return page;
    },
    /** Buys `count` units as as many buyers. */
    async sell(livestreamId: string, skuId: string, count: number, named = 'b'): Promise<void> {
      for (let at = 0; at < count; at += 1) await shop.buy(livestreamId, `${named}-${at}`, skuId);
    },
    /** The payment provider's signed callback for an order of one unit at the shop's price. */
    async pay(orderId: string, named = 'pay'): Promise<void> {
      const data = { paymentId: `${named}-${orderId}`, orderId, amountMinor: 9_900, currency: 'CNY' };
      const body = JSON.stringify({ type: 'payment.succeeded', timestamp: new Date().toISOString(), data });
      const message = { id: data.paymentId, timestampSeconds: Math.floor(Date.now() / 1_000), body };
      const answer = await fetch(`${server.url}${API_PREFIX}/payments/callback`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...signWebhook(paymentWebhookSecret, message) },
        body,
      });
      if (!answer.ok) throw new Error(`not paid: ${await answer.text()}`);
    },
    /** Closes all pages; answers what they complained of: script errors and refused resources. */
    async clear(): Promise<readonly string[]> {
      await Promise.all(contexts.map((context) => context.close()));
      contexts = [];
      const said = complaints;
      complaints = [];
      return said;
    },
    async close(): Promise<void> {
      await browser.close();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** What axe finds on the page as it is now. */
export async function findingsOf(page: Page): Promise<readonly string[]> {
  // In the page's own realm, past its policy for scripts: a check is not part of the page.
  await page.evaluate(axeSource);
  const findings = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return findings.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

export const sidewaysOf = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
