import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { API_PREFIX, routes } from '../../contract/routes.ts';
import { LedgerRefused, LedgerUnknown } from '../orders/order-ledger.ts';
import { GateUnavailable } from '../stock/stock-engine.ts';
import { bodyOf, codeOf, send, sendJson, sendRaw, startTestServer, type TestServer } from './http-test-kit.ts';
import { createNodeServer, listen } from './node-server.ts';
import { HttpError } from './request.ts';

let server: TestServer;
afterEach(() => server.stop());

const admin = async (): Promise<{ authorization: string }> => ({
  authorization: `Bearer ${await server.issue({ role: 'admin' })}`,
});

describe('routes', () => {
  test('[HT-1] every route of the contract is bound', async () => {
    const busy = (): Promise<never> => Promise.reject(new HttpError('overloaded'));
    server = await startTestServer({ handlers: Object.fromEntries(Object.keys(routes).map((name) => [name, busy])) });
    const headers = { ...(await admin()), 'content-type': 'application/json' };
    for (const [name, route] of Object.entries(routes)) {
      const path = route.path.replaceAll(/:\w+/g, 'x-1');
      const answer = await send(`${server.url}${API_PREFIX}${path}`, { method: route.method.toUpperCase(), headers });
      expect(['overloaded', 'bad_request', 'unauthorized', 'forbidden'], name).toContain(codeOf(answer));
    }
  });

  test('[HT-7] an address, a method or a version that does not exist is route_not_found, in JSON', async () => {
    server = await startTestServer();
    for (const [method, path] of [
      ['GET', `${API_PREFIX}/nothing`],
      ['DELETE', `${API_PREFIX}/livestreams`],
      ['GET', '/api/v2/livestreams'],
      ['POST', '/viewer/'],
    ]) {
      const answer = await send(`${server.url}${path}`, { method: method ?? '' });
      expect([answer.status, codeOf(answer)]).toEqual([404, 'route_not_found']);
    }
  });

  test('[HT-6] an id of another form in the address is bad_request, also when it cannot be decoded', async () => {
    server = await startTestServer();
    const headers = await admin();
    for (const id of ['a%20b', '%7Bx%7D', '%E0%A4%A', 'x'.repeat(65), '..%2Fsecret']) {
      const answer = await send(`${server.url}${API_PREFIX}/livestreams/${id}`, { headers });
      expect([id, answer.status, codeOf(answer)]).toEqual([id, 400, 'bad_request']);
    }
  });

  test('[HT-8] an exception is internal, tells nothing, and is logged with the request id and without the query', async () => {
    server = await startTestServer({
      handlers: { getLivestream: () => Promise.reject(new Error('password of the database')) },
    });
    const answer = await send(`${server.url}${API_PREFIX}/livestreams/live-1?token=abc`, { headers: await admin() });
    expect([answer.status, codeOf(answer)]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('password');
    const line = server.lines.find((each) => (each as { err?: unknown }).err !== undefined);
    expect(line).toMatchObject({
      requestId: bodyOf(answer).error.requestId,
      method: 'GET',
      path: `${API_PREFIX}/livestreams/live-1`,
    });
  });

  test('[HT-9] an answer that breaks the contract is a bug and does not leave', async () => {
    server = await startTestServer({
      handlers: { listLivestreams: async () => ({ livestreams: [{ secret: 1 }] as never }) },
    });
    const answer = await send(`${server.url}${API_PREFIX}/livestreams`);
    expect([answer.status, codeOf(answer)]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret');
  });

  test.each([
    ['not HTTP at all', 'hello\r\n\r\n', '400 Bad Request', 'bad_request'],
    [
      'a header without an end',
      `GET / HTTP/1.1\r\nhost: x\r\ncookie: ${'x'.repeat(40_000)}\r\n\r\n`,
      '413 Payload Too Large',
      'payload_too_large',
    ],
    [
      'two lengths',
      'POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef',
      '400 Bad Request',
      'bad_request',
    ],
    [
      'a length and chunks',
      'POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
      '400 Bad Request',
      'bad_request',
    ],
  ])('[HT-21] %s is refused and the server goes on', async (_what, bytes, status, code) => {
    server = await startTestServer();
    const text = await sendRaw(server.port, bytes);
    expect(text.split('\r\n', 1)).toEqual([`HTTP/1.1 ${status}`]);
    expect(text).toContain(`"code":"${code}"`);
    expect((await send(`${server.url}/healthz`)).status).toBe(200);
  });

  test('[HT-26] who offers HTTP/2 in clear is answered in HTTP/1.1, body included; only a WebSocket is an upgrade', async () => {
    server = await startTestServer();
    const upgrades: (string | undefined)[] = [];
    // As Socket.IO does: from here on Node would take every offer for an upgrade.
    server.server.on('upgrade', (req, socket) => {
      upgrades.push(req.headers.upgrade);
      socket.destroy();
    });
    const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    expect((await send(`${server.url}/healthz`, { headers: offer })).status).toBe(200);
    const body = { livestreamId: 'live-1', anonymous: true };
    const posted = await sendJson(`${server.url}${API_PREFIX}/session`, body, offer);
    expect([posted.status, bodyOf(posted).livestreamId]).toEqual([200, 'live-1']);
    expect(upgrades).toEqual([]);
    await sendRaw(server.port, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n');
    expect(upgrades).toEqual(['WebSocket']);
  });

  const prismaSays = (code: string) => Object.assign(new Error('prisma'), { code });
  test.each([
    ['a gate that is away', new GateUnavailable('away'), 503],
    ['an outcome that nobody knows', new LedgerUnknown('silent'), 503],
    ['a ledger that cannot be reached', new LedgerRefused('away', { cause: prismaSays('P1001') }), 503],
    ['a database that cannot be reached', prismaSays('P1001'), 503],
    ['a statement that is wrong', new LedgerRefused('syntax', { cause: prismaSays('P2010') }), 500],
    ['a database that refuses a mistake of ours', prismaSays('P2003'), 500],
  ])('[HT-24] %s is told apart from a bug', async (_what, error, status) => {
    server = await startTestServer({ handlers: { listLivestreams: () => Promise.reject(error) } });
    const answer = await send(`${server.url}${API_PREFIX}/livestreams`);
    expect([answer.status, codeOf(answer)]).toEqual([status, status === 503 ? 'unavailable' : 'internal']);
  });

  test('[HT-25] an address that is taken is told in a sentence', async () => {
    server = await startTestServer();
    const second = createNodeServer(() => {});
    await expect(listen(second, server.port, '127.0.0.1')).rejects.toThrow(/Port \d+ of 127\.0\.0\.1 is taken/);
  });

  test('[HT-2] a trusted proxy names the request, a stranger does not', async () => {
    server = await startTestServer({ config: { trustProxy: 1 } });
    const named = await send(`${server.url}/healthz`, { headers: { 'x-request-id': 'edge-42' } });
    expect(named.headers['x-request-id']).toBe('edge-42');
    const odd = await send(`${server.url}/healthz`, { headers: { 'x-request-id': 'a b"{}' } });
    expect(odd.headers['x-request-id']).toMatch(/^test-/);
    await server.stop();
    server = await startTestServer();
    const stranger = await send(`${server.url}/healthz`, { headers: { 'x-request-id': 'edge-42' } });
    expect(stranger.headers['x-request-id']).toMatch(/^test-/);
  });
});

describe('other origins', () => {
  test('[HT-20] an allowed origin may read answers and ask beforehand; others may not, and none with cookies', async () => {
    server = await startTestServer({ config: { allowedOrigins: ['https://shop.example'] } });
    const ask = (origin: string) =>
      send(`${server.url}${API_PREFIX}/livestreams/live-1/orders`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const allowed = await ask('https://shop.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://shop.example');
    expect(allowed.headers['access-control-allow-headers']).toContain('authorization');
    expect(allowed.headers['access-control-allow-credentials']).toBeUndefined();
    const other = await ask('https://evil.example');
    expect([other.headers['access-control-allow-origin'], other.headers['vary']]).toEqual([undefined, 'Origin']);
    const order = await sendJson(
      `${server.url}${API_PREFIX}/livestreams/live-1/orders`,
      {},
      { origin: 'https://shop.example' },
    );
    expect([order.status, order.headers['access-control-allow-origin']]).toEqual([401, 'https://shop.example']);
  });
});

describe('operations', () => {
  test('[HT-16] alive says nothing of others; ready asks the database and the gate, and not while draining', async () => {
    let databaseUp = true;
    server = await startTestServer({
      probes: {
        database: () => (databaseUp ? Promise.resolve() : Promise.reject(new Error('password=x refused'))),
        gate: () => Promise.resolve(),
      },
    });
    const ready = () => send(`${server.url}/readyz`);
    expect(bodyOf(await ready())).toEqual({ ready: true, draining: false, checks: { database: 'ok', gate: 'ok' } });
    databaseUp = false;
    const failing = await ready();
    expect(failing.status).toBe(503);
    expect(bodyOf(failing).checks).toEqual({ database: 'failing', gate: 'ok' });
    expect(failing.text).not.toContain('password');
    expect((await send(`${server.url}/healthz`)).status).toBe(200);
    databaseUp = true;
    server.readiness.drain();
    const draining = await ready();
    expect([draining.status, bodyOf(draining).draining]).toEqual([503, true]);
    const token = await server.issue({ role: 'viewer', livestreamId: 'live-1', buyerId: 'b-1' });
    const line = { skuId: 'tea', quantity: 1 };
    const order = await sendJson(
      `${server.url}${API_PREFIX}/livestreams/live-1/orders`,
      { idempotencyKey: 'key-drain', lines: [line] },
      { authorization: `Bearer ${token}`, connection: 'keep-alive' },
    );
    expect([order.status, order.headers['connection']]).toEqual([201, 'close']);
    const other = await send(`${server.url}${API_PREFIX}/livestreams`, { headers: { connection: 'keep-alive' } });
    expect(other.headers['connection']).toBe('close');
  });

  test('[HT-16] a probe that hangs counts as failing', async () => {
    server = await startTestServer({ probes: { gate: () => new Promise(() => undefined) } });
    expect(bodyOf(await send(`${server.url}/readyz`))).toMatchObject({ ready: false, checks: { gate: 'failing' } });
  });

  test('[HT-17] metrics are open on this machine, and to others with the token only', async () => {
    server = await startTestServer({ config: { metricsToken: 'a-token-for-metrics' } });
    const metrics = (headers: Record<string, string> = {}) => send(`${server.url}/metrics`, { headers });
    const local = await metrics();
    expect(local.status).toBe(200);
    expect(local.headers['content-type']).toMatch(/^text\/plain/);
    expect(local.text).toContain('stockcast_order_seconds');
    for (const headers of [{ 'x-forwarded-for': '203.0.113.7' }, { host: 'rebound.example:3000' }]) {
      const answer = await metrics(headers);
      expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthorized']);
      expect((await metrics({ ...headers, authorization: 'Bearer wrong' })).status).toBe(401);
      expect((await metrics({ ...headers, authorization: 'Bearer a-token-for-metrics' })).status).toBe(200);
    }
  });

  test('[HT-17] requests are measured by route and status, never by address', async () => {
    server = await startTestServer();
    await send(`${server.url}${API_PREFIX}/livestreams`);
    await sendJson(`${server.url}${API_PREFIX}/livestreams/live-1/orders`, {});
    await wait(10);
    const text = await server.metrics.registry.metrics();
    expect(text).toContain('stockcast_http_seconds_count{route="listLivestreams",status="200"} 1');
    expect(text).toContain('stockcast_order_seconds_count{via="http"} 1');
  });

  test('[HT-23] a stop lets a request under way finish and cuts what does not', async () => {
    let finish: () => void = () => undefined;
    server = await startTestServer({
      handlers: {
        listLivestreams: () => new Promise((resolve) => (finish = () => resolve({ livestreams: [] }))),
      },
    });
    const underWay = send(`${server.url}${API_PREFIX}/livestreams`);
    await wait(30);
    const stopped = server.stop();
    finish();
    expect((await underWay).status).toBe(200);
    await stopped;
    await expect(send(`${server.url}/healthz`)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('pages', () => {
  test('[HT-18] pages allow scripts, styles and sockets of this server only', async () => {
    server = await startTestServer();
    const { headers } = await send(`${server.url}/viewer/`);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${server.port} wss://127.0.0.1:${server.port}`);
    expect(policy).toContain("frame-ancestors 'self'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toContain('upgrade-insecure-requests');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' });
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['strict-transport-security']).toBeUndefined();
    const odd = await send(`${server.url}/viewer/`, { headers: { host: "x'; script-src *" } });
    expect(String(odd.headers['content-security-policy'])).not.toContain('script-src *');
  });

  test('[HT-18] over https browsers are kept there, and allowed shops may embed', async () => {
    server = await startTestServer({
      config: { publicUrl: 'https://live.shop.example', allowedOrigins: ['https://www.shop.example'] },
    });
    const { headers } = await send(`${server.url}/viewer/`);
    expect(headers['strict-transport-security']).toContain('max-age=31536000');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'self' https://www.shop.example");
    expect(headers['x-frame-options']).toBeUndefined();
  });

  test('[HT-19] hashed files are kept for ever, pages are asked for anew, both compressed', async () => {
    server = await startTestServer();
    const page = await send(`${server.url}/viewer/`);
    expect(page.headers['cache-control']).toBe('no-cache');
    const again = await send(`${server.url}/viewer/`, { headers: { 'if-none-match': String(page.headers['etag']) } });
    expect(again.status).toBe(304);
    const packed = await send(`${server.url}/viewer/`, { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    const script = await send(`${server.url}/assets/viewer-Bx3k9_aQ.js`);
    expect(script.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    const picture = await send(`${server.url}/assets/demo/tea.svg`);
    expect([picture.status, picture.headers['cache-control']]).toEqual([200, 'public, max-age=3600']);
    expect((await send(`${server.url}/`)).text).toContain('entrance');
    expect((await send(`${server.url}/viewer`)).headers['location']).toBe('/viewer/');
  });

  test('[HT-7] a page that does not exist says so in both languages; nothing outside the folder is served', async () => {
    server = await startTestServer();
    const missing = await send(`${server.url}/nothing`, { headers: { accept: 'text/html' } });
    expect([missing.status, missing.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8']);
    expect(missing.text).toContain('没有这个页面');
    for (const path of [
      '/../package.json',
      '/%2e%2e/%2e%2e/package.json',
      '/assets/demo/..%2f..%2fpackage.json',
      '/.env',
    ]) {
      const text = await sendRaw(server.port, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });
});
