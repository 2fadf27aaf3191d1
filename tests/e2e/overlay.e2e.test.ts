import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CurvePoint } from '../../contract/pace.ts';
import { type Browser, launchChromium, type Screen } from '../services/chromium.ts';
import { layoutShiftOf, watchLayoutShift } from './layout-shift.ts';
import { emptyPace, openStage, paceOf, type Stage } from './overlay-stage.ts';

/** The overlay in a real browser, against the real gate, sockets and HTTP shell. */

let stage: Stage;
let browser: Browser;
let contexts: BrowserContext[] = [];
let complaints: string[] = [];

beforeAll(async () => {
  [stage, browser] = await Promise.all([openStage(), launchChromium()]);
});
afterAll(async () => {
  await browser?.close();
  await stage?.close();
});
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  expect(complaints.splice(0)).toEqual([]);
});

type Open = Screen & { query?: string; token?: string; expectRefusals?: boolean };
async function open(livestreamId: string, options: Open = {}): Promise<Page> {
  const { query = '', token, expectRefusals = false, ...screen } = options;
  const context = await browser.visit({ width: 800, height: 600, ...screen });
  contexts.push(context);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    const away = expectRefusals && /ERR_CONNECTION_REFUSED|WebSocket connection|401|400/.test(message.text());
    if (message.type() === 'error' && !away) complaints.push(message.text());
  });
  const fragment = token === undefined ? '' : `#token=${token}`;
  await page.goto(`${stage.url}/anchor/?livestream=${livestreamId}${query}${fragment}`);
  await page.locator('.panel, .problem').first().waitFor();
  return page;
}

/** A livestream with a history of its first item, which is pinned. */
async function show(name: string, items: Record<string, number>): Promise<{ livestreamId: string; skuIds: string[] }> {
  const livestreamId = await stage.rig.livestream(name, items);
  const skuIds = Object.keys(items).map((item) => stage.rig.skuOf(name, item));
  const [first = ''] = skuIds;
  await stage.pin(livestreamId, first);
  const nowMs = Date.now();
  const points = [20, 10, 5, 1].map((minutes, index): CurvePoint => [nowMs - minutes * 60_000, index * 5, 100]);
  const marker = {
    atMs: nowMs - 600_000,
    skuId: first,
    kind: 'price',
    tier: null,
    text: { zh: '降价', en: 'Cut' },
    internal: false,
  } as const;
  const band = points.map(([atMs, sold]): [number, number, number, number] => [atMs, sold, sold * 0.8, sold * 1.2]);
  stage.curves.set(first, { skuId: first, points, band, markers: [marker] });
  return { livestreamId, skuIds };
}

const cue = { cue: 'slow_down', text: { zh: '先讲面料', en: 'Talk fabric' }, skuId: null, sinceMs: 0 } as const;
const units = (page: Page) => page.locator('.left').first().getAttribute('data-units');
/** Part of the pixels that let the picture through; and whether the corners do. */
async function transparency(page: Page): Promise<{ share: number; corners: boolean }> {
  const png = await page.screenshot({ omitBackground: true });
  return page.evaluate(`(${transparencyOf})('${png.toString('base64')}')`);
}
const transparencyOf = `async (png) => {
  const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let clear = 0;
  for (let at = 3; at < data.length; at += 4) if (data[at] === 0) clear += 1;
  const alphaAt = (x, y) => data[(y * width + x) * 4 + 3];
  const corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]].every(([x, y]) => alphaAt(x, y) === 0);
  return { share: clear / (width * height), corners };
}`;

describe('what is seen', () => {
  test('[OV-10] transparent and whole in every layout, size, language and theme, in dark mode too', async () => {
    const { livestreamId, skuIds } = await show('layouts', { lip: 1_000, shirt: 5, tea: 12 });
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const items = skuIds.map((skuId) => paceOf(skuId, { tier: 'orange' }));
    stage.setPace({ ...emptyPace(livestreamId), items, cue, next: skuIds.slice(1) });
    const sizes = {
      curve: [
        [1_920, 1_080],
        [800, 600],
      ],
      full: [
        [1_920, 1_080],
        [800, 600],
      ],
      bar: [
        [1_920, 1_080],
        [800, 600],
        [400, 200],
      ],
      mini: [
        [1_920, 1_080],
        [800, 600],
        [400, 200],
      ],
    } as const;
    const findings: string[] = [];
    for (const [layout, each] of Object.entries(sizes)) {
      for (const [width, height] of each) {
        for (const more of ['&lang=zh', '&lang=en&theme=light']) {
          const page = await open(livestreamId, {
            width,
            height,
            token,
            query: `&layout=${layout}${more}`,
            colorScheme: 'dark',
          });
          const name = `${layout} ${width}×${height} ${more}`;
          const { corners } = await transparency(page);
          if (!corners) findings.push(`${name}: a corner is not transparent`);
          const cut = await page.evaluate(cutOff);
          if (cut.length > 0) findings.push(`${name}: ${cut.join(', ')}`);
          await page.context().close();
        }
      }
    }
    expect(findings).toEqual([]);
  });

  test('[OV-10] the curve stands on a canvas that was drawn on, with its band', async () => {
    const { livestreamId } = await show('drawn', { lip: 100 });
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const page = await open(livestreamId, { token });
    await page.locator('.plot canvas').waitFor();
    await expect.poll(() => page.evaluate(colouredPixels), { timeout: 5_000 }).toBeGreaterThan(200);
  });

  test('[OV-11] it follows the pin, or the item of its address', async () => {
    const { livestreamId, skuIds } = await show('pins', { lip: 10, shirt: 20 });
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const [lip = '', shirt = ''] = skuIds;
    const [following, fixed] = [
      await open(livestreamId, { token }),
      await open(livestreamId, { token, query: `&sku=${lip}` }),
    ];
    await expect.poll(() => units(following)).toBe('10');
    await stage.pin(livestreamId, shirt);
    await expect.poll(() => units(following)).toBe('20');
    expect(await units(fixed)).toBe('10');
    await stage.sell(livestreamId, shirt, 2);
    await expect.poll(() => units(following)).toBe('18');
  });

  test('[OV-12] numbers tick and items sell out without moving anything; who comes later sees no stamping', async () => {
    const { livestreamId, skuIds } = await show('ticking', { lip: 12, shirt: 1 });
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const [lip = '', shirt = ''] = skuIds;
    const page = await open(livestreamId, { token, query: '&layout=full' });
    await expect.poll(() => units(page)).toBe('12');
    await wait(1_500);
    await watchLayoutShift(page);
    await stage.sell(livestreamId, lip, 9);
    await stage.sell(livestreamId, shirt, 1);
    await expect.poll(() => units(page)).toBe('3');
    await stage.sell(livestreamId, lip, 3);
    const stamp = page.locator('.panel-curve .left[data-status=sold_out]');
    await stamp.waitFor();
    expect(await stamp.getAttribute('data-moment')).toBe('true');
    await expect.poll(() => stamp.getAttribute('data-moment'), { timeout: 6_000 }).toBe('false');
    // The stamp takes the number's place at the moment of selling out; nothing else may move.
    expect(await layoutShiftOf(page)).toBeLessThan(0.02);
    const later = await open(livestreamId, { token, reducedMotion: 'reduce' });
    await later.locator('.left[data-status=sold_out]').waitFor();
    expect(await later.locator('.left').getAttribute('data-moment')).toBe('false');
  });

  test('[OV-13] the anchor sees cue, alert, sell-out time and next item; on air none of them is drawn', async () => {
    const { livestreamId, skuIds } = await show('airing', { lip: 40, shirt: 20 });
    const [lip = '', shirt = ''] = skuIds;
    const known = stage.curves.get(lip);
    if (known === undefined) throw new Error('no curve');
    const secret = {
      atMs: Date.now() - 300_000,
      skuId: lip,
      kind: 'alert',
      tier: 'red',
      text: { zh: '红', en: 'SECRET' },
      internal: true,
    } as const;
    stage.curves.set(lip, { ...known, markers: [...known.markers, secret] });
    stage.setPace({ ...emptyPace(livestreamId), items: [paceOf(lip, { tier: 'red' })], cue, next: [shirt] });
    const inside = await stage.overlay(livestreamId, 'anchor');
    const air = await stage.overlay(livestreamId, 'air');
    const anchor = await open(livestreamId, { token: inside.token, query: '&lang=en' });
    await anchor.locator('.cue').waitFor();
    const text = await anchor.locator('.panel').innerText();
    for (const part of ['Slow down', 'Talk fabric', 'Red alert', 'Sells out in 12 min', 'Next'])
      expect(text).toContain(part);

    // Whether the address says so or only the token does.
    for (const query of ['&lang=en&audience=air', '&lang=en', '&lang=en&layout=full&audience=anchor']) {
      const heard: string[] = [];
      const page = await open(livestreamId, { token: air.token, query, expectRefusals: true });
      page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => heard.push(String(payload))));
      await page.reload();
      await page.locator('.panel').first().waitFor();
      await expect.poll(() => units(page)).toBe('40');
      stage.setPace({ ...emptyPace(livestreamId), items: [paceOf(lip, { tier: 'red' })], cue, next: [shirt] });
      stage.emitTo(livestreamId, ['air', 'anchor'], 'curve:marker', { livestreamId, marker: secret });
      stage.emitTo(livestreamId, ['air'], 'curve:points', {
        livestreamId,
        items: [{ skuId: lip, points: [[Date.now(), 16, 24]] }],
      });
      await expect.poll(() => heard.join('')).toContain('curve:points');
      expect(await page.locator('.cue, .tier, .sell-out, .next, .share').count()).toBe(0);
      const wire = heard.join('');
      for (const part of ['pace:state', 'SECRET', '"kind":"alert"', ',24]']) expect(wire).not.toContain(part);
      // Rows of viewers have four members; held and sold would make six.
      for (const [, row = ''] of wire.matchAll(/"rows":\[\[([^\]]*)\]/g)) expect(row.split(',')).toHaveLength(4);
      await page.context().close();
    }
  });
});

describe('staying', () => {
  test('[OV-14] a server that goes away is said, and the page comes back by itself with what happened meanwhile', async () => {
    const { livestreamId, skuIds } = await show('returning', { lip: 30 });
    const [lip = ''] = skuIds;
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const page = await open(livestreamId, { token, expectRefusals: true });
    await expect.poll(() => units(page)).toBe('30');
    await stage.stopNode();
    await page.locator('.badge-stale').waitFor({ timeout: 12_000 });
    expect(await units(page)).toBe('30');
    await stage.startNode();
    await stage.sell(livestreamId, lip, 4);
    await expect.poll(() => units(page), { timeout: 20_000 }).toBe('26');
    await expect.poll(() => page.locator('.badge-stale').count()).toBe(0);
  });

  test('[OV-15] [OV-3] a revoked token leaves a transparent page with one sentence', async () => {
    const { livestreamId } = await show('revoked', { lip: 30 });
    const { token, overlayId } = await stage.overlay(livestreamId, 'air');
    const page = await open(livestreamId, { token, query: '&audience=air', expectRefusals: true });
    await expect.poll(() => units(page)).toBe('30');
    await stage.revoke(livestreamId, overlayId);
    await page.locator('.problem').waitFor({ timeout: 10_000 });
    expect(await page.locator('.panel').count()).toBe(0);
    const { share, corners } = await transparency(page);
    expect(corners).toBe(true);
    expect(share).toBeGreaterThan(0.9);
    const other = await open(livestreamId, { expectRefusals: true, query: '&lang=en' });
    expect(await other.locator('.problem').innerText()).toContain('not valid or was revoked');
    expect(page.url()).toContain('#token=');
  });

  test('[OV-16] a source that OBS hides draws nothing, and is up to date when it is shown', async () => {
    const { livestreamId, skuIds } = await show('hidden', { lip: 30 });
    const [lip = ''] = skuIds;
    const { token } = await stage.overlay(livestreamId, 'anchor');
    const page = await open(livestreamId, { token });
    await expect.poll(() => units(page)).toBe('30');
    await page.locator('.plot canvas').waitFor();
    const visible = (shown: boolean) =>
      page.evaluate(
        `window.dispatchEvent(new CustomEvent('obsSourceVisibleChanged', { detail: { visible: ${shown} } }))`,
      );
    await visible(false);
    await page.evaluate(countChanges);
    await stage.sell(livestreamId, lip, 6);
    stage.emitTo(livestreamId, ['anchor'], 'curve:points', {
      livestreamId,
      items: [{ skuId: lip, points: [[Date.now(), 16, 24]] }],
    });
    await wait(2_500);
    expect(await page.evaluate('[window.changes, window.drawings]')).toEqual([0, 0]);
    await visible(true);
    await expect.poll(() => units(page)).toBe('24');
    expect(await page.evaluate<number>('window.drawings')).toBeGreaterThan(0);
  });

  test('[OV-18] script and style together stay below 60 kB gzip', async () => {
    const html = await (await fetch(`${stage.url}/anchor/`)).text();
    const files = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.(?:js|css))"/g)].map(([, path = '']) => path);
    expect(files.length).toBeGreaterThan(1);
    const sizes = await Promise.all(
      files.map(async (path) => gzipSync(Buffer.from(await (await fetch(`${stage.url}${path}`)).arrayBuffer())).length),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(20_000);
    expect(total).toBeLessThan(60 * 1_024);
  });
});

/** Names of what stands outside of the window, or of numbers and cues that were cut. */
const cutOff = `(() => {
  const out = [];
  const { innerWidth, innerHeight } = window;
  for (const element of document.querySelectorAll('.panel, .left, .cue-label, .name-title')) {
    const { left, right, top, bottom, width } = element.getBoundingClientRect();
    if (width === 0 || left < 0 || top < 0 || right > innerWidth + 0.5 || bottom > innerHeight + 0.5) out.push(element.className + ' is outside');
    const panel = element.closest('.panel').getBoundingClientRect();
    if (right > panel.right + 0.5 || bottom > panel.bottom + 0.5) out.push(element.className + ' is outside of its panel');
  }
  for (const element of document.querySelectorAll('.left, .left-number, .cue-label')) {
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline') out.push(element.className + ' is cut');
  }
  const { scrollWidth, scrollHeight } = document.documentElement;
  if (scrollWidth > innerWidth || scrollHeight > innerHeight) out.push('the page scrolls');
  return out;
})()` as unknown as () => string[];

const colouredPixels = `(() => {
  const canvas = document.querySelector('.plot canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && data[at + 2] > data[at] + 60) count += 1;
  return count;
})()` as unknown as () => number;

/** Counts changes of the document, and drawings on canvases. */
const countChanges = `(() => {
  window.changes = 0;
  window.drawings = 0;
  const observer = new MutationObserver((list) => { window.changes += list.length; });
  for (const part of document.querySelectorAll('.left, .plot')) observer.observe(part, { subtree: true, childList: true, characterData: true, attributes: true });
  const stroke = CanvasRenderingContext2D.prototype.stroke;
  CanvasRenderingContext2D.prototype.stroke = function (...args) { window.drawings += 1; return stroke.apply(this, args); };
})()`;
