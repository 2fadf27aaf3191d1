import type { Clock } from '../lib/clock.ts';
import {
  type DemoProduct,
  type DemoSku,
  demoChannel,
  demoCurrency,
  demoHoldTtlMs,
  demoLivestreamId,
  demoProducts,
  demoTitle,
  demoWarehouses,
} from './demo-show.ts';
import type { LivestreamCatalogue, ManageRefusal } from './livestream-catalogue.ts';

const actor = 'demo';
const reason = 'demo livestream';

/** Nodes that start together get in each other's way at most once a step; each further attempt finds more of it done. */
const attemptsMax = 20;
const pauseMs = 150;

type Deps = {
  readonly catalogue: LivestreamCatalogue;
  readonly clock: Clock;
  readonly wait: (ms: number) => Promise<void>;
};

/**
 * Makes the livestream `demo`: live, its sales open, its first item pinned. `present`: it is there and beyond its draft, nothing is
 * touched. A run that was interrupted left a draft or a scheduled livestream; every step may be repeated, so the next run completes it.
 * A step that another node has just done is refused here: then this one looks again. Throws where a step stays refused: somebody else
 * uses one of its ids.
 */
export async function createDemoLivestream({ wait, ...deps }: Deps): Promise<'created' | 'present'> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await completeDemo(deps);
    } catch (error) {
      if (!(error instanceof StepRefused) || attempt === attemptsMax) throw error;
      await wait(pauseMs);
    }
  }
}

class StepRefused extends Error {
  override readonly name = 'StepRefused';
}

async function completeDemo({ catalogue, clock }: Omit<Deps, 'wait'>): Promise<'created' | 'present'> {
  const before = await catalogue.info(demoLivestreamId);
  if (before?.state === 'live' || before?.state === 'ended') return 'present';
  await stockUp(catalogue);
  if (before === null) {
    const input = {
      livestreamId: demoLivestreamId,
      title: demoTitle,
      holdTtlMs: demoHoldTtlMs,
      anonymousViewers: true,
    };
    accepted(await catalogue.create(input, actor));
  }
  const present = new Set(before?.items.map(({ skuId }) => skuId));
  for (const { product, sku } of demoSkus()) {
    if (!present.has(sku.skuId)) accepted(await catalogue.addItem(demoLivestreamId, demoItem(product, sku), actor));
  }
  accepted(await catalogue.schedule(demoLivestreamId, clock.now(), actor));
  for (const { product, sku } of demoSkus()) {
    const opensAtMs = product.opensInMs === 0 ? 0 : clock.now() + product.opensInMs;
    accepted(await catalogue.changeSale(demoLivestreamId, sku.skuId, { action: 'open', opensAtMs }, actor));
  }
  accepted(await catalogue.pin(demoLivestreamId, demoSkus()[0]?.sku.skuId ?? null, actor));
  // Last: a livestream that is live is complete.
  accepted(await catalogue.start(demoLivestreamId, actor));
  return 'created';
}

async function stockUp(catalogue: LivestreamCatalogue): Promise<void> {
  for (const warehouse of demoWarehouses) await catalogue.putWarehouse(warehouse);
  await catalogue.putChannel(demoChannel);
  for (const { productId, title, imageUrl } of demoProducts) {
    await catalogue.putProduct({ productId, title, imageUrl });
  }
  for (const { product, sku } of demoSkus()) {
    accepted(await catalogue.putSku({ skuId: sku.skuId, productId: product.productId, spec: [...sku.spec] }));
    for (const stock of demoStock(sku)) {
      accepted(await catalogue.setWarehouseStock({ ...stock, skuId: sku.skuId }, actor, reason));
    }
    accepted(await catalogue.allotChannel(demoChannel.channelId, sku.skuId, sku.units.app, actor, reason));
  }
}

/** Every SKU of the show with its product, in the order of the page. */
export function demoSkus(): readonly { readonly product: DemoProduct; readonly sku: DemoSku }[] {
  return demoProducts.flatMap((product) => product.skus.map((sku) => ({ product, sku })));
}

/** The body that adds one SKU of the show to a livestream. */
export function demoItem(product: DemoProduct, sku: DemoSku) {
  return {
    skuId: sku.skuId,
    unitPriceMinor: sku.unitPriceMinor,
    currency: demoCurrency,
    allotted: sku.units.live,
    limits: product.limits,
    salePolicy: product.salePolicy,
    display: product.display,
  };
}

/** Where the units of one SKU of the show lie. */
export function demoStock({ units }: DemoSku) {
  return demoWarehouses.flatMap(({ warehouseId }) => {
    const [onHand, reserved] = units[warehouseId] ?? [];
    return onHand === undefined || reserved === undefined ? [] : [{ warehouseId, onHand, reserved }];
  });
}

function accepted(outcome: { readonly kind: 'done' } | ManageRefusal): void {
  if (outcome.kind === 'refused') throw new StepRefused(`The demo livestream cannot be made: ${outcome.message.en}`);
}
