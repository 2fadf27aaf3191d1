import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ItemCurve } from '../../contract/pace.ts';
import { type Route, routes } from '../../contract/routes.ts';
import { createOverlayTokens } from '../auth/overlay-tokens.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { systemClock } from '../lib/clock.ts';
import { openTestShop } from '../livestreams/test-shop.ts';
import { startTestServer, type TestServer } from './http-test-kit.ts';
import { overlayHandlers } from './overlay-routes.ts';
import { paceHandlers } from './pace-routes.ts';

/** Overlay tokens over HTTP: made, listed, revoked by operators, and what they open. */

let database: OpenDatabase;
let server: TestServer;
let show: string;
let other: string;
let operator: string;
const disconnected: string[] = [];

const curve: ItemCurve = {
  skuId: 'tea',
  points: [[1_000, 2, 98]],
  band: [[1_000, 2, 1, 3]],
  markers: [
    { atMs: 1, skuId: 'tea', kind: 'price', tier: null, text: { zh: '调价', en: 'Price' }, internal: false },
    { atMs: 2, skuId: 'tea', kind: 'alert', tier: 'red', text: { zh: '红', en: 'Red' }, internal: true },
    { atMs: 3, skuId: null, kind: 'decision', tier: null, text: { zh: '补货', en: 'More' }, internal: false },
    { atMs: 4, skuId: null, kind: 'pin', tier: null, text: { zh: '内部', en: 'Inside' }, internal: true },
    { atMs: 5, skuId: 'tea', kind: 'sold_out', tier: 'red', text: { zh: '售罄', en: 'Sold out' }, internal: false },
  ],
};

beforeAll(async () => {
  database = await openDatabase({ databaseUrl: null, dataDir: null });
  const shop = openTestShop(database);
  [show, other] = [await shop.livestream('show', 'live'), await shop.livestream('other', 'live')];
  const overlays = createOverlayTokens({ prisma: database.prisma, clock: systemClock });
  server = await startTestServer({
    overlays,
    handlers: {
      ...overlayHandlers({ overlays, disconnectOverlay: (overlayId) => disconnected.push(overlayId) }),
      ...paceHandlers({ pace: { curves: async () => [curve], state: async () => null, decide: async () => null } }),
    },
  });
  operator = await server.issue({ role: 'operator', livestreamId: show });
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

async function call(method: string, path: string, options: { token?: string; body?: object } = {}) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  return { status: response.status, body: (await response.json()) as never };
}

type Made = { overlay: { overlayId: string }; token: string; url: string };
async function make(audience: 'anchor' | 'air'): Promise<Made> {
  const made = await call('POST', `/livestreams/${show}/overlays`, {
    token: operator,
    body: { audience, name: 'OBS' },
  });
  expect(made.status).toBe(201);
  return made.body;
}

test('[OV-1] the token is in the answer that made it, in the fragment of the address, and never again', async () => {
  const { token, url, overlay } = await make('air');
  expect(url).toBe(`/anchor/?livestream=${show}&layout=curve&audience=air#token=${token}`);
  expect((await make('anchor')).url).not.toContain('audience');
  const listed = await call('GET', `/livestreams/${show}/overlays`, { token: operator });
  expect(listed.body).toMatchObject({ overlays: expect.arrayContaining([expect.objectContaining({ name: 'OBS' })]) });
  expect(JSON.stringify(listed.body)).toContain(overlay.overlayId);
  expect(JSON.stringify(listed.body)).not.toContain(token.slice(4));
});

test('[OV-2] [I8] an overlay’s token manages nothing, makes no cookie, and is nothing in another livestream', async () => {
  const { token } = await make('anchor');
  const air = await make('air');
  const all: Route[] = Object.values(routes);
  const reached: string[] = [];
  for (const { method, path, access } of all) {
    const tokens =
      access === 'watch_full' ? [air.token] : ['manage', 'supply', 'order'].includes(access) ? [token, air.token] : [];
    const at = path.replace(':livestreamId', show).replaceAll(/:\w+/g, 'some-id');
    for (const each of tokens) {
      const { status } = await call(method.toUpperCase(), at, {
        token: each,
        ...(method === 'get' ? {} : { body: {} }),
      });
      if (status !== 403) reached.push(`${method} ${path}: ${status}`);
    }
  }
  expect(reached).toEqual([]);
  expect(all.filter(({ access }) => access === 'manage').length).toBeGreaterThan(20);
  expect((await call('GET', `/livestreams/${other}/curves`, { token })).status).toBe(403);
  const at = `/livestreams/${show}`;
  expect((await call('POST', '/session', { body: { token } })).status).toBe(401);
  expect((await call('GET', at, { token })).status).toBe(200);
});

test('[OV-3] [OV-4] revoking refuses the token at once, ends its connections, and stays with the first moment', async () => {
  const { token, overlay } = await make('air');
  const at = `/livestreams/${show}/overlays/${overlay.overlayId}`;
  expect((await call('GET', `/livestreams/${show}/curves`, { token })).status).toBe(200);
  const elsewhere = await server.issue({ role: 'operator', livestreamId: other });
  expect((await call('DELETE', at.replace(show, other), { token: elsewhere })).status).toBe(404);
  const revoked = await call('DELETE', at, { token: operator });
  expect(revoked.status).toBe(200);
  expect(disconnected).toContain(overlay.overlayId);
  expect((await call('GET', `/livestreams/${show}/curves`, { token })).status).toBe(401);
  expect((await call('DELETE', at, { token: operator })).body).toEqual(revoked.body);
  expect((await call('DELETE', `/livestreams/${show}/overlays/unknown`, { token: operator })).status).toBe(404);
});

test('[OV-5] neither requests with a token nor refusals of one leave it in the log', async () => {
  const { token } = await make('anchor');
  await call('GET', `/livestreams/${show}/curves?token=${token}`, { token });
  await call('GET', `/livestreams/${show}/people?x=${token}`, { token: `${token}x` });
  await fetch(`${server.url}/api/v1/nothing/${token}`);
  expect(server.lines.join('\n')).not.toContain(token.slice(4));
});

test('[OV-8] curves on air are without alerts, decisions, tiers, units left and whatever is internal', async () => {
  const { token } = await make('air');
  const answer = await call('GET', `/livestreams/${show}/curves`, { token });
  const { curves } = answer.body as { curves: ItemCurve[] };
  expect(curves[0]?.points).toEqual([[1_000, 2, 0]]);
  expect(curves[0]?.markers.map(({ kind, tier }) => [kind, tier])).toEqual([
    ['price', null],
    ['sold_out', null],
  ]);
  for (const path of ['pace', 'levels', 'audit', 'alerts', 'plans', 'orders']) {
    expect([path, (await call('GET', `/livestreams/${show}/${path}`, { token })).status]).not.toEqual([path, 200]);
  }
  const inside = await make('anchor');
  expect((await call('GET', `/livestreams/${show}/curves`, { token: inside.token })).body).toEqual({ curves: [curve] });
});

test('[OV-2] pages under /anchor/ tell nobody where a request came from', async () => {
  const response = await fetch(`${server.url}/anchor/`);
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  expect((await fetch(`${server.url}/`)).headers.get('referrer-policy')).toBe('same-origin');
});
