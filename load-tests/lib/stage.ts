import type * as z from 'zod/mini';
import type { AddItem, LivestreamInfo } from '../../contract/livestreams.ts';
import { routes } from '../../contract/routes.ts';
import type { ApiClient } from './api-client.ts';
import { limiter } from './limiter.ts';

export type StageItem = {
  readonly skuId: string;
  readonly title: string;
  readonly priceMinor: number;
  readonly currency: string;
  readonly allotted: number;
  /** What the contract has as default where it is absent. */
  readonly limits?: z.input<typeof AddItem>['limits'];
  readonly salePolicy?: z.input<typeof AddItem>['salePolicy'];
};

/** A livestream that a load client works on. */
export type Stage = {
  readonly livestreamId: string;
  readonly livestream: LivestreamInfo;
  readonly operatorToken: string;
};

/**
 * Creates everything through the public API, with a service or an admin token: products and SKUs (put, so that a second run finds
 * them), a warehouse of this livestream's own with exactly the units that are allotted (or `onHand`), the livestream with its items; goes live and
 * opens every sale. Managing is an operator's right, so the livestream's own operator token does that.
 */
export async function buildStage(
  api: ApiClient,
  token: string,
  wanted: { livestreamId: string; title: string; holdTtlMs: number; items: readonly StageItem[]; onHand?: number },
): Promise<Stage> {
  const { livestreamId, holdTtlMs, items } = wanted;
  const params = { livestreamId };
  await api.need(routes.putWarehouse, { token, body: { warehouseId: livestreamId, name: text(wanted.title) } });
  const atOnce = limiter(8);
  await Promise.all(
    items.map((item) =>
      atOnce(() => putStock(api, token, livestreamId, { ...item, allotted: wanted.onHand ?? item.allotted })),
    ),
  );
  await api.need(routes.createLivestream, { token, body: { livestreamId, title: text(wanted.title), holdTtlMs } });
  const operatorToken = await issueToken(api, token, livestreamId, { role: 'operator' });
  // One after the other: an item's place on the wire is the order in which it was added.
  for (const { skuId, priceMinor, currency, allotted, limits, salePolicy } of items) {
    const body = { skuId, unitPriceMinor: priceMinor, currency, allotted, limits, salePolicy };
    await api.need(routes.addItem, { token: operatorToken, params, body });
  }
  await api.need(routes.startLivestream, { token: operatorToken, params });
  for (const { skuId } of items) {
    await api.need(routes.changeSale, { token: operatorToken, params: { ...params, skuId }, body: { action: 'open' } });
  }
  const { livestream } = await api.need(routes.getLivestream, { token: operatorToken, params });
  return { livestreamId, livestream, operatorToken };
}

/** The files have one language only. */
const text = (value: string): { zh: string; en: string } => ({ zh: value.slice(0, 200), en: value.slice(0, 200) });

async function putStock(api: ApiClient, token: string, warehouseId: string, item: StageItem): Promise<void> {
  const { skuId, title, allotted } = item;
  await api.need(routes.putProduct, { token, body: { productId: skuId, title: text(title) } });
  await api.need(routes.putSku, { token, body: { skuId, productId: skuId } });
  const body = { onHand: allotted, reason: 'units for a replay or a load test' };
  await api.need(routes.setWarehouseStock, { token, params: { warehouseId, skuId }, body });
}

/** A token of one livestream, valid for a day. */
export async function issueToken(
  api: ApiClient,
  token: string,
  livestreamId: string,
  body: z.input<typeof routes.issueToken.body>,
): Promise<string> {
  const answer = await api.need(routes.issueToken, { token, params: { livestreamId }, body });
  return answer.token;
}
