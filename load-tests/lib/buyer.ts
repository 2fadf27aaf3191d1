import * as z from 'zod/mini';
import { type ErrorCode, WireError } from '../../contract/errors.ts';
import { OrderAnswer, type PlaceOrder } from '../../contract/orders.ts';
import { routes } from '../../contract/routes.ts';
import { type ApiClient, Unanswered } from './api-client.ts';
import { delay } from './limiter.ts';
import type { Random } from './random.ts';
import { RawSocket } from './raw-socket.ts';

/** How a buyer's order ended, after all retries. `unanswered`: no definite answer ever came. */
export type Placed = {
  readonly answer:
    | {
        readonly kind: 'accepted' | 'duplicate';
        readonly order: z.infer<typeof OrderAnswer>['order'];
        readonly payUrl: string;
      }
    | { readonly kind: 'refused'; readonly code: ErrorCode; readonly skuId: string | null }
    | { readonly kind: 'unanswered'; readonly reason: string };
  /** First request sent to last answer received; a socket's handshake is not in it. */
  readonly latencyMs: number;
  readonly attempts: number;
};

/** One exchange: an order as it is on the wire, and what came back. Rejects with `Unanswered`. */
export type SendOrder = (
  order: z.input<typeof PlaceOrder>,
) => Promise<{ ok: true; answer: z.infer<typeof OrderAnswer> } | { ok: false; error: WireError }>;

export type Patience = {
  /** Attempts in all, ≥ 1. */
  readonly attemptsMax: number;
  readonly random: Random;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
};

/**
 * Sends an order until it has a definite answer, always with the same key (I4), at most `attemptsMax` times. Waits as long as the
 * server asks for, and longer each time. A `duplicate` is the answer to an earlier attempt whose reply was lost.
 */
export async function placeOrder(
  send: SendOrder,
  order: z.input<typeof PlaceOrder>,
  patience: Patience,
): Promise<Placed> {
  const startedAtMs = patience.now();
  let last: Placed['answer'] = { kind: 'unanswered', reason: 'never sent' };
  for (let attempt = 1; attempt <= patience.attemptsMax; attempt += 1) {
    let waitMs = 100;
    try {
      const result = await send(order);
      const latencyMs = patience.now() - startedAtMs;
      if (result.ok) {
        const { outcome, ...rest } = result.answer;
        return { answer: { kind: outcome, ...rest }, latencyMs, attempts: attempt };
      }
      const { code, action, minBackoffMs, skuId } = result.error;
      last = { kind: 'refused', code, skuId: skuId ?? null };
      if (action !== 'retry') return { answer: last, latencyMs, attempts: attempt };
      waitMs = Math.max(waitMs, minBackoffMs ?? 0);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      last = { kind: 'unanswered', reason: error.message };
    }
    if (attempt === patience.attemptsMax) break;
    await delay(Math.min(5_000, waitMs * 2 ** (attempt - 1)) * (1 + 0.5 * patience.random()));
  }
  return { answer: last, latencyMs: patience.now() - startedAtMs, attempts: patience.attemptsMax };
}

export function overHttp(api: ApiClient, livestreamId: string, token: string): SendOrder {
  return (body) => api.call(routes.placeOrder, { params: { livestreamId }, token, body });
}

const Acknowledged = z.discriminatedUnion('ok', [
  z.extend(OrderAnswer, { ok: z.literal(true) }),
  z.object({ ok: z.literal(false), error: WireError }),
]);

/** Over an open socket; `socketOf` gives the present one, so that a retry after a reconnect uses the new one. */
export function overSocket(socketOf: () => Promise<RawSocket>, livestreamId: string): SendOrder {
  return async (order) => {
    const socket = await socketOf();
    const acknowledged = Acknowledged.parse(await socket.ask('order:place', { ...order, livestreamId }));
    if (!acknowledged.ok) return acknowledged;
    const { ok, ...answer } = acknowledged;
    return { ok, answer };
  };
}

/** A buyer's socket, opened when first needed and again when it was lost. */
export function reopeningSocket(url: string, token: string): { get: () => Promise<RawSocket>; close: () => void } {
  let current: RawSocket | null = null;
  return {
    get: async () => {
      if (current?.open !== true) current = await RawSocket.connect({ url, token });
      return current;
    },
    close: () => current?.close(),
  };
}
