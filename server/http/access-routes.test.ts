import { afterEach, describe, expect, test } from 'vitest';
import { API_PREFIX } from '../../contract/routes.ts';
import { addressOf } from './access-routes.ts';
import { type Answer, bodyOf, codeOf, sendJson, startTestServer, type TestServer } from './http-test-kit.ts';

let server: TestServer;
afterEach(() => server.stop());

const open = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  sendJson(`${server.url}${API_PREFIX}/session`, body, headers);
const cookieOf = (answer: Answer): string => String(answer.headers['set-cookie']?.[0]).split(';', 1)[0] ?? '';

describe('sessions', () => {
  test('[AC-8] a link’s token becomes a cookie that works', async () => {
    server = await startTestServer();
    const token = await server.issue({ role: 'operator', livestreamId: 'live-1' });
    const answer = await open({ token });
    expect(bodyOf(answer)).toEqual({ role: 'operator', livestreamId: 'live-1', buyerId: null });
    const path = `${server.url}${API_PREFIX}/livestreams/live-1/orders`;
    const listed = await fetch(path, { headers: { cookie: cookieOf(answer) } });
    expect(listed.status).toBe(200);
    expect((await fetch(path)).status).toBe(401);
  });

  test('[AC-8] a token that is forged or has expired sets no cookie', async () => {
    server = await startTestServer();
    const token = await server.issue({ role: 'operator', livestreamId: 'live-1' }, 1_000);
    server.clock.advance(1_001);
    for (const each of [token, 'x.y.z']) {
      const answer = await open({ token: each });
      expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthorized']);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    expect(codeOf(await open({ token: '' }))).toBe('bad_request');
    expect(codeOf(await open({ token, livestreamId: 'live-1', anonymous: true }))).toBe('bad_request');
  });

  test('[AC-9] an anonymous viewer becomes a buyer of its own, and stays that buyer', async () => {
    server = await startTestServer();
    const first = await open({ livestreamId: 'live-1', anonymous: true });
    const other = await open({ livestreamId: 'live-1', anonymous: true });
    expect(bodyOf(first)).toMatchObject({ role: 'viewer', livestreamId: 'live-1' });
    expect(bodyOf(first).buyerId).toMatch(/^anon-[\w-]{16}$/);
    expect(bodyOf(other).buyerId).not.toBe(bodyOf(first).buyerId);
    const again = await open(
      { livestreamId: 'live-1', anonymous: true },
      { cookie: cookieOf(first), origin: server.url },
    );
    expect(bodyOf(again).buyerId).toBe(bodyOf(first).buyerId);
    const elsewhere = await open({ livestreamId: 'live-2', anonymous: true }, { cookie: cookieOf(first) });
    expect(bodyOf(elsewhere).buyerId).not.toBe(bodyOf(first).buyerId);
  });

  test('[AC-9] where anonymous viewers are not wanted there is no session, and none for a livestream that is not', async () => {
    server = await startTestServer();
    expect(codeOf(await open({ livestreamId: 'members', anonymous: true }))).toBe('forbidden');
    expect(codeOf(await open({ livestreamId: 'nowhere', anonymous: true }))).toBe('not_found');
  });

  test('[AC-7] another site cannot open a session in a visitor’s browser', async () => {
    server = await startTestServer();
    const token = await server.issue({ role: 'viewer', livestreamId: 'live-1' });
    expect(codeOf(await open({ token }, { origin: 'https://evil.example' }))).toBe('forbidden');
    expect((await open({ token }, { origin: server.url })).status).toBe(200);
  });

  test('[AC-10] sessions per address are limited, with the time to wait, and come back', async () => {
    server = await startTestServer({ sessionsPerIpPerMinute: 60 });
    const burst = await Promise.all(
      Array.from({ length: 31 }, () => open({ livestreamId: 'live-1', anonymous: true })),
    );
    expect(burst.filter((answer) => answer.status === 200)).toHaveLength(30);
    const refused = burst.find((answer) => answer.status === 429);
    expect(refused && [codeOf(refused), refused.headers['retry-after']]).toEqual(['rate_limited', '1']);
    server.clock.advance(1_000);
    expect((await open({ livestreamId: 'live-1', anonymous: true })).status).toBe(200);
  });
});

test('[AC-11] a service issues tokens for people of an existing livestream; nobody else does', async () => {
  server = await startTestServer();
  const service = { authorization: `Bearer ${await server.issue({ role: 'service' })}` };
  const issue = (livestreamId: string, body: unknown, headers: Record<string, string>): Promise<Answer> =>
    sendJson(`${server.url}${API_PREFIX}/livestreams/${livestreamId}/tokens`, body, headers);
  const answer = await issue('live-1', { role: 'viewer', buyerId: 'b-9', deviceId: 'd-9' }, service);
  expect(answer.status).toBe(201);
  const { token, expiresAtMs } = bodyOf(answer);
  expect(await server.access.verify(token)).toEqual({
    role: 'viewer',
    livestreamId: 'live-1',
    buyerId: 'b-9',
    deviceId: 'd-9',
  });
  expect(expiresAtMs).toBe(server.clock.now() + 86_400_000);
  expect(codeOf(await issue('nowhere', { role: 'viewer' }, service))).toBe('not_found');
  expect(codeOf(await issue('live-1', { role: 'admin' }, service))).toBe('bad_request');
  const operator = { authorization: `Bearer ${await server.issue({ role: 'operator', livestreamId: 'live-1' })}` };
  expect(codeOf(await issue('live-1', { role: 'viewer' }, operator))).toBe('forbidden');
  expect(codeOf(await issue('live-1', { role: 'viewer' }, {}))).toBe('unauthorized');
});

test('[AC-10] an IPv6 household is one address', async () => {
  server = await startTestServer();
  expect(addressOf({ ip: '203.0.113.7' })).toBe('203.0.113.7');
  expect(addressOf({ ip: '::ffff:203.0.113.7' })).toBe('203.0.113.7');
  expect(addressOf({ ip: '2001:db8:1:2:3:4:5:6' })).toBe(addressOf({ ip: '2001:db8:1:2::9' }));
  expect(addressOf({ ip: '2001:db8:1:2::9' })).not.toBe(addressOf({ ip: '2001:db8:1:3::9' }));
});
