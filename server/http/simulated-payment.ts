import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import express, { type Router } from 'express';
import * as z from 'zod/mini';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { Order, type PaymentCallback, PaymentOutcome } from '../../contract/orders.ts';
import { API_PREFIX } from '../../contract/routes.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { signWebhook } from '../lib/standard-webhooks.ts';
import type { OrderLink } from './order-link.ts';
import { HttpError, parseWith } from './request.ts';
import { provenanceOf } from './same-origin.ts';

/** Pauses before the callback is sent again; a real provider repeats for a day, a demo for half a minute. */
const retryPausesMs: readonly number[] = [200, 500, 1_000, 2_000, 4_000, 8_000, 15_000];
const answerTimeoutMs = 10_000;
/** Callbacks under way; more payments are refused. */
const inFlightMax = 500;

const OrderToken = z.string().check(z.minLength(1), z.maxLength(200));
const Complete = z.strictObject({ orderToken: OrderToken });
const Look = z.object({ order: OrderToken });

export type SimulatedPayment = {
  /** To be mounted at `/pay/api`. */
  readonly router: Router;
  stop(): Promise<void>;
};

/**
 * A payment provider for demo and tests: it knows an order by the token of its link and reports success by the same signed callback over
 * HTTP that a real provider sends, until it is answered. Paying twice is one payment: its id derives from the order.
 */
export function createSimulatedPayment(deps: {
  readonly link: OrderLink;
  readonly findOrder: (orderId: string) => Promise<Order | null>;
  /** Names of what was ordered. */
  readonly infoOf: (livestreamId: string) => Promise<LivestreamInfo | null>;
  readonly webhookSecret: string;
  /** Where this server answers, as `http://127.0.0.1:3000`; asked when the first payment is sent. */
  readonly serverUrl: () => string;
  readonly publicUrl: string | null;
  readonly log: Log;
  readonly clock: Clock;
}): SimulatedPayment {
  const stopping = new AbortController();
  const underWay = new Map<string, Promise<PaymentOutcome | null>>();

  const orderOf = async (token: string): Promise<Order> => {
    const orderId = deps.link.orderIdOf(token);
    const order = orderId === null ? null : await deps.findOrder(orderId);
    if (order === null) throw new HttpError('route_not_found', { message: noSuchOrder });
    return Order.parse(order);
  };

  const pay = (order: Order): Promise<PaymentOutcome | null> => {
    const running = underWay.get(order.orderId);
    if (running !== undefined) return running;
    if (underWay.size >= inFlightMax) throw new HttpError('overloaded');
    const sent = deliver(deps, order, stopping.signal).finally(() => underWay.delete(order.orderId));
    underWay.set(order.orderId, sent);
    return sent;
  };

  const router = express.Router();
  router.get('/order', async (req, res) => {
    const order = await orderOf(parseWith(Look, req.query).order);
    res.json({ order, livestream: await deps.infoOf(order.livestreamId) });
  });
  router.post('/complete', express.json({ limit: 4_096 }), async (req, res) => {
    if (provenanceOf(req, deps.publicUrl) === 'elsewhere') throw new HttpError('forbidden');
    const order = await orderOf(parseWith(Complete, req.body).orderToken);
    const outcome = await pay(order);
    if (outcome === null) throw new HttpError('unavailable');
    res.json(outcome);
  });
  return {
    router,
    async stop() {
      stopping.abort();
      await Promise.allSettled(underWay.values());
    },
  };
}

const noSuchOrder = { zh: '付款链接无效', en: 'This payment link is not valid.' };

type DeliverDeps = Parameters<typeof createSimulatedPayment>[0];

/** null: not answered with a final outcome in all its attempts. */
async function deliver(deps: DeliverDeps, order: Order, signal: AbortSignal): Promise<PaymentOutcome | null> {
  const paymentId = `sim-${createHash('sha256').update(order.orderId).digest('hex').slice(0, 32)}`;
  const callback: PaymentCallback = {
    type: 'payment.succeeded',
    timestamp: new Date(deps.clock.now()).toISOString(),
    data: { paymentId, orderId: order.orderId, amountMinor: order.totalMinor, currency: order.currency },
  };
  for (const pauseMs of [0, ...retryPausesMs]) {
    try {
      if (pauseMs > 0) await wait(pauseMs, undefined, { signal });
      const answer = await post(deps, paymentId, JSON.stringify(callback), signal);
      if (answer.status === 200) return PaymentOutcome.parse(await answer.json());
      deps.log.warn({ orderId: order.orderId, status: answer.status }, 'the payment callback was not accepted');
      // What is wrong with the message itself does not get better by repeating it.
      if (answer.status < 500 && answer.status !== 429 && answer.status !== 409) return null;
    } catch (error) {
      if (signal.aborted) return null;
      deps.log.warn({ orderId: order.orderId, err: error }, 'the payment callback was not answered');
    }
  }
  return null;
}

/** Signed anew for each attempt: the timestamp is part of the signature, the id stays. */
function post(deps: DeliverDeps, paymentId: string, body: string, signal: AbortSignal): Promise<Response> {
  const timestampSeconds = Math.floor(deps.clock.now() / 1_000);
  return fetch(`${deps.serverUrl()}${API_PREFIX}/payments/callback`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...signWebhook(deps.webhookSecret, { id: `msg_${paymentId}`, timestampSeconds, body }),
    },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
  });
}
