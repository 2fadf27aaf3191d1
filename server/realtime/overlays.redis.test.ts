import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRedisServer, type TestRedis } from '../../tests/services/redis-server.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { codeOf, connected, joinOf, type Rig, type RigNode, refusalOf, startRig, until } from './realtime-test-kit.ts';

/** Overlays on two nodes that know of each other through Redis only. */

let redis: TestRedis;
let database: OpenDatabase;
let rig: Rig;
let nodes: readonly [RigNode, RigNode];
let show: string;
const clients: Redis[] = [];

beforeAll(async () => {
  [redis, database] = await Promise.all([startRedisServer(), openDatabase({ databaseUrl: null, dataDir: null })]);
  rig = await startRig(database);
  const nodeOf = (): Promise<RigNode> => {
    const pair = [new Redis(redis.url), new Redis(redis.url)] as const;
    for (const client of pair) client.on('error', () => {});
    clients.push(...pair);
    return rig.node({ adapter: createAdapter(...pair) });
  };
  nodes = [await nodeOf(), await nodeOf()];
  show = await rig.livestream('show', { tea: 10 });
});
afterAll(async () => {
  await rig.stop();
  for (const client of clients) client.disconnect();
  await database.close();
  await redis.stop();
});

async function enter(node: RigNode, audience: 'anchor' | 'air') {
  const made = await rig.overlays.create(show, { audience, name: 'OBS', actor: 'test' });
  if (made.kind !== 'created') throw new Error(made.kind);
  const socket = rig.connect(node, { token: made.token });
  await connected(socket);
  expect(await codeOf(socket, 'livestream:join', joinOf(show, audience === 'air' ? 'viewers' : 'anchor'))).toBe('ok');
  return { socket, token: made.token, overlayId: made.overlay.overlayId };
}

test('[OV-3] a revocation on one node ends the overlay’s connections on the other within a second', async () => {
  const [here, there] = nodes;
  const { socket, token, overlayId } = await enter(there, 'air');
  const bystander = await enter(there, 'air');
  await rig.overlays.revoke(show, overlayId, 'operator');
  here.realtime.disconnectOverlay(overlayId);
  await until(
    () => socket.connected,
    (on) => !on,
    1_000,
  );
  expect(await refusalOf(rig.connect(there, { token }))).toBe('unauthorized');
  expect(bystander.socket.connected).toBe(true);
});

test('[OV-7] an event reaches its audiences on the other node, and on air only what may be there', async () => {
  const [here, there] = nodes;
  const heard: string[] = [];
  for (const audience of ['anchor', 'air'] as const) {
    const { socket } = await enter(there, audience);
    socket.onAny((event: string) => event.startsWith('curve') && heard.push(`${audience} ${event}`));
  }
  const text = { zh: '记录', en: 'Note' };
  const marker = { atMs: 1, skuId: null, kind: 'decision', tier: null, text, internal: true } as const;
  here.realtime.emitTo(show, ['anchor', 'air'], 'curve:marker', { livestreamId: show, marker });
  here.realtime.emitTo(show, ['anchor', 'air'], 'curve:points', { livestreamId: show, items: [] });
  await until(
    () => heard.length,
    (count) => count >= 3,
  );
  expect(heard.sort()).toEqual(['air curve:points', 'anchor curve:marker', 'anchor curve:points']);
});
