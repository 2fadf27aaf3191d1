import type { WireError } from '../../contract/errors.ts';
import type { Lane } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order } from '../../contract/orders.ts';
import type { HttpApi } from './http-api.ts';
import type { TextStorage } from './idempotency-keys.ts';
import type { StockSocket } from './stock-socket.ts';

/**
 * connecting: never joined yet · live: joined, numbers are as new as `stale` says · reconnecting: comes back by itself · refused: does not
 * come back by itself; `protocol_mismatch` means that the page must be reloaded · closed: by this page.
 */
export type Connection =
  | { readonly kind: 'connecting' | 'reconnecting' | 'closed' }
  | { readonly kind: 'live'; readonly stale: boolean }
  | { readonly kind: 'refused'; readonly error: WireError };

/** Everything but the levels; levels are subscribed one by one. */
export type ClientState = {
  readonly connection: Connection;
  readonly livestream: LivestreamInfo | null;
  readonly viewers: number | null;
  readonly buyerId: string | null;
  /** Newest first. */
  readonly orders: readonly Order[];
};

export type ClientOptions = {
  /** Origin of the server; empty = the page's own. */
  readonly url: string;
  readonly livestreamId: string;
  readonly lane: Lane;
  /** Without it the session cookie counts. */
  readonly token?: string;
  readonly deviceId?: string | undefined;
  /** Called when the server does not know the session any more; true: there is a new one. */
  readonly renewSession?: () => Promise<boolean>;
  readonly storage?: TextStorage;
  /** The page's clock in ms, a number of [0, 1), and the way to the server: parameters for tests. */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly openSocket?: (options: ClientOptions) => StockSocket;
  readonly api?: HttpApi;
};
