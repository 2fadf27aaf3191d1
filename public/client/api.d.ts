/** What `stockcast-client.js` gives to a page, complete and without further imports. Ids are strings, money is integer minor units. */

export type ItemStatus = 'not_open' | 'scheduled' | 'on_sale' | 'sold_out' | 'stopped' | 'ended';

/** Who looks: `viewers` see units as the item's display policy allows, `anchor` and `operators` every number. */
export type Lane = 'viewers' | 'anchor' | 'operators';

/** What is known of one item now. */
export type Level = {
  readonly epoch: number;
  readonly version: number;
  /** Units as this lane may see them: a number, or a band as "10-49" or "20+"; 0 is always 0. */
  readonly shown: number | string;
  /** null in the viewers' lane. */
  readonly held: number | null;
  readonly sold: number | null;
  readonly status: ItemStatus;
};

/** A sentence in both languages. */
export type Text = { readonly zh: string; readonly en: string };

/** A refusal: `code` is stable, `action` says what to do about it. */
export type WireError = {
  readonly code: string;
  readonly action: 'retry' | 'resync' | 'fix' | 'stop';
  readonly message: Text;
  readonly minBackoffMs?: number | undefined;
};

export type Item = {
  readonly index: number;
  readonly skuId: string;
  readonly productId: string;
  readonly title: Text;
  readonly spec: readonly { readonly name: Text; readonly value: Text }[];
  readonly imageUrl: string | null;
  readonly unitPriceMinor: number;
  readonly currency: string;
  readonly sale: 'not_open' | 'open' | 'stopped' | 'ended';
  readonly opensAtMs: number;
};

export type Livestream = {
  readonly livestreamId: string;
  readonly title: Text;
  readonly state: string;
  readonly pinnedSkuId: string | null;
  readonly holdTtlMs: number;
  readonly items: readonly Item[];
};

export type Order = {
  readonly orderId: string;
  readonly livestreamId: string;
  readonly state: string;
  readonly lines: readonly { readonly skuId: string; readonly quantity: number; readonly unitPriceMinor: number }[];
  readonly totalMinor: number;
  readonly currency: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

/**
 * connecting: never joined yet · live: numbers are as new as `stale` says · reconnecting: comes back by itself · refused: does not come
 * back by itself, `error` says why · closed: by this page.
 */
export type Connection =
  | { readonly kind: 'connecting' | 'reconnecting' | 'closed' }
  | { readonly kind: 'live'; readonly stale: boolean }
  | { readonly kind: 'refused'; readonly error: WireError };

export type State = {
  readonly connection: Connection;
  readonly livestream: Livestream | null;
  /** People in the livestream, some seconds old at most. */
  readonly viewers: number | null;
  /** null: this client watches and cannot order. */
  readonly buyerId: string | null;
  /** The buyer's own, newest first. */
  readonly orders: readonly Order[];
};

/** `undecided`: no answer for about ten seconds; the same lines again continue the same attempt and never buy twice. */
export type PlaceResult =
  | { readonly kind: 'accepted'; readonly order: Order /** Absolute. */; readonly payUrl: string }
  | { readonly kind: 'refused' | 'undecided'; readonly error: WireError };

export type ConnectOptions = {
  readonly livestreamId: string;
  /** From your backend: `POST /api/v1/livestreams/{id}/tokens`. Without it the page's own session cookie counts. */
  readonly token?: string;
  /** Origin of the Stockcast server. By default where this script was loaded from; name it when it is part of a bundle, and in Node. */
  readonly url?: string;
  /** `viewers` by default. */
  readonly lane?: Lane;
  /** A name of this device for limits per device. */
  readonly deviceId?: string;
};

export type StockcastClient = {
  readonly state: State;
  /** Calls `listener` after every change of the state; returns how to end that. */
  subscribe(listener: (state: State) => void): () => void;
  /** The level of a SKU; undefined: not known (yet). */
  levelOf(skuId: string): Level | undefined;
  /** Calls `listener` now and whenever the level of this SKU changes, also if its item is added later; returns how to end that. */
  watch(skuId: string, listener: (level: Level | undefined) => void): () => void;
  /** The server's clock, as far as it can be known here: for countdowns, and sales that open at a moment. */
  serverNowMs(): number;
  /** Reserves and orders. Never rejects. */
  placeOrder(lines: readonly { readonly skuId: string; readonly quantity: number }[]): Promise<PlaceResult>;
  /** Orders that were sent before a reload and never answered: asks again, with their own keys. */
  resumePendingOrders(): Promise<readonly PlaceResult[]>;
  /** null: cancelled. */
  cancelOrder(orderId: string): Promise<WireError | null>;
  /** Leaves for good. */
  close(): void;
};

/** Joins the livestream and follows it until `close`: comes back after every loss by itself, and never rejects. */
export declare function connect(options: ConnectOptions): StockcastClient;
