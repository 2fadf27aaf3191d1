import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorTable, wireError } from '../../contract/errors.ts';
import { API_PREFIX } from '../../contract/routes.ts';
import { bodyOf, codeOf, send, sendJson, sendRaw, startTestServer, type TestServer } from './http-test-kit.ts';

const livestreamId = 'live-1';
const orderOf = (key: string, lines: unknown = [{ skuId: 'tea', quantity: 1 }]): Record<string, unknown> => ({
  idempotencyKey: key,
  lines,
});

/** Whether a kept connection served this order. */
function postOver(agent: Agent, url: string, headers: Record<string, string>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(orderOf('key-kept'));
    const sent = request(url, { method: 'POST', agent, headers: { ...headers, 'content-type': 'application/json' } });
    sent.on('error', reject).on('response', (answer) => answer.resume().on('end', () => resolve(sent.reusedSocket)));
    sent.end(body);
  });
}

/** HT-10: both ways into an order are one contract; each test runs against the fast path and against Express. */
describe.each([
  { via: 'fast path', withFastPath: true },
  { via: 'Express', withFastPath: false },
])('orders over HTTP, $via', ({ withFastPath }) => {
  let server: TestServer;
  let url: string;
  let token: string;
  let bearer: { authorization: string };

  beforeAll(async () => {
    server = await startTestServer({ withFastPath, bodyTimeoutMs: 300 });
    url = `${server.url}${API_PREFIX}/livestreams/${livestreamId}/orders`;
    token = await server.issue({ role: 'viewer', livestreamId, buyerId: 'b-1' });
    bearer = { authorization: `Bearer ${token}` };
  });
  afterAll(() => server.stop());

  const post = (body: unknown, headers: Record<string, string> = bearer) => sendJson(url, body, headers);

  test('[HT-11] an accepted order is 201, the same key again 200 with the same order', async () => {
    const first = await post(orderOf('key-accepted'));
    const again = await post(orderOf('key-accepted'));
    expect([first.status, bodyOf(first).outcome]).toEqual([201, 'accepted']);
    expect([again.status, bodyOf(again).outcome]).toEqual([200, 'duplicate']);
    expect(bodyOf(again).order.orderId).toBe(bodyOf(first).order.orderId);
    expect(bodyOf(first).payUrl).toBe('/pay/');
  });

  test('[HT-9] nothing leaves that the contract does not name', async () => {
    const answer = await post(orderOf('key-no-leak'));
    expect(answer.text).not.toContain('bodyHash');
    expect(Object.keys(bodyOf(answer).order)).not.toContain('buyerId');
    const listed = await send(`${url}/mine`, { headers: bearer });
    expect(bodyOf(listed).orders.length).toBeGreaterThan(0);
    expect(listed.text).not.toContain('bodyHash');
  });

  test('[HT-2] a refusal has the status of its code, a sentence in two languages, an advice and the request id', async () => {
    const answer = await post(orderOf('key-unknown', [{ skuId: 'gold', quantity: 1 }]));
    expect(answer.status).toBe(errorTable.not_found.status);
    const { error } = bodyOf(answer);
    expect(error).toMatchObject({ code: 'not_found', action: 'fix', skuId: 'gold' });
    expect(error.message).toEqual(errorTable.not_found.message);
    expect(error.requestId).toBe(answer.headers['x-request-id']);
  });

  test('[HT-2] a refusal that asks to wait says so in Retry-After', async () => {
    const answer = await post(orderOf('key-busy-1', [{ skuId: 'busy', quantity: 1 }]));
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([503, 'overloaded', '1']);
    expect(bodyOf(answer).error).toMatchObject({ action: 'retry', minBackoffMs: 500 });
  });

  test('[HT-27] what is shed is told so with Retry-After and keeps its connection; then all is as before', async () => {
    server.shedding.error = wireError('overloaded', { minBackoffMs: 1_800 });
    try {
      const answer = await post(orderOf('key-shed-1'));
      expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([503, 'overloaded', '2']);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const reused = [await postOver(agent, url, bearer), await postOver(agent, url, bearer)];
      agent.destroy();
      expect(reused).toEqual([false, true]);
    } finally {
      server.shedding.error = null;
    }
    expect((await post(orderOf('key-busy-1', [{ skuId: 'gold', quantity: 1 }]))).status).toBe(404);
  });

  test.each([
    ['a negative quantity', orderOf('key-bad-1', [{ skuId: 'tea', quantity: -1 }]), 'lines.0.quantity'],
    ['a fractional quantity', orderOf('key-bad-1', [{ skuId: 'tea', quantity: 1.5 }]), 'lines.0.quantity'],
    ['quantity zero', orderOf('key-bad-1', [{ skuId: 'tea', quantity: 0 }]), 'lines.0.quantity'],
    ['a quantity as text', orderOf('key-bad-1', [{ skuId: 'tea', quantity: '1' }]), 'lines.0.quantity'],
    ['a quantity beyond reason', orderOf('key-bad-1', [{ skuId: 'tea', quantity: 1e15 }]), 'lines.0.quantity'],
    ['an id with a brace', orderOf('key-bad-1', [{ skuId: 'te{a}', quantity: 1 }]), 'lines.0.skuId'],
    ['a short key', orderOf('key'), 'idempotencyKey'],
    ['no lines', orderOf('key-bad-1', []), 'lines'],
    [
      'too many lines',
      orderOf(
        'key-bad-1',
        Array.from({ length: 21 }, () => ({ skuId: 'tea', quantity: 1 })),
      ),
      'lines',
    ],
    ['lines of another type', orderOf('key-bad-1', 'tea'), 'lines'],
    ['an unknown field', { ...orderOf('key-bad-1'), price: 0 }, ''],
    ['a list', [orderOf('key-bad-1')], ''],
    ['null', null, ''],
  ])('[HT-6] %s is bad_request that names the place', async (_what, body, path) => {
    const answer = await post(body);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'bad_request']);
    expect(bodyOf(answer).error.issues.map((issue: { path: string }) => issue.path)).toContain(path);
    expect(server.orders.size).toBeLessThan(5);
  });

  test.each(['{"idempotencyKey":', '{]', 'lines=1', '\u0000', '{"a":1}}'])('[HT-3] malformed JSON %j', async (body) => {
    const answer = await send(url, {
      method: 'POST',
      headers: { ...bearer, 'content-type': 'application/json' },
      body,
    });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'bad_request']);
    expect(bodyOf(answer).error.issues[0].message).toBe('the body is not valid JSON');
  });

  test('[HT-3] an absent body is bad_request', async () => {
    const answer = await send(url, { method: 'POST', headers: bearer });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'bad_request']);
  });

  test.each([17_000, 200_000, 8_000_000])('[HT-4] a body of %i bytes is payload_too_large', async (length) => {
    const answer = await post(orderOf('key-huge-1', 'x'.repeat(length)));
    expect([answer.status, codeOf(answer)]).toEqual([413, 'payload_too_large']);
  });

  test('[HT-4] a chunked body without an announced length is cut at the limit', async () => {
    const chunk = `${(16_000).toString(16)}\r\n${'x'.repeat(16_000)}\r\n`;
    const head = `POST ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`;
    const text = await sendRaw(
      server.port,
      `${head}content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('payload_too_large');
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    '[HT-5] content type %j is unsupported_media_type',
    async (type) => {
      const answer = await send(url, {
        method: 'POST',
        headers: { ...bearer, 'content-type': type },
        body: JSON.stringify(orderOf('key-type-1')),
      });
      expect([answer.status, codeOf(answer)]).toEqual([415, 'unsupported_media_type']);
    },
  );

  test('[HT-8] an exception is internal, tells nothing, and the server goes on', async () => {
    const answer = await post(orderOf('key-bug-01', [{ skuId: 'bug', quantity: 1 }]));
    expect([answer.status, codeOf(answer)]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret detail');
    const logged = server.lines.find((line) =>
      String((line as { err?: Error }).err?.message).includes('secret detail'),
    );
    expect(logged).toMatchObject({ requestId: bodyOf(answer).error.requestId });
    expect((await post(orderOf('key-after-bug', [{ skuId: 'gold', quantity: 1 }]))).status).toBe(404);
  });

  test('[AC-1] no token is unauthorized; forged, foreign and unsigned ones are too', async () => {
    const forged = `${token.slice(0, -3)}${token.endsWith('AAA') ? 'BBB' : 'AAA'}`;
    const [, payload] = token.split('.');
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    for (const each of [undefined, 'Bearer', `Bearer ${forged}`, `Bearer ${unsigned}`, 'Basic dTpw', 'Bearer x.y.z']) {
      const answer = await post(orderOf('key-forged'), each === undefined ? {} : { authorization: each });
      expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthorized']);
    }
  });

  test('[AC-3] a token of another livestream, or of a role that does not buy, is forbidden', async () => {
    const others = [
      await server.issue({ role: 'viewer', livestreamId: 'live-2', buyerId: 'b-1' }),
      await server.issue({ role: 'viewer', livestreamId }),
      await server.issue({ role: 'operator', livestreamId, buyerId: 'b-1' }),
      await server.issue({ role: 'anchor', livestreamId, buyerId: 'b-1' }),
      await server.issue({ role: 'service' }),
    ];
    for (const other of others) {
      const answer = await post(orderOf('key-foreign'), { authorization: `Bearer ${other}` });
      expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden']);
    }
  });

  test('[AC-7] a cookie orders from our own pages only', async () => {
    const cookie = `stockcast_viewer_${livestreamId}=${token}`;
    const refused: Record<string, string>[] = [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: server.url },
    ];
    for (const headers of refused) {
      const answer = await post(orderOf('key-cookie-1'), { cookie, ...headers });
      expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden']);
    }
    const sameOrigin = [{ origin: server.url }, { 'sec-fetch-site': 'same-origin' }];
    for (const headers of sameOrigin) {
      const answer = await post(orderOf('key-cookie-2', [{ skuId: 'gold', quantity: 1 }]), { cookie, ...headers });
      expect(codeOf(answer)).toBe('not_found');
    }
  });

  test("[HT-12] a token's device wins over the body's", async () => {
    const withDevice = await server.issue({ role: 'viewer', livestreamId, buyerId: 'b-2', deviceId: 'd-token' });
    const body = { ...orderOf('key-device-1', [{ skuId: 'gold', quantity: 1 }]), deviceId: 'd-body' };
    await post(body, { authorization: `Bearer ${withDevice}` });
    expect(server.buyers.at(-1)).toEqual({ buyerId: 'b-2', deviceId: 'd-token' });
    await post(body);
    expect(server.buyers.at(-1)).toEqual({ buyerId: 'b-1', deviceId: 'd-body' });
  });

  test('[HT-10] the answer carries the headers of the API', async () => {
    const answer = await post(orderOf('key-header', [{ skuId: 'gold', quantity: 1 }]));
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(answer.headers['x-powered-by']).toBeUndefined();
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)));
  });

  test('[HT-10] two orders on one kept-alive connection get two answers', async () => {
    const body = JSON.stringify(orderOf('key-alive', [{ skuId: 'gold', quantity: 1 }]));
    const head = `POST ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    const text = await sendRaw(server.port, `${head}\r\n${body}${head}connection: close\r\n\r\n${body}`);
    expect(text.match(/HTTP\/1\.1 404 /g)).toHaveLength(2);
  });
});

test('[HT-21] an order whose body never ends is answered and its connection closed', async () => {
  const server = await startTestServer({ bodyTimeoutMs: 150 });
  const token = await server.issue({ role: 'viewer', livestreamId, buyerId: 'b-1' });
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const text = await sendRaw(
    server.port,
    `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"lines"`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('took too long');
  // Of this very answer, and it is the only one: nothing that comes later is what ends the connection.
  expect(text.toLowerCase().match(/connection: close/g)).toHaveLength(1);
  expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  await server.stop();
});

test('[HT-27] whoever is shed is so before the token and the body are looked at; a large body costs its connection', async () => {
  const server = await startTestServer();
  server.shedding.error = wireError('overloaded', { minBackoffMs: 1_800 });
  const head = `POST ${API_PREFIX}/livestreams/${livestreamId}/orders HTTP/1.1\r\nhost: x\r\n`;
  const [small, large] = await Promise.all([
    sendRaw(server.port, `${head}content-length: 5\r\n\r\nnever${head}connection: close\r\n\r\n`),
    sendRaw(server.port, `${head}content-length: 500000\r\n\r\nnever`),
  ]);
  // Two answers over one connection, then one that ends it.
  expect(small.match(/HTTP\/1\.1 503 /g)).toHaveLength(2);
  expect(large.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect(large).toMatch(/^HTTP\/1\.1 503 /);
  expect(large.toLowerCase()).toContain('connection: close');
  await server.stop();
});

test('[HT-13] a buyer cancels the own orders only, an operator any, an anchor none', async () => {
  const server = await startTestServer();
  const base = `${server.url}${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const bearer = async (grant: Parameters<TestServer['issue']>[0]) => ({
    authorization: `Bearer ${await server.issue(grant)}`,
  });
  const owner = await bearer({ role: 'viewer', livestreamId, buyerId: 'b-1' });
  const placed = [await sendJson(base, orderOf('key-one-1'), owner), await sendJson(base, orderOf('key-two-2'), owner)];
  const [first, second] = placed.map((answer) => bodyOf(answer).order.orderId);
  const cancel = async (orderId: string, grant: Parameters<TestServer['issue']>[0]) =>
    send(`${base}/${orderId}/cancel`, { method: 'POST', headers: await bearer(grant) });
  expect(codeOf(await cancel(first, { role: 'viewer', livestreamId, buyerId: 'b-2' }))).toBe('route_not_found');
  expect(codeOf(await cancel(first, { role: 'anchor', livestreamId }))).toBe('forbidden');
  expect(codeOf(await cancel(first, { role: 'operator', livestreamId: 'live-2' }))).toBe('forbidden');
  expect(bodyOf(await cancel(first, { role: 'viewer', livestreamId, buyerId: 'b-1' })).order.state).toBe('cancelled');
  expect(bodyOf(await cancel(second, { role: 'operator', livestreamId })).order.state).toBe('cancelled');
  const listed = await send(`${base}?state=cancelled&limit=1`, {
    headers: await bearer({ role: 'operator', livestreamId }),
  });
  expect(bodyOf(listed).orders).toHaveLength(1);
  expect(bodyOf(listed).orders[0].buyerId).toBe('b-1');
  const wrong = await send(`${base}?limit=0&limit=9`, { headers: await bearer({ role: 'operator', livestreamId }) });
  expect(codeOf(wrong)).toBe('bad_request');
  await server.stop();
});
