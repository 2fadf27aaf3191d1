import type * as z from 'zod/mini';
import type { OpenSession, SessionAnswer } from '../../contract/access.ts';
import { type WireError, wireError } from '../../contract/errors.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order, OrderAnswer, PlaceOrder } from '../../contract/orders.ts';
import type { API_PREFIX } from '../../contract/routes.ts';

/** A type, not the value: the routes' schemas stay out of the pages. */
const apiPrefix: typeof API_PREFIX = '/api/v1';

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: WireError };

export type Session = z.infer<typeof SessionAnswer>;

type Placed = z.infer<typeof OrderAnswer>;

/** The routes that buyers' pages use. Nothing here rejects: a network that is away is the error `unavailable`. */
export type HttpApi = {
  openSession(body: z.input<typeof OpenSession>): Promise<Answer<Session>>;
  listLivestreams(): Promise<Answer<readonly LivestreamInfo[]>>;
  livestream(livestreamId: string): Promise<Answer<LivestreamInfo>>;
  myOrders(livestreamId: string): Promise<Answer<readonly Order[]>>;
  placeOrder(livestreamId: string, body: PlaceOrder): Promise<Answer<Placed>>;
  cancelOrder(livestreamId: string, orderId: string): Promise<Answer<Order>>;
};

type Options = {
  /** Origin of the server; empty = the page's own. */
  readonly url?: string;
  /** Sent as a bearer token; without it the session cookie counts. */
  readonly token?: string | undefined;
  readonly timeoutMs?: number;
};

export function createHttpApi({ url = '', token, timeoutMs = 8_000 }: Options = {}): HttpApi {
  const call = async <Value>(
    request: { method: 'GET' | 'POST'; path: string; body?: unknown },
    take: Taking<Value>,
  ): Promise<Answer<Value>> => {
    const answer = await requestJson(`${url}${apiPrefix}${request.path}`, {
      method: request.method,
      body: request.body,
      token,
      timeoutMs,
    });
    if (!answer.ok) return answer;
    const value = take(answer.value);
    return value === undefined ? { ok: false, error: wireError('internal') } : { ok: true, value };
  };
  return {
    openSession: (body) => call({ method: 'POST', path: '/session', body }, (answer) => answer as Session),
    listLivestreams: () => call({ method: 'GET', path: '/livestreams' }, member<LivestreamInfo[]>('livestreams')),
    livestream: (id) => call({ method: 'GET', path: at(id) }, member<LivestreamInfo>('livestream')),
    myOrders: (id) => call({ method: 'GET', path: `${at(id)}/orders/mine` }, member<Order[]>('orders')),
    placeOrder: (id, body) =>
      call({ method: 'POST', path: `${at(id)}/orders`, body }, (answer) =>
        'order' in answer ? (answer as Placed) : undefined,
      ),
    cancelOrder: (id, orderId) =>
      call(
        { method: 'POST', path: `${at(id)}/orders/${encodeURIComponent(orderId)}/cancel`, body: {} },
        member<Order>('order'),
      ),
  };
}

/** Takes the wanted part out of an answer; undefined: it is not the answer that the contract promises. */
type Taking<Value> = (answer: object) => Value | undefined;

/** The contract names the type of each member; the server is trusted to keep it. */
const member =
  <Value>(name: string): Taking<Value> =>
  (answer) =>
    (answer as Record<string, Value | undefined>)[name];

const at = (livestreamId: string): string => `/livestreams/${encodeURIComponent(livestreamId)}`;

type JsonRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly token?: string | undefined;
  readonly timeoutMs: number;
};

/** One request, answered by its JSON or by the server's own error; what is neither is `unavailable`. */
export async function requestJson(url: string, request: JsonRequest): Promise<Answer<object>> {
  const { method, body, token, timeoutMs } = request;
  try {
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer: unknown = await response.json();
    if (typeof answer !== 'object' || answer === null) return { ok: false, error: wireError('unavailable') };
    if (response.ok) return { ok: true, value: answer };
    const { error } = answer as { error?: unknown };
    return { ok: false, error: isWireError(error) ? error : wireError('unavailable') };
  } catch {
    return { ok: false, error: wireError('unavailable') };
  }
}

/** A shape check: the code decides, and the sentence is shown. */
export function isWireError(error: unknown): error is WireError {
  if (typeof error !== 'object' || error === null) return false;
  const { code, action, message } = error as Record<keyof WireError, unknown>;
  return typeof code === 'string' && typeof action === 'string' && typeof message === 'object' && message !== null;
}
