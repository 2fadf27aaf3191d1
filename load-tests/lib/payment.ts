import { createHmac } from 'node:crypto';
import * as z from 'zod/mini';
import type { Order } from '../../contract/orders.ts';
import { API_PREFIX, routes } from '../../contract/routes.ts';
import { type ApiClient, errorOf, Unanswered } from './api-client.ts';
import { delay } from './limiter.ts';

/** Headers of a Standard Webhooks message: HMAC-SHA256 over `id.seconds.body` with the base64 key behind `whsec_`. */
export function signedHeaders(
  secret: string,
  message: { id: string; atMs: number; body: string },
): Record<string, string> {
  const seconds = Math.floor(message.atMs / 1_000).toString();
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${message.id}.${seconds}.${message.body}`).digest('base64');
  return { 'webhook-id': message.id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
}

export type PayResult = { readonly kind: 'paid' | 'refund_due' } | { readonly kind: 'failed'; readonly reason: string };

/** Pays an accepted order; never rejects. */
export type Pay = (order: z.infer<typeof Order>, payUrl: string) => Promise<PayResult>;

const attemptsMax = 6;

/** Plays the payment provider: a callback signed with the shared secret, repeated until the server answers for good (A4). */
export function payByCallback(api: ApiClient, secret: string, wallClock: () => number): Pay {
  return async (order) => {
    const data = {
      paymentId: `pay_${order.orderId}`.slice(0, 64),
      orderId: order.orderId,
      amountMinor: order.totalMinor,
      currency: order.currency,
    };
    const body = JSON.stringify({ type: 'payment.succeeded', timestamp: new Date(wallClock()).toISOString(), data });
    const { method, path, answer } = routes.paymentCallback;
    const result = await insist<'paid' | 'refund_due'>(async () => {
      const headers = signedHeaders(secret, { id: data.paymentId, atMs: wallClock(), body });
      const reply = await api.send({ method: method.toUpperCase(), path: `${API_PREFIX}${path}`, body, headers });
      if (reply.status === 200) return { value: answer.parse(JSON.parse(reply.text)).outcome };
      const error = errorOf(reply);
      return { reason: error.code, again: error.action === 'retry' };
    });
    return result.kind === 'failed' ? result : { kind: result.value };
  };
}

const SimulatedOutcome = z.object({ outcome: z.enum(['paid', 'refund_due']) });

/** Pays as a buyer does on the server's simulated payment page (demo mode): the link's token completes the payment. */
export function payOnSimulatedPage(api: ApiClient): Pay {
  return async (_order, payUrl) => {
    const orderToken = new URL(payUrl, 'http://stockcast.invalid').searchParams.get('order');
    if (orderToken === null)
      return { kind: 'failed', reason: 'the server has no simulated payment page: give --payment-secret' };
    const body = JSON.stringify({ orderToken });
    const result = await insist<'paid' | 'refund_due'>(async () => {
      const reply = await api.send({ method: 'POST', path: '/pay/api/complete', body });
      if (reply.status === 200) return { value: SimulatedOutcome.parse(JSON.parse(reply.text)).outcome };
      const error = errorOf(reply);
      return { reason: error.code, again: error.action === 'retry' };
    });
    return result.kind === 'failed' ? result : { kind: result.value };
  };
}

/** With the provider's secret as the provider, else on the simulated page. */
export function choosePay(api: ApiClient, secret: string | null, wallClock: () => number): Pay {
  return secret === null ? payOnSimulatedPage(api) : payByCallback(api, secret, wallClock);
}

/** One attempt: its value, or why there is none and whether the server wants the same again. */
export type Tried<Value> = { readonly value: Value } | { readonly reason: string; readonly again: boolean };

/** Repeats while the server asks for it or does not answer, with growing pauses, at most six times. Never rejects. */
export async function insist<Value>(
  attempt: () => Promise<Tried<Value>>,
): Promise<{ readonly kind: 'done'; readonly value: Value } | { readonly kind: 'failed'; readonly reason: string }> {
  let reason = 'never sent';
  for (let count = 0; count < attemptsMax; count += 1) {
    if (count > 0) await delay(200 * 2 ** count);
    try {
      const tried = await attempt();
      if ('value' in tried) return { kind: 'done', value: tried.value };
      reason = tried.reason;
      if (!tried.again) break;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Unanswered)) break;
    }
  }
  return { kind: 'failed', reason };
}
