import { afterEach, describe, expect, test } from 'vitest';
import { API_PREFIX } from '../../contract/routes.ts';
import { signWebhook } from '../lib/standard-webhooks.ts';
import {
  bodyOf,
  codeOf,
  send,
  sendJson,
  startTestServer,
  type TestServer,
  testSecret,
  webhookSecret,
} from './http-test-kit.ts';
import { createOrderLink } from './order-link.ts';

let server: TestServer;
afterEach(() => server.stop());

async function placeOrder(): Promise<string> {
  const token = await server.issue({ role: 'viewer', livestreamId: 'live-1', buyerId: 'b-1' });
  const answer = await sendJson(
    `${server.url}${API_PREFIX}/livestreams/live-1/orders`,
    { idempotencyKey: 'key-to-pay', lines: [{ skuId: 'tea', quantity: 2 }] },
    { authorization: `Bearer ${token}` },
  );
  return bodyOf(answer).order.orderId;
}

const callbackOf = (orderId: string): string =>
  JSON.stringify({
    type: 'payment.succeeded',
    timestamp: '2027-01-15T08:00:00Z',
    data: { paymentId: 'p-1', orderId, amountMinor: 200, currency: 'CNY' },
  });

function callback(body: string, options: { secret?: string; ageSeconds?: number; sign?: string } = {}) {
  const timestampSeconds = Math.floor(server.clock.now() / 1_000) - (options.ageSeconds ?? 0);
  const signed = { id: 'msg_1', timestampSeconds, body: options.sign ?? body };
  const headers = { 'content-type': 'application/json', ...signWebhook(options.secret ?? webhookSecret, signed) };
  return send(`${server.url}${API_PREFIX}/payments/callback`, { method: 'POST', headers, body });
}

describe('callback', () => {
  test('[HT-14] a signed callback pays the order, and again with the same answer', async () => {
    server = await startTestServer();
    const orderId = await placeOrder();
    for (let time = 0; time < 2; time += 1) {
      const answer = await callback(callbackOf(orderId));
      expect([answer.status, bodyOf(answer)]).toEqual([200, { orderId, paymentId: 'p-1', outcome: 'paid' }]);
    }
    expect(server.orders.get(orderId)?.state).toBe('paid');
  });

  test('[HT-14] the signature is over the bytes: spaces count, and a wrong one is refused before the body is read', async () => {
    server = await startTestServer();
    const orderId = await placeOrder();
    const body = callbackOf(orderId);
    const spaced = body.replaceAll(',', ' , ');
    expect((await callback(spaced)).status).toBe(200);
    const refused = [
      await callback(spaced, { sign: body }),
      await callback(body, { secret: 'whsec_b3RoZXIgc2VjcmV0IG9mIHRoZSBwcm92aWRlcg==' }),
      await callback(body, { ageSeconds: 301 }),
      await callback('{not json', { sign: 'something else' }),
      await sendJson(`${server.url}${API_PREFIX}/payments/callback`, JSON.parse(body)),
    ];
    expect(refused.map(codeOf)).toEqual(Array.from({ length: 5 }, () => 'unauthorized'));
  });

  test('[HT-14] a signed body that is not a payment is bad_request, one for an unknown order is not found', async () => {
    server = await startTestServer();
    expect(codeOf(await callback('{not json'))).toBe('bad_request');
    expect(codeOf(await callback('{"type":"payment.failed"}'))).toBe('bad_request');
    expect(codeOf(await callback(callbackOf('o-404')))).toBe('route_not_found');
    const plain = await send(`${server.url}${API_PREFIX}/payments/callback`, { method: 'POST', body: 'x' });
    expect(codeOf(plain)).toBe('unsupported_media_type');
  });

  test('[HT-4] a huge callback is refused', async () => {
    server = await startTestServer();
    expect(codeOf(await callback('x'.repeat(70_000)))).toBe('payload_too_large');
  });
});

describe('simulated payment', () => {
  const complete = (orderToken: unknown, headers: Record<string, string> = {}) =>
    sendJson(`${server.url}/pay/api/complete`, { orderToken }, headers);

  test('[HT-15] whoever holds the link sees the order and pays it, through the signed callback', async () => {
    server = await startTestServer();
    const orderId = await placeOrder();
    const payUrl = server.link.payUrlOf({ orderId });
    expect(payUrl).toMatch(/^\/pay\/\?order=o-1~[\w-]{22}$/);
    const orderToken = payUrl.split('=')[1];
    const seen = await send(`${server.url}/pay/api/order?order=${orderToken}`);
    expect(bodyOf(seen).order).toMatchObject({ orderId, state: 'held', totalMinor: 200 });
    expect(bodyOf(seen).livestream.title.zh).not.toBe('');
    expect(seen.text).not.toContain('b-1');
    const [one, two] = await Promise.all([complete(orderToken), complete(orderToken)]);
    expect(bodyOf(one)).toEqual(bodyOf(two));
    expect(bodyOf(one)).toMatchObject({ orderId, outcome: 'paid' });
    expect(server.orders.get(orderId)?.state).toBe('paid');
  });

  test('[HT-15] the callback is repeated until it is answered', async () => {
    server = await startTestServer({ failPaymentsTimes: 2 });
    const orderId = await placeOrder();
    const answer = await complete(server.link.tokenOf(orderId));
    expect([answer.status, bodyOf(answer).outcome]).toEqual([200, 'paid']);
  });

  test('[HT-15] a stop ends the repeating at once', async () => {
    server = await startTestServer({ failPaymentsTimes: 100 });
    const orderId = await placeOrder();
    const pending = complete(server.link.tokenOf(orderId)).catch(() => undefined);
    while (server.lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const beganAtMs = performance.now();
    await server.payment.stop();
    const answer = await pending;
    expect(answer && codeOf(answer)).toBe('unavailable');
    expect(performance.now() - beganAtMs).toBeLessThan(20_000);
  });

  test('[AC-15] a payment link cannot be guessed, changed or made with another secret', async () => {
    server = await startTestServer();
    const orderId = await placeOrder();
    const token = server.link.tokenOf(orderId);
    const foreign = createOrderLink({ secret: `${testSecret}!`, paymentPageUrl: null, demo: true }).tokenOf(orderId);
    for (const each of [orderId, `${orderId}~`, token.replace('o-1', 'o-2'), foreign, `${token}A`, '~']) {
      expect(codeOf(await complete(each))).toBe('route_not_found');
    }
    expect(codeOf(await complete(7))).toBe('bad_request');
    expect(codeOf(await complete(token, { origin: 'https://evil.example' }))).toBe('forbidden');
    expect(server.orders.get(orderId)?.state).toBe('held');
  });

  test("[HT-15] a shop's own payment page wins, and without any there is no address", async () => {
    server = await startTestServer();
    const of = (paymentPageUrl: string | null, demo: boolean) =>
      createOrderLink({ secret: testSecret, paymentPageUrl, demo }).payUrlOf({ orderId: 'o-1' });
    expect(of('https://pay.example/?o={orderId}', true)).toBe('https://pay.example/?o=o-1');
    expect(of(null, false)).toBe('');
  });
});
