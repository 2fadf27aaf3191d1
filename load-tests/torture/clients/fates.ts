import type * as z from 'zod/mini';
import type { Order } from '../../../contract/orders.ts';
import { API_PREFIX, routes } from '../../../contract/routes.ts';
import { type CallResult, errorOf } from '../../lib/api-client.ts';
import { delay } from '../../lib/limiter.ts';
import { signedHeaders } from '../../lib/payment.ts';
import type { Ending, Payment } from '../history.ts';
import type { Show } from '../show.ts';
import { between, chance, choose, type Door, insist, type World } from './world.ts';

type PlacedOrder = z.infer<typeof Order>;

/** What becomes of an order after it was acknowledged: paid in time, late, twice, cancelled, cancelled while it is paid, or nothing. */
export async function liveOn(world: World, order: PlacedOrder, show: Show): Promise<void> {
  const { random } = world;
  const lot = random();
  const shortHold = show.holdTtlMs <= 10_000;
  const soonMs = between(random, 0, Math.min(show.holdTtlMs * 0.7, 4_000));
  if (lot < 0.45) {
    await pause(world, soonMs);
    await pay(world, order, show);
  } else if (lot < 0.58 && shortHold) {
    await pause(world, show.holdTtlMs + between(random, -300, 2_500));
    await pay(world, order, show);
  } else if (lot < 0.72) {
    await pause(world, soonMs);
    await cancel(world, order, show);
  } else if (lot < 0.78) {
    await pause(world, soonMs);
    await Promise.all([pay(world, order, show), cancel(world, order, show)]);
  }
}

/** Cut short by the end of the round: then everything that was meant to be done is done at once. */
const pause = ({ over }: World, ms: number): Promise<void> => delay(ms, over);

async function pay(world: World, order: PlacedOrder, show: Show): Promise<void> {
  const { random, history } = world;
  const twice = chance(random, 0.08);
  const payments = [`pay_${order.orderId}`, ...(twice ? [`again_${order.orderId}`] : [])].map(
    (paymentId): Payment => ({
      livestreamId: order.livestreamId,
      orderId: order.orderId,
      paymentId,
      amountMinor: order.totalMinor,
      exchanges: [],
    }),
  );
  history.payments.push(...payments);
  const callbacks = payments.flatMap((payment) => {
    // Providers repeat themselves, and not always one after the other.
    const times = chance(random, 0.15) ? 2 : 1;
    return Array.from({ length: times }, () =>
      insist(world, payment.exchanges, (door) => callBack(world, door, payment), {
        what: `payment ${payment.paymentId}`,
      }),
    );
  });
  const answers = await Promise.all(callbacks);
  for (const { exchanges } of payments) exchanges.sort((a, b) => a.invokedAtMs - b.invokedAtMs);
  const final = answers.find((one) => one?.outcome.kind === 'done');
  if (final?.outcome.kind !== 'done' || !chance(random, final.outcome.outcome === 'paid' ? 0.2 : 0.6)) return;
  await pause(world, between(random, 50, 2_000));
  await end(world, order, show, 'refund');
}

async function callBack(
  { paymentSecret, now }: World,
  door: Door,
  payment: Payment,
): Promise<CallResult<{ outcome: 'paid' | 'refund_due' }>> {
  const { paymentId, orderId, amountMinor } = payment;
  const data = { paymentId, orderId, amountMinor, currency: 'CNY' };
  const body = JSON.stringify({ type: 'payment.succeeded', timestamp: new Date(now()).toISOString(), data });
  const { method, path, answer } = routes.paymentCallback;
  const headers = signedHeaders(paymentSecret, { id: paymentId, atMs: now(), body });
  const reply = await door.api.send({ method: method.toUpperCase(), path: `${API_PREFIX}${path}`, body, headers });
  if (reply.status !== 200) return { ok: false, status: reply.status, error: errorOf(reply) };
  return { ok: true, answer: { outcome: answer.parse(JSON.parse(reply.text)).outcome } };
}

const cancel = (world: World, order: PlacedOrder, show: Show): Promise<void> => end(world, order, show, 'cancel');

async function end(world: World, order: PlacedOrder, show: Show, kind: Ending['kind']): Promise<void> {
  const { livestreamId, orderId } = order;
  const ending: Ending = { kind, livestreamId, orderId, exchanges: [] };
  world.history.endings.push(ending);
  const params = { livestreamId, orderId };
  const send = async (door: Door): Promise<CallResult<{ state: PlacedOrder['state'] }>> => {
    const result =
      kind === 'cancel'
        ? await door.api.call(routes.cancelOrder, { params, token: show.operatorToken })
        : await door.api.call(routes.refundOrder, { params, token: show.operatorToken, body: { reason: 'sent back' } });
    return result.ok ? { ok: true, answer: { state: result.answer.order.state } } : result;
  };
  await insist(world, ending.exchanges, send, { what: `${kind} ${orderId}`, first: choose(world.random, world.doors) });
}
