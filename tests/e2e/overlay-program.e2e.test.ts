import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, launchChromium } from '../services/chromium.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { openShop } from './viewer-shop.ts';

/** The overlay against the whole program: a link from the API, real orders, the program's own curves and pace. */

let dataDir: string;
let server: ServerProcess;
let browser: Browser;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-overlay-'));
  [server, browser] = await Promise.all([startServerProcess({ dataDir }), launchChromium()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test('[OV-11] [OV-3] orders move the number and the curve; revoking over the API takes the overlay away', async () => {
  const shop = await openShop(server);
  const [skuId = ''] = await shop.livestream('obs', [
    { productId: 'tea', title: { zh: '岩茶', en: 'Rock tea' }, allotted: 20 },
  ]);
  type Made = { url: string; overlay: { overlayId: string } };
  const make = (audience: string) => shop.call<Made>('POST', '/livestreams/obs/overlays', { audience, name: audience });
  const [anchor, air] = [await make('anchor'), await make('air')];
  const pages = [];
  for (const { url } of [anchor, air]) {
    const page = await (await browser.visit({ width: 800, height: 600 })).newPage();
    await page.goto(`${server.url}${url}`);
    await page.locator('.left[data-units="20"]').waitFor();
    pages.push(page);
  }
  for (let index = 0; index < 8; index += 1) await shop.buy('obs', `buyer-${index}`, skuId);
  for (const page of pages) {
    await page.locator('.left[data-units="12"]').waitFor();
    await expect.poll(() => page.evaluate<number>(colouredPixels), { timeout: 10_000 }).toBeGreaterThan(20);
  }
  const [inside, onAir] = pages;
  await inside?.locator('.cue').waitFor({ timeout: 10_000 });
  expect(await onAir?.locator('.cue, .sell-out').count()).toBe(0);
  await shop.call('DELETE', `/livestreams/obs/overlays/${air.overlay.overlayId}`);
  await onAir?.locator('.problem').waitFor({ timeout: 10_000 });
  expect(await inside?.locator('.left').getAttribute('data-units')).toBe('12');
  expect(server.output()).not.toContain(anchor.url.split('ovl_')[1]);
});

/** Of the curve's colour. */
const colouredPixels = `(() => {
  const canvas = document.querySelector('.plot canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && data[at + 2] > data[at] + 60) count += 1;
  return count;
})()`;
