import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { CDPSession, Page } from 'playwright-core';
import { routes } from '../contract/routes.ts';
import { launchChromium } from '../tests/services/chromium.ts';
import { ApiClient } from './lib/api-client.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { buildStage, issueToken, type Stage } from './lib/stage.ts';

const usage = `The overlay's CPU in a real browser, as a source of OBS: one livestream with 10 items, orders at an even rate, each layout for a while.

  npx tsx load-tests/overlay-cost.ts [--url http://localhost:3000] [--token …] [--items 10] [--rate 30] [--seconds 20]
`;

const layouts = ['curve', 'bar', 'mini', 'full'] as const;
const settleMs = 6_000;

type Options = {
  readonly url: string;
  readonly token: string;
  readonly items: number;
  /** Orders per second, over all items. */
  readonly rate: number;
  readonly seconds: number;
};

export type OverlayCost = {
  readonly layout: (typeof layouts)[number];
  /** Shares of one core, in percent: the page's own process, and everything of the browser (compositing, network). */
  readonly page: number;
  readonly browser: number;
  /** What the page's main thread did, in percent of a core. */
  readonly script: number;
  readonly styleAndLayout: number;
  readonly orders: number;
};

/** Shares are CPU time as the browser accounts for its processes, over the time of the measurement. No window, no GPU: pictures are made by the CPU. */
export async function overlayCost(options: Options): Promise<OverlayCost[]> {
  const api = new ApiClient(options.url, { connections: 64, timeoutMs: 30_000 });
  const chromium = await launchChromium();
  try {
    const stage = await buildStage(api, options.token, stageOf(options.items));
    const { livestreamId, operatorToken: token } = stage;
    const params = { livestreamId };
    await api.need(routes.pinItem, { token, params, body: { skuId: stage.livestream.items[0]?.skuId ?? null } });
    const body = { audience: 'anchor', name: 'cost' } as const;
    const overlay = await api.need(routes.createOverlay, { token, params, body });
    const results: OverlayCost[] = [];
    for (const layout of layouts) {
      const context = await chromium.visit({ width: 1920, height: 1080 });
      const page = await context.newPage();
      await page.goto(`${options.url}${overlay.url.replace('#', `&layout=${layout}#`)}`);
      await page.locator('.left').first().waitFor();
      results.push({ layout, ...(await measure(api, options, stage, page)) });
      await context.close();
    }
    return results;
  } finally {
    await chromium.close();
    api.close();
  }
}

const stageOf = (items: number) => {
  const livestreamId = `overlay-${Date.now().toString(36)}`;
  return {
    livestreamId,
    title: '叠层成本',
    holdTtlMs: 86_400_000,
    items: Array.from({ length: items }, (_, index) => ({
      skuId: `${livestreamId}-${index}`,
      title: `商品 ${index + 1}`,
      priceMinor: 9_900,
      currency: 'CNY',
      allotted: 100_000,
    })),
  };
};

async function measure(
  api: ApiClient,
  { token, rate, seconds }: Options,
  stage: Stage,
  page: Page,
): Promise<Omit<OverlayCost, 'layout'>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const buyer = await issueToken(api, token, stage.livestreamId, { role: 'viewer', buyerId: `buyer-${Date.now()}` });
  const running = { on: true, orders: 0 };
  const selling = sell(api, stage, { token: buyer, rate }, running);
  try {
    await wait(settleMs);
    const ordersBefore = running.orders;
    const [before, startedAtMs] = [await cpuSecondsOf(page, session), performance.now()];
    await wait(seconds * 1_000);
    const [after, tookSeconds] = [await cpuSecondsOf(page, session), (performance.now() - startedAtMs) / 1_000];
    const share = (name: keyof CpuSeconds) => (100 * (after[name] - before[name])) / tookSeconds;
    return {
      page: share('page'),
      browser: share('browser'),
      script: share('script'),
      styleAndLayout: share('styleAndLayout'),
      orders: running.orders - ordersBefore,
    };
  } finally {
    running.on = false;
    await selling;
  }
}

/** At an even rate, one item after the other; an order does not wait for the one before. */
async function sell(
  api: ApiClient,
  { livestreamId, livestream }: Stage,
  { token, rate }: Pick<Options, 'token' | 'rate'>,
  running: { on: boolean; orders: number },
): Promise<void> {
  const under = new Set<Promise<void>>();
  const run = Date.now().toString(36);
  for (let count = 0; running.on; count += 1) {
    const skuId = livestream.items[count % livestream.items.length]?.skuId ?? '';
    const body = { idempotencyKey: `${run}-${count}-order`, lines: [{ skuId, quantity: 1 }] };
    const order = (async () => {
      const answer = await api.call(routes.placeOrder, { token, params: { livestreamId }, body });
      if (answer.ok) running.orders += 1;
    })();
    under.add(order);
    void order.finally(() => under.delete(order));
    await wait(1_000 / rate);
  }
  await Promise.all(under);
}

type CpuSeconds = {
  readonly page: number;
  readonly browser: number;
  readonly script: number;
  readonly styleAndLayout: number;
};

async function cpuSecondsOf(page: Page, own: CDPSession): Promise<CpuSeconds> {
  const session = await page.context().browser()?.newBrowserCDPSession();
  if (session === undefined) throw new Error('the browser is gone');
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const { metrics } = await own.send('Performance.getMetrics');
  const metric = (wanted: string): number => metrics.find(({ name }) => name === wanted)?.value ?? 0;
  const sum = (wanted: (type: string) => boolean) =>
    processInfo.filter(({ type }) => wanted(type)).reduce((all, { cpuTime }) => all + cpuTime, 0);
  return {
    page: sum((type) => type === 'renderer'),
    browser: sum(() => true),
    script: metric('ScriptDuration'),
    styleAndLayout: metric('RecalcStyleDuration') + metric('LayoutDuration'),
  };
}

async function main(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['url', 'token', 'items', 'rate', 'seconds'], on: ['help'] });
  if (flags.on('help')) {
    console.log(usage);
    return 0;
  }
  const results = await overlayCost({
    url: flags.text('url', 'http://localhost:3000'),
    // oxlint-disable-next-line no-process-env -- as the other load tests: what a shell has
    token: flags.text('token', process.env['STOCKCAST_TOKEN']),
    items: flags.whole('items', 10),
    rate: flags.whole('rate', 30),
    seconds: flags.whole('seconds', 20),
  });
  console.log(
    '| layout | page, % of a core | of it script | style and layout | whole browser, % | orders |\n| --- | --- | --- | --- | --- | --- |',
  );
  for (const { layout, page, script, styleAndLayout, browser, orders } of results) {
    const shares = [page, script, styleAndLayout, browser].map((share) => share.toFixed(1));
    console.log(`| ${[layout, ...shares, orders].join(' | ')} |`);
  }
  return results.every(({ page }) => page < 5) ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(main);
