import { connect as connectTo, type StockcastClient } from '../lib/stockcast-client.ts';
import type * as Api from './api.d.ts';

/** The client for other people's pages and programs: one file without dependencies, served as `/client/stockcast-client.js`. */
export const connect: typeof Api.connect = ({ url = ownOrigin(), lane = 'viewers', ...options }) => {
  const client = connectTo({ ...options, lane, url });
  const withPayUrl = (result: Api.PlaceResult): Api.PlaceResult =>
    result.kind === 'accepted' ? { ...result, payUrl: absolute(result.payUrl, url) } : result;
  const stopWaking = wakeWithPage(client);
  return {
    get state() {
      return client.state;
    },
    subscribe: (listener) => client.subscribe(listener),
    levelOf: (skuId) => {
      const index = indexOf(client, skuId);
      return index === undefined ? undefined : client.level(index);
    },
    watch: (skuId, listener) => watch(client, skuId, listener),
    serverNowMs: () => client.serverNowMs(),
    placeOrder: async (lines) => withPayUrl(await client.placeOrder(lines)),
    resumePendingOrders: async () => (await client.resumePendingOrders()).map(withPayUrl),
    cancelOrder: (orderId) => client.cancelOrder(orderId),
    close: () => {
      stopWaking();
      client.close();
    },
  };
};

/** Where this script came from; empty, which is the page's own origin, where that cannot be known. */
function ownOrigin(): string {
  const { protocol, origin } = new URL(import.meta.url);
  return protocol === 'https:' || protocol === 'http:' ? origin : '';
}

/** The demo's payment page is named by its path: on another page that has to become an address of the server. */
const absolute = (payUrl: string, serverUrl: string): string =>
  new URL(payUrl, serverUrl === '' ? location.origin : serverUrl).href;

const indexOf = (client: StockcastClient, skuId: string): number | undefined =>
  client.state.livestream?.items.find((item) => item.skuId === skuId)?.index;

/** An item's index is known once the livestream's description is, and stays. */
function watch(client: StockcastClient, skuId: string, listener: (level: Api.Level | undefined) => void): () => void {
  let stopLevel: (() => void) | undefined;
  const begin = (): void => {
    const index = indexOf(client, skuId);
    if (index === undefined || stopLevel !== undefined) return;
    stopLevel = client.subscribeLevel(index, listener);
    const known = client.level(index);
    if (known !== undefined) listener(known);
  };
  const stopState = client.subscribe(begin);
  begin();
  return () => {
    stopState();
    stopLevel?.();
  };
}

/** Timers of a page in the background may be minutes late: it looks at its connection as soon as it is seen again. */
function wakeWithPage(client: StockcastClient): () => void {
  if (typeof document === 'undefined') return () => {};
  const wake = (): void => {
    if (document.visibilityState === 'visible') client.wake();
  };
  document.addEventListener('visibilitychange', wake);
  window.addEventListener('online', wake);
  window.addEventListener('pageshow', wake);
  return () => {
    document.removeEventListener('visibilitychange', wake);
    window.removeEventListener('online', wake);
    window.removeEventListener('pageshow', wake);
  };
}
