import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as Api from '../../public/client/api.d.ts';
import { type Browser, launchChromium } from '../services/chromium.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { openShop } from './viewer-shop.ts';

/** The client as strangers use it: on a page of another origin, in a bundle, in a program. */

const tea = { productId: 'tea', title: { zh: '岩茶', en: 'Rock tea' }, allotted: 50 };
/** Pages of a shop, by path, on an origin of their own. */
const shopPages = new Map<string, { type: string; text: string }>();

/** The source, as tsx runs it; its types are the page's, which a program's do not know. */
const clientModule: string = '../../public/client/stockcast-client.ts';

let folder: string;
let server: ServerProcess;
let shop: Awaited<ReturnType<typeof openShop>>;
let browser: Browser;
let shopServer: Server;
let shopUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockcast-client-'));
  shopServer = createServer((req, res) => {
    const page = shopPages.get(req.url ?? '');
    if (page === undefined) res.writeHead(404).end();
    else res.writeHead(200, { 'content-type': page.type }).end(page.text);
  });
  shopServer.listen(0, '127.0.0.1');
  await once(shopServer, 'listening');
  // Another host name is another site, not only another origin: no cookie could help.
  shopUrl = `http://localhost:${(shopServer.address() as AddressInfo).port}`;
  const environment = { ALLOWED_ORIGINS: shopUrl };
  [server, browser] = await Promise.all([
    startServerProcess({ dataDir: join(folder, 'data'), environment }),
    launchChromium(),
  ]);
  shop = await openShop(server);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  shopServer?.close();
  await rm(folder, { recursive: true, force: true });
});

const html = (script: string): string => `<!doctype html><meta charset="utf-8"><title>shop</title>
<link rel="icon" href="data:,">
<p id="left"></p><p id="connection"></p><button>buy</button><p id="answer"></p>${script}`;

/** What a shop writes into its page. */
const pageScript = (from: string, livestreamId: string, token: string, url = ''): string => `
import { connect } from '${from}';
const skuId = '${livestreamId}-1';
const client = connect({ livestreamId: '${livestreamId}', token: '${token}'${url === '' ? '' : `, url: '${url}'`} });
const put = (id, text) => { document.getElementById(id).textContent = text; };
client.subscribe(({ connection }) => put('connection', connection.kind));
client.watch(skuId, (level) => put('left', level === undefined ? '' : String(level.shown)));
document.querySelector('button').onclick = async () => {
  const result = await client.placeOrder([{ skuId, quantity: 2 }]);
  put('answer', result.kind === 'accepted' ? result.payUrl : result.error.code);
};`;

async function openPage(path: string): Promise<{ page: Page; complaints: string[]; close: () => Promise<void> }> {
  const context = await browser.visit();
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  await page.goto(`${shopUrl}${path}`);
  return { page, complaints, close: () => context.close() };
}

const shows = (page: Page, id: string, text: string): Promise<unknown> =>
  page.waitForFunction(`document.getElementById('${id}').textContent === '${text}'`);

/** Shows the level, its change by somebody else, and an order of its own. */
async function sells(path: string, livestreamId: string): Promise<void> {
  const { page, complaints, close } = await openPage(path);
  await shows(page, 'left', '50');
  await shop.buy(livestreamId, 'somebody', `${livestreamId}-1`);
  await shows(page, 'left', '49');
  await page.getByRole('button').click();
  await shows(page, 'left', '47');
  await page.waitForFunction(`document.getElementById('answer').textContent !== ''`);
  expect(await page.locator('#answer').textContent()).toMatch(new RegExp(`^${server.url}/pay/`));
  expect(complaints).toEqual([]);
  await close();
}

/** Without the `no-cache` that fetch adds to a question of its caller's own. */
const statusOf = (url: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(url, { headers }, (res) => resolve(res.resume().statusCode)).on('error', reject);
  });

test('[CL-1] one module without imports, with its types; allowed origins may read it, and it is sent again only when it changed', async () => {
  const url = `${server.url}/client/stockcast-client.js`;
  const answer = await fetch(url, { headers: { origin: shopUrl } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('access-control-allow-origin')).toBe(shopUrl);
  expect(answer.headers.get('vary')).toContain('Origin');
  expect(answer.headers.get('cache-control')).toBe('no-cache');
  expect(answer.headers.get('content-type')).toContain('javascript');
  const script = await answer.text();
  expect(script).not.toMatch(/^\s*import\b(?!\.meta)/m);
  expect(script).toMatch(/export \{[^}]*\bconnect\b[^}]*\}/);
  const etag = answer.headers.get('etag') ?? '';
  expect(etag).not.toBe('');
  expect(await statusOf(url, { 'if-none-match': etag })).toBe(304);
  const stranger = await fetch(url, { headers: { origin: 'http://stranger.example' } });
  expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
  const types = await (await fetch(url.replace('.js', '.d.ts'))).text();
  expect(types).toBe(await readFile('public/client/api.d.ts', 'utf8'));
  expect(types).not.toMatch(/^import\b/m);
});

test('[CL-2] a plain page of another origin loads it from the server, shows levels and sells', async () => {
  await shop.livestream('plain', [tea]);
  const token = await shop.buyerToken('plain', 'plain-buyer');
  const script = pageScript(`${server.url}/client/stockcast-client.js`, 'plain', token);
  shopPages.set('/plain', { type: 'text/html', text: html(`<script type="module">${script}</script>`) });
  await sells('/plain', 'plain');
});

test('[CL-2] a bundle that contains it does the same', async () => {
  await shop.livestream('bundle', [tea]);
  const token = await shop.buyerToken('bundle', 'bundle-buyer');
  for (const file of ['stockcast-client.js', 'stockcast-client.d.ts']) {
    await copyFile(`dist/public/client/${file}`, join(folder, file));
  }
  await writeFile(join(folder, 'shop.js'), pageScript('./stockcast-client.js', 'bundle', token, server.url));
  const built = await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: { write: false, rolldownOptions: { input: join(folder, 'shop.js') } },
  });
  const [output] = 'output' in built ? built.output : [];
  shopPages.set('/shop.js', { type: 'text/javascript', text: output?.code ?? '' });
  shopPages.set('/bundle', { type: 'text/html', text: html('<script type="module" src="/shop.js"></script>') });
  await sells('/bundle', 'bundle');
});

async function until(client: Api.StockcastClient, done: () => boolean, withinMs = 20_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!done()) {
    if (Date.now() > endMs) throw new Error(`not in time; ${JSON.stringify(client.state.connection)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('[CL-2] [CL-4] a Node program follows and orders, also over a killed server, and buys once', async () => {
  await shop.livestream('program', [tea, { ...tea, productId: 'mug' }]);
  const token = await shop.buyerToken('program', 'program-buyer');
  const { connect } = (await import(clientModule)) as typeof Api;
  const client = connect({ url: server.url, livestreamId: 'program', token });
  const seen: (number | string | undefined)[] = [];
  client.watch('program-1', (level) => void seen.push(level?.shown));
  await until(client, () => client.levelOf('program-1')?.shown === 50);
  expect(client.levelOf('no-such-sku')).toBeUndefined();
  expect((await client.placeOrder([{ skuId: 'program-1', quantity: 3 }])).kind).toBe('accepted');
  await until(client, () => client.levelOf('program-1')?.shown === 47);
  await server.kill();
  await until(client, () => client.state.connection.kind === 'reconnecting');
  const restarting = server.restart();
  const placing = client.placeOrder([{ skuId: 'program-1', quantity: 1 }]);
  await restarting;
  const first = await placing;
  const placed = first.kind === 'undecided' ? (await client.resumePendingOrders())[0] : first;
  expect(placed?.kind).toBe('accepted');
  await until(client, () => client.state.connection.kind === 'live' && client.levelOf('program-1')?.shown === 46);
  expect(client.state.orders.map(({ lines }) => lines[0]?.quantity ?? 0).toSorted((a, b) => a - b)).toEqual([1, 3]);
  expect(seen.at(-1)).toBe(46);
  client.close();
  expect(client.state.connection.kind).toBe('closed');
});
