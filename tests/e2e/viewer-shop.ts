import { API_PREFIX } from '../../contract/routes.ts';
import type { ServerProcess } from '../services/server-process.ts';

export type ShopItem = {
  readonly productId: string;
  readonly title: { zh: string; en: string };
  readonly spec?: Readonly<Record<string, string>>;
  readonly allotted: number;
  readonly display?: object;
  readonly limits?: object;
  readonly opensInMs?: number;
};

/** Stocks a shop through the public API, as a shop's own systems do. */
export async function openShop(server: ServerProcess) {
  const admin = await server.token({ role: 'admin' });
  const call = async <Answer = unknown>(method: string, path: string, body?: object): Promise<Answer> => {
    const response = await fetch(`${server.url}${API_PREFIX}${path}`, {
      method,
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Answer;
  };
  await call('POST', '/warehouses', { warehouseId: 'e2e', name: { zh: '仓', en: 'Warehouse' } });

  return {
    call,
    /** A live livestream with these items on sale; SKU ids are `<livestream>-<number>` in their order. */
    async livestream(
      livestreamId: string,
      items: readonly ShopItem[],
      holdTtlMs = 600_000,
    ): Promise<readonly string[]> {
      const at = `/livestreams/${livestreamId}`;
      const skuIds = items.map((_, index) => `${livestreamId}-${index + 1}`);
      await call('POST', '/livestreams', { livestreamId, title: { zh: '测试直播', en: 'Test show' }, holdTtlMs });
      for (const [index, item] of items.entries()) {
        const { productId, title, spec = {}, allotted, display = { kind: 'exact' }, limits } = item;
        const skuId = skuIds[index];
        const named = Object.entries(spec).map(([name, value]) => ({
          name: { zh: name, en: name },
          value: { zh: value, en: value },
        }));
        await call('POST', '/products', { productId: `${livestreamId}-${productId}`, title });
        await call('POST', '/skus', { skuId, productId: `${livestreamId}-${productId}`, spec: named });
        await call('PUT', `/warehouses/e2e/stock/${skuId}`, { onHand: 10_000, reason: 'test' });
        const plain = { skuId, unitPriceMinor: 9_900, currency: 'CNY', allotted, display };
        await call('POST', `${at}/items`, { ...plain, ...(limits === undefined ? {} : { limits }) });
      }
      await call('POST', `${at}/start`);
      for (const [index, { opensInMs = 0 }] of items.entries()) {
        const opensAtMs = opensInMs === 0 ? 0 : Date.now() + opensInMs;
        await call('POST', `${at}/items/${skuIds[index]}/sale`, { action: 'open', opensAtMs });
      }
      return skuIds;
    },
    allot: (livestreamId: string, skuId: string, allotted: number) =>
      call('PUT', `/livestreams/${livestreamId}/items/${skuId}/allotment`, { allotted, reason: 'test' }),
    /** A buyer's token, as a shop's backend asks for it. */
    async buyerToken(livestreamId: string, buyerId: string): Promise<string> {
      const body = { role: 'viewer', buyerId };
      return (await call<{ token: string }>('POST', `/livestreams/${livestreamId}/tokens`, body)).token;
    },
    /** Buys as a program does; returns the order's id. */
    async buy(livestreamId: string, buyerId: string, skuId: string): Promise<string> {
      const token = await server.token({ role: 'viewer', livestreamId, buyerId });
      const response = await fetch(`${server.url}${API_PREFIX}/livestreams/${livestreamId}/orders`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ idempotencyKey: `key-${buyerId}-${skuId}`, lines: [{ skuId, quantity: 1 }] }),
      });
      if (!response.ok) throw new Error(`not bought: ${await response.text()}`);
      return ((await response.json()) as { order: { orderId: string } }).order.orderId;
    },
  };
}
