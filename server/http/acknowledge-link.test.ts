import { createServer, type Server } from 'node:http';
import express from 'express';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deriveKey } from '../auth/keys.ts';
import { acknowledgeTtlMs, createAcknowledgeTokens } from '../notify/acknowledge-token.ts';
import type { UsedLinks } from '../notify/used-links.ts';
import { acknowledgeLinkRoutes } from './acknowledge-link.ts';
import { send, standingClock, testSecret } from './http-test-kit.ts';

let server: Server;
let url: string;
let clock: ReturnType<typeof standingClock>;
let acknowledged: string[];
let outcome: 'done' | 'conflict' | 'not_found' | 'error';
const tokens = () => createAcknowledgeTokens({ key: deriveKey(testSecret, 'acknowledge-link'), clock });

/** As the table does it; that it holds across nodes is shown with a database. */
function memoryLinks(): UsedLinks {
  const used = new Set<string>();
  return {
    use: async (id) => !used.has(id) && used.add(id).has(id),
    giveBack: async (id) => void used.delete(id),
    isUsed: async (id) => used.has(id),
  };
}

beforeEach(async () => {
  clock = standingClock();
  acknowledged = [];
  outcome = 'done';
  const router = acknowledgeLinkRoutes({
    tokens: tokens(),
    used: memoryLinks(),
    acknowledge: async (livestreamId, alertId, actor) => {
      if (outcome === 'error') throw new Error('the database is away');
      acknowledged.push(`${livestreamId} ${alertId} ${actor}`);
      return { kind: outcome };
    },
    log: { error: () => undefined },
  });
  server = createServer(express().use('/ack', router));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/ack`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const press = (token: string) =>
  send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `token=${encodeURIComponent(token)}`,
  });
const open = (token: string) => send(`${url}?token=${encodeURIComponent(token)}`);
const issue = () =>
  tokens().issue('link:amy', [
    ['live-1', 'a1'],
    ['live-1', 'a2'],
  ]);

test('[NO-50] opening a link, as a preview does, acknowledges nothing; pressing its button does, once', async () => {
  const token = issue();
  for (let each = 0; each < 3; each += 1) {
    const page = await open(token);
    expect(page.status).toBe(200);
    expect(page.text).toContain('确认 2 条告警');
    expect(page.text).toContain('Acknowledge 2 alerts');
    expect(page.text).toContain(`value="${token}"`);
  }
  expect(acknowledged).toEqual([]);
  const done = await press(token);
  expect([done.status, done.text.includes('已确认')]).toEqual([200, true]);
  expect(acknowledged).toEqual(['live-1 a1 link:amy', 'live-1 a2 link:amy']);
  expect((await press(token)).status).toBe(410);
  expect((await open(token)).status).toBe(410);
  expect(acknowledged).toHaveLength(2);
});

test('[NO-50] pressed twice at once, it counts once', async () => {
  const token = issue();
  const statuses = (await Promise.all([1, 2, 3, 4, 5].map(() => press(token)))).map(({ status }) => status);
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 410, 410, 410, 410]);
  expect(acknowledged).toHaveLength(2);
});

test('[NO-51] a link ends after 30 minutes', async () => {
  const token = issue();
  clock.advance(acknowledgeTtlMs - 1);
  expect((await open(token)).status).toBe(200);
  clock.advance(1);
  expect((await open(token)).status).toBe(410);
  const late = await press(token);
  expect([late.status, late.text.includes('已过期')]).toEqual([410, true]);
  expect(acknowledged).toEqual([]);
});

test('[NO-51] a forged, foreign or decorated token does nothing and is not printed', async () => {
  const token = issue();
  const [payload = '', mac = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  const other = Buffer.from(JSON.stringify({ ...claims, alerts: [['live-2', 'b1']] })).toString('base64url');
  const foreign = createAcknowledgeTokens({ key: deriveKey(testSecret, 'order-link'), clock }).issue('x', [
    ['live-1', 'a1'],
  ]);
  const tokensToTry = [
    '',
    'x',
    'a.b.c',
    `${other}.${mac}`,
    `${payload}.${mac.slice(0, -2)}AA`,
    foreign,
    `${token}.<script>alert(1)</script>`,
    `${token}"><script>alert(1)</script>`,
    `${payload}.`,
    'x'.repeat(7_000),
  ];
  for (const each of tokensToTry) {
    const [opened, pressed] = [await open(each), await press(each)];
    expect([opened.status, pressed.status]).toEqual([404, 404]);
    expect(opened.text + pressed.text).not.toContain('script');
  }
  expect(acknowledged).toEqual([]);
});

test('[NO-52] what could not be done leaves the link usable; what is over says so', async () => {
  const token = issue();
  outcome = 'error';
  expect((await press(token)).status).toBe(503);
  outcome = 'conflict';
  const over = await press(token);
  expect([over.status, over.text.includes('无需确认')]).toEqual([200, true]);
});

test('[NO-52] the page runs no script, loads nothing, sits in no frame, is not kept and tells nobody its address', async () => {
  const { headers, text } = await open(issue());
  expect(headers['content-security-policy']).toMatch(/default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/);
  expect(headers['referrer-policy']).toBe('no-referrer');
  expect(headers['cache-control']).toBe('no-store');
  expect(text).not.toMatch(/<script|<img|<link|https?:/);
  expect(text).toContain('lang="zh-CN"');
});
