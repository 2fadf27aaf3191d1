import type { WireError } from '../../contract/errors.ts';
import type { Order } from '../../contract/orders.ts';
import type { HttpApi } from './http-api.ts';

/**
 * ready: the browser may watch and order; `orders` are the buyer's own so far · watch_only: it may watch, but not order · refused: this
 * livestream needs a link · unreachable: try again later.
 */
export type SessionOutcome =
  | { readonly kind: 'ready'; readonly orders: readonly Order[] }
  | { readonly kind: 'watch_only' }
  | { readonly kind: 'refused'; readonly error: WireError }
  | { readonly kind: 'unreachable'; readonly error: WireError };

/** The parts of `location` and `history` that are needed. */
export type Address = {
  readonly location: { readonly hash: string; readonly pathname: string; readonly search: string };
  readonly history: { replaceState(data: unknown, unused: string, url: string): void };
};

/** Reads the token of `#token=…` and takes it out of the address at once, so that it is neither shared nor kept in the history. */
export function takeToken({ location, history }: Address): string | null {
  const fragment = new URLSearchParams(location.hash.replace(/^#/, ''));
  const token = fragment.get('token');
  if (token === null) return null;
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(null, '', `${location.pathname}${location.search}${rest === '' ? '' : `#${rest}`}`);
  return token;
}

/**
 * Makes sure that the browser holds a cookie that may order here: the one it has, else an anonymous viewer's. `known`: it had one before;
 * a first visit asks for a session at once, so that a crowd that comes in sends one request each, not two.
 */
export async function ensureSession(api: HttpApi, livestreamId: string, known: boolean): Promise<SessionOutcome> {
  if (known) {
    const mine = await api.myOrders(livestreamId);
    if (mine.ok) return { kind: 'ready', orders: mine.value };
    if (!needsSession(mine.error)) return { kind: 'unreachable', error: mine.error };
  }
  // Who is a buyer here already stays that buyer.
  const opened = await api.openSession({ livestreamId, anonymous: true });
  if (opened.ok) {
    return opened.value.buyerId === null ? { kind: 'watch_only' } : { kind: 'ready', orders: [] };
  }
  if (opened.error.action === 'retry') return { kind: 'unreachable', error: opened.error };
  const watching = await api.livestream(livestreamId);
  return watching.ok ? { kind: 'watch_only' } : { kind: 'refused', error: opened.error };
}

const needsSession = (error: WireError): boolean => error.code === 'unauthorized' || error.code === 'forbidden';
