import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RefundRequested } from '../../contract/orders.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { commitOrder, makeLivestream, newOrder } from '../../tests/services/ledger-fixture.ts';
import { verifyWebhook } from '../lib/standard-webhooks.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Provider, silentLog, startProvider } from '../notify/notify-test-kit.ts';
import { createPrismaLedger } from './prisma-ledger.ts';
import { createRefundDesk, type RefundDesk } from './refund-desk.ts';
import { refundPausesMs } from './refund-sender.ts';

const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

describeWithDatabases('refunds', ({ database }) => {
  let provider: Provider;
  let desks: RefundDesk[] = [];
  let payments = 0;
  beforeEach(async () => {
    provider = await startProvider({ status: 202 });
    await database().prisma.refundRequest.deleteMany();
  });
  afterEach(async () => {
    await Promise.all(desks.map((desk) => desk.stop()));
    desks = [];
    await provider.stop();
  });

  /** A node's desk. Pauses are short: what they are in earnest is a table. */
  function desk({
    endpoint = `${provider.url}/refunds`,
    pausesMs = [0, 10, 20, 30],
  }: {
    endpoint?: string | null;
    pausesMs?: number[];
  } = {}) {
    const opened = createRefundDesk({
      prisma: database().prisma,
      endpoint: () => endpoint,
      secret,
      clock: { now: () => Date.now() },
      chance: () => 0.5,
      pausesMs,
      intervalMs: 5,
      metrics: createMetrics(),
      log: silentLog,
    });
    desks.push(opened);
    return opened;
  }
  /** A paid order of 1,000 fen that was refunded; the request that came of it. */
  async function refunded() {
    const { prisma } = database();
    const ledger = createPrismaLedger({ prisma });
    const livestreamId = await makeLivestream(prisma, { tea: 5 });
    const { orderId } = await commitOrder(ledger, newOrder(livestreamId, { tea: 2 }));
    const paymentId = `pay-${process.pid}-${(payments += 1)}`;
    await ledger.pay({ paymentId, orderId, amountMinor: 1_000, currency: 'CNY' });
    await ledger.refund(orderId, 'operator', '破损');
    const { id: refundId } = await prisma.refundRequest.findUniqueOrThrow({ where: { paymentId } });
    return { livestreamId, orderId, paymentId, refundId };
  }
  const of = async (refundId: string) => database().prisma.refundRequest.findUniqueOrThrow({ where: { id: refundId } });
  const until = async (refundId: string, state: string) =>
    expect.poll(async () => (await of(refundId)).state, { timeout: 20_000 }).toBe(state);

  test('[RF-1] the request is in the ledger with the refund itself, and reaches the provider signed, with everything about it', async () => {
    const { livestreamId, orderId, paymentId, refundId } = await refunded();
    expect(await of(refundId)).toMatchObject({ state: 'pending', attempts: 0, actor: 'operator' });
    desk().start();
    await until(refundId, 'delivered');
    const [request] = provider.received;
    if (request === undefined) throw new Error('nothing came');
    expect([request.method, request.path]).toEqual(['POST', '/refunds']);
    expect(verifyWebhook(secret, request.headers, request.bytes, Date.now())).toEqual({ kind: 'valid', id: refundId });
    expect(RefundRequested.parse(JSON.parse(request.body)).data).toEqual({
      refundId,
      paymentId,
      orderId,
      livestreamId,
      amountMinor: 1_000,
      currency: 'CNY',
      reason: '破损',
    });
  });

  test('[RF-2] a provider that fails is asked again with the same id until it takes the request over', async () => {
    const { refundId } = await refunded();
    provider.answer({ status: 500, body: 'try  later' }, { status: 302, headers: { location: '/x' } }, { status: 200 });
    desk().start();
    await until(refundId, 'delivered');
    expect(provider.received.map(({ headers }) => headers['webhook-id'])).toEqual([refundId, refundId, refundId]);
    expect(await of(refundId)).toMatchObject({ attempts: 3, error: null });
  });

  test('[RF-2] after the last attempt, and at once after 410, it has failed, and operators read why', async () => {
    const { refundId } = await refunded();
    provider.answer({ status: 503, body: '{"error": "maintenance"}' });
    desk().start();
    await until(refundId, 'failed');
    expect(await of(refundId)).toMatchObject({ attempts: 4, error: 'HTTP 503: {"error": "maintenance"}' });
    provider.answer({ status: 410 });
    const second = await refunded();
    await until(second.refundId, 'failed');
    expect(await of(second.refundId)).toMatchObject({ attempts: 1, error: 'HTTP 410' });
  });

  test('[RF-2] a provider that nobody reaches is told as such, and Retry-After moves the next attempt', async () => {
    const { refundId } = await refunded();
    const closed = await startProvider();
    await closed.stop();
    const alone = desk({ endpoint: closed.url, pausesMs: [0] });
    alone.start();
    await until(refundId, 'failed');
    expect((await of(refundId)).error).toMatch(/ECONNREFUSED/);
    await alone.stop();
    const second = await refunded();
    provider.answer({ status: 429, headers: { 'retry-after': '3600' } });
    desk().start();
    await expect.poll(async () => (await of(second.refundId)).error, { timeout: 20_000 }).toBe('HTTP 429');
    expect((await of(second.refundId)).nextAttemptAt.getTime()).toBeGreaterThan(Date.now() + 3_000_000);
  });

  test('[RF-2] the pauses in earnest go from at once to a day', () => {
    expect(refundPausesMs.map((ms) => ms / 1_000)).toEqual([
      0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]);
  });

  test('[RF-3] several nodes ask once for each refund', async () => {
    const wanted: string[] = [];
    for (let count = 0; count < 30; count += 1) wanted.push((await refunded()).refundId);
    provider.answer({ status: 200, delayMs: 20 });
    for (let node = 0; node < 3; node += 1) desk().start();
    for (const refundId of wanted) await until(refundId, 'delivered');
    expect(provider.received.map(({ headers }) => String(headers['webhook-id'])).toSorted()).toEqual(wanted.toSorted());
  });

  test('[RF-3] what a node left in the middle is asked for again when its lease is over, and a stop is no failure', async () => {
    const { refundId } = await refunded();
    provider.answer({ status: 200, delayMs: 60_000 });
    const first = desk();
    first.start();
    await provider.until(1);
    await first.stop();
    expect(await of(refundId)).toMatchObject({ state: 'pending', error: null });
    await database().prisma.$executeRaw`UPDATE refund_requests SET lease_until = now() - interval '1 second'`;
    provider.answer({ status: 200 });
    desk().start();
    await until(refundId, 'delivered');
  });

  test('[RF-4] the provider may say later that the money is back or that it failed; what is final stays', async () => {
    const { livestreamId, refundId } = await refunded();
    const running = desk();
    running.start();
    await until(refundId, 'delivered');
    const told = (type: 'payment.refunded' | 'payment.refund_failed', id = refundId) =>
      running.told({ type, timestamp: '', data: { refundId: id, reason: 'account closed' } });
    expect(await told('payment.refund_failed')).toMatchObject({
      refund: { state: 'failed', error: 'account closed' },
    });
    expect(await told('payment.refunded')).toMatchObject({ refund: { state: 'completed', error: null } });
    expect(await told('payment.refunded')).toMatchObject({ refund: { state: 'completed' } });
    expect(await told('payment.refund_failed')).toMatchObject({ refund: { state: 'completed' } });
    expect(await told('payment.refunded', 'rf-nothing')).toMatchObject({ error: { code: 'route_not_found' } });
    expect(await running.change(livestreamId, refundId, 'retry', 'operator')).toMatchObject({
      kind: 'refused',
      error: { code: 'conflict' },
    });
  });

  test('[RF-5] without a provider people pay back, and say so', async () => {
    const { livestreamId, refundId } = await refunded();
    const alone = desk({ endpoint: null });
    alone.start();
    await until(refundId, 'manual');
    expect(await alone.change(livestreamId, refundId, 'retry', 'operator')).toMatchObject({
      error: { code: 'conflict', message: { en: expect.stringContaining('REFUND_WEBHOOK_URL') } },
    });
    expect(await alone.change('another', refundId, 'settle', 'operator')).toMatchObject({
      error: { code: 'route_not_found' },
    });
    expect(await alone.change(livestreamId, refundId, 'settle', 'operator')).toMatchObject({
      refund: { state: 'settled' },
    });
    expect(await alone.list({ livestreamId, state: 'settled', limit: 10 })).toMatchObject([{ refundId }]);
    expect(provider.received).toEqual([]);
  });

  test('[RF-5] an operator asks the provider again after a failure, from the first attempt on', async () => {
    const { livestreamId, refundId } = await refunded();
    provider.answer({ status: 400 });
    const running = desk();
    running.start();
    await until(refundId, 'failed');
    provider.answer({ status: 200 });
    expect(await running.change(livestreamId, refundId, 'retry', 'operator')).toMatchObject({ kind: 'done' });
    await until(refundId, 'delivered');
    expect(await of(refundId)).toMatchObject({ attempts: 1 });
    await wait(30);
    expect(provider.received).toHaveLength(5);
  });

  test('[RF-6] one payment of a paid order goes back alone, and the order stays paid', async () => {
    const { prisma } = database();
    const ledger = createPrismaLedger({ prisma });
    const livestreamId = await makeLivestream(prisma, { tea: 5 });
    const { orderId } = await commitOrder(ledger, newOrder(livestreamId, { tea: 1 }));
    const pay = (paymentId: string) => ledger.pay({ paymentId, orderId, amountMinor: 500, currency: 'CNY' });
    const [good, second] = [`pay-${livestreamId}-1`, `pay-${livestreamId}-2`];
    await pay(good);
    await pay(second);
    expect(await ledger.orders({ livestreamId, refundDue: true, limit: 10 })).toMatchObject([
      {
        orderId,
        state: 'paid',
        payments: [{ reason: null }, { paymentId: second, reason: 'second_payment', refund: null }],
      },
    ]);
    expect(await ledger.refund(orderId, 'operator', 'twice', good)).toBeNull();
    expect(await ledger.refund(orderId, 'operator', 'twice', second)).toMatchObject({
      order: { state: 'paid' },
      refunded: [{ paymentId: second }],
      items: [],
    });
    expect(await ledger.orders({ livestreamId, refundDue: true, limit: 10 })).toEqual([]);
    const [order] = await ledger.orders({ livestreamId, limit: 10 });
    expect(order).toMatchObject({
      state: 'paid',
      payments: [{ state: 'accepted' }, { state: 'refunded', refund: { state: 'pending', error: null } }],
    });
    const [item] = (await ledger.audit(livestreamId))?.items ?? [];
    expect(item).toMatchObject({ sold: 1, soldByOrders: 1 });
  });

  test('[RF-6] the only money of an order without units takes the order along', async () => {
    const { prisma } = database();
    const ledger = createPrismaLedger({ prisma });
    const livestreamId = await makeLivestream(prisma, { tea: 5 });
    const { orderId } = await commitOrder(ledger, newOrder(livestreamId, { tea: 1 }));
    await ledger.cancel(orderId, 'buyer');
    const paymentId = `pay-${livestreamId}`;
    await ledger.pay({ paymentId, orderId, amountMinor: 500, currency: 'CNY' });
    expect(await ledger.refund(orderId, 'operator', 'cancelled', paymentId)).toMatchObject({
      order: { state: 'refunded' },
    });
  });
});
