// Fills a running server with the demo livestream through its public API: `npm run seed -- --url http://localhost:3000 --token <token>`.
import { parseArgs } from 'node:util';
import { API_PREFIX } from '../contract/routes.ts';
import { demoItem, demoSkus, demoStock } from '../server/livestreams/demo-livestream.ts';
import {
  demoChannel,
  demoHoldTtlMs,
  demoLivestreamId,
  demoProducts,
  demoTitle,
  demoWarehouses,
} from '../server/livestreams/demo-show.ts';

const usage = `Usage: npm run seed -- --token <admin or service token> [--url http://localhost:3000] [--livestream demo]

Makes a livestream with products, stock, a channel and open sales. With another id than demo, its SKUs are its own
(<sku>.<livestream>), so that as many shows as wanted stand side by side. STOCKCAST_TOKEN may hold the token.`;

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: `http://localhost:${process.env['PORT'] ?? '3000'}` },
    token: { type: 'string', default: process.env['STOCKCAST_TOKEN'] ?? '' },
    livestream: { type: 'string', default: demoLivestreamId },
    help: { type: 'boolean', default: false },
  },
});

type Send = (method: string, path: string, body?: unknown) => Promise<{ status: number; answer: Answer }>;
type Answer = {
  readonly error?: { readonly code: string; readonly message: { readonly en: string } };
  readonly token?: string;
  readonly livestream?: { readonly state: string; readonly items: readonly { readonly skuId: string }[] };
};

async function seed(): Promise<void> {
  const livestreamId = values.livestream;
  const send = sender(values.token);
  const before = await send('GET', `/livestreams/${livestreamId}`);
  if (before.status === 401 || before.status === 403) throw new Error(`The token is not accepted.\n\n${usage}`);
  const state = before.answer.livestream?.state;
  if (state === 'live' || state === 'ended') {
    console.log(`Livestream ${livestreamId} is ${state} already; nothing to do. Choose another id with --livestream.`);
    return;
  }
  const skuIdOf = (skuId: string) => (livestreamId === demoLivestreamId ? skuId : `${skuId}.${livestreamId}`);
  await stockUp(send, skuIdOf);
  if (before.status !== 200) {
    await accepted(send('POST', '/livestreams', { livestreamId, title: demoTitle, holdTtlMs: demoHoldTtlMs }));
  }
  // A service's token supplies but does not manage: it asks for an operator's one of this livestream.
  const { answer } = await accepted(send('POST', `/livestreams/${livestreamId}/tokens`, { role: 'operator' }));
  const present = new Set(before.answer.livestream?.items.map(({ skuId }) => skuId));
  await openShow(sender(answer.token ?? ''), livestreamId, { skuIdOf, present });
  console.log(`Livestream ${livestreamId} is live: ${values.url}/viewer/?livestream=${livestreamId}`);
}

async function stockUp(send: Send, skuIdOf: (skuId: string) => string): Promise<void> {
  for (const warehouse of demoWarehouses) await accepted(send('POST', '/warehouses', warehouse));
  await accepted(send('POST', '/channels', demoChannel));
  for (const { productId, title, imageUrl } of demoProducts) {
    await accepted(send('POST', '/products', { productId, title, imageUrl }));
  }
  for (const { product, sku } of demoSkus()) {
    const skuId = skuIdOf(sku.skuId);
    await accepted(send('POST', '/skus', { skuId, productId: product.productId, spec: sku.spec }));
    for (const { warehouseId, onHand, reserved } of demoStock(sku)) {
      await accepted(send('PUT', `/warehouses/${warehouseId}/stock/${skuId}`, { onHand, reserved, reason: 'seed' }));
    }
    const allotment = { allotted: sku.units.app, reason: 'seed' };
    await accepted(send('PUT', `/channels/${demoChannel.channelId}/pools/${skuId}`, allotment));
  }
}

/** Adds the items, opens their sales and goes live last, so that an interrupted run can be repeated. */
async function openShow(
  send: Send,
  livestreamId: string,
  { skuIdOf, present }: { skuIdOf: (skuId: string) => string; present: ReadonlySet<string> },
): Promise<void> {
  const base = `/livestreams/${livestreamId}`;
  const skus = demoSkus().map(({ product, sku }) => ({ product, sku: { ...sku, skuId: skuIdOf(sku.skuId) } }));
  for (const { product, sku } of skus) {
    if (!present.has(sku.skuId)) await accepted(send('POST', `${base}/items`, demoItem(product, sku)));
  }
  await accepted(send('POST', `${base}/schedule`, { scheduledAtMs: Date.now() }));
  for (const { product, sku } of skus) {
    const opensAtMs = product.opensInMs === 0 ? 0 : Date.now() + product.opensInMs;
    await accepted(send('POST', `${base}/items/${sku.skuId}/sale`, { action: 'open', opensAtMs }));
  }
  await accepted(send('PUT', `${base}/pin`, { skuId: skus[0]?.sku.skuId ?? null }));
  await accepted(send('POST', `${base}/start`));
}

function sender(token: string): Send {
  return async (method, path, body) => {
    const response = await fetch(new URL(`${API_PREFIX}${path}`, values.url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    return { status: response.status, answer: (await response.json()) as Answer };
  };
}

async function accepted(sent: ReturnType<Send>): Promise<{ answer: Answer }> {
  const { status, answer } = await sent;
  if (status >= 400) throw new Error(answer.error?.message.en ?? `The server answered ${status}.`);
  return { answer };
}

if (values.help || values.token === '') {
  console.log(usage);
  process.exitCode = values.help ? 0 : 1;
} else {
  seed().catch((error: unknown) => {
    console.error(`Seeding ${values.url} failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
