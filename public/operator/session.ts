import type { WireError } from '../../contract/errors.ts';
import type { Session } from '../lib/http-api.ts';
import { type Address, takeToken } from '../lib/session.ts';
import type { OperatorApi } from './operator-api.ts';

const storedAs = 'stockcast.operator';
const recentMax = 8;

/** What this browser remembers of its operator; the cookie itself is out of a page's reach. */
export type Remembered = {
  readonly admin: boolean;
  /** Livestreams that were opened here, the last one first. */
  readonly recent: readonly string[];
};
const nothing: Remembered = { admin: false, recent: [] };

export type Entry =
  | { readonly kind: 'open'; readonly livestreamId: string }
  /** An admin without a livestream chooses one. */
  | { readonly kind: 'choose' }
  | { readonly kind: 'sign_in'; readonly because: 'no_session' | 'expired' | 'not_operator' | 'not_here' }
  | { readonly kind: 'unreachable'; readonly error: WireError };

type Memory = Pick<Storage, 'getItem' | 'setItem'> | null;

export function remembered(storage: Memory): Remembered {
  try {
    const parsed: unknown = JSON.parse(storage?.getItem(storedAs) ?? 'null');
    if (typeof parsed !== 'object' || parsed === null) return nothing;
    const { admin, recent } = parsed as Record<keyof Remembered, unknown>;
    const ids = Array.isArray(recent) ? recent.filter((id) => typeof id === 'string') : [];
    return { admin: admin === true, recent: ids.slice(0, recentMax) };
  } catch {
    return nothing;
  }
}

export function remember(storage: Memory, change: { admin?: boolean; livestreamId?: string | null }): void {
  const known = remembered(storage);
  const { admin = known.admin, livestreamId = null } = change;
  const recent =
    livestreamId === null ? known.recent : [livestreamId, ...known.recent.filter((id) => id !== livestreamId)];
  try {
    storage?.setItem(storedAs, JSON.stringify({ admin, recent: recent.slice(0, recentMax) }));
  } catch {
    // A browser without storage asks again next time.
  }
}

/** The token of a whole link, or the text itself: people paste either. */
export function tokenIn(pasted: string): string {
  const text = pasted.trim();
  const hash = text.indexOf('#');
  const inLink = hash === -1 ? null : new URLSearchParams(text.slice(hash + 1)).get('token');
  return inLink ?? text;
}

/** From the page's address to a livestream, to the choice of one, or to the sign-in page. */
export async function enter(page: {
  readonly address: Address;
  readonly api: OperatorApi;
  readonly storage: Memory;
}): Promise<Entry> {
  const { address, api, storage } = page;
  const token = takeToken(address);
  const exchanged = token === null ? null : await exchange(api, storage, token);
  if (exchanged !== null && exchanged.kind !== 'done') return exchanged.entry;
  const search = new URLSearchParams(address.location.search);
  const named = search.get('livestream');
  const { admin, recent } = remembered(storage);
  const livestreamId = named ?? exchanged?.livestreamId ?? (admin ? null : (recent[0] ?? null));
  if (livestreamId === null) return admin ? { kind: 'choose' } : { kind: 'sign_in', because: 'no_session' };
  return openLivestream(page, livestreamId, token !== null);
}

/** Whether the browser's cookie manages this livestream. */
async function openLivestream(
  { api, storage }: { readonly api: OperatorApi; readonly storage: Memory },
  livestreamId: string,
  justSignedIn: boolean,
): Promise<Entry> {
  const asked = await api('listAlerts', { livestreamId }, { query: { state: 'open' } });
  if (asked.ok) {
    remember(storage, { livestreamId });
    return { kind: 'open', livestreamId };
  }
  const { code } = asked.error;
  if (code !== 'unauthorized' && code !== 'forbidden' && code !== 'route_not_found') {
    return { kind: 'unreachable', error: asked.error };
  }
  return { kind: 'sign_in', because: justSignedIn || code === 'route_not_found' ? 'not_here' : 'no_session' };
}

export type Exchange =
  | { readonly kind: 'done'; readonly livestreamId: string | null }
  | { readonly kind: 'refused'; readonly entry: Entry };

/** A token for the session cookie, if it is an operator's or an admin's. */
export async function exchange(api: OperatorApi, storage: Memory, token: string): Promise<Exchange> {
  const opened = await api('openSession', {}, { body: { token } });
  if (!opened.ok) {
    const away = opened.error.action === 'retry';
    const entry: Entry = away ? { kind: 'unreachable', error: opened.error } : { kind: 'sign_in', because: 'expired' };
    return { kind: 'refused', entry };
  }
  const { role, livestreamId }: Session = opened.value;
  if (role !== 'operator' && role !== 'admin') {
    return { kind: 'refused', entry: { kind: 'sign_in', because: 'not_operator' } };
  }
  remember(storage, { livestreamId, ...(role === 'admin' ? { admin: true } : {}) });
  return { kind: 'done', livestreamId };
}
