import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StockSnapshot } from '../../contract/events.ts';
import type { StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import type { Order } from '../../contract/orders.ts';
import { LevelStore } from '../../public/lib/level-store.ts';
import { startRedisServer, type TestRedis } from '../../tests/services/redis-server.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { redisPresence } from '../fanout/redis-presence.ts';
import { systemClock } from '../lib/clock.ts';
import { openRedis } from '../redis/open-redis.ts';
import type { RedisLink } from '../redis/redis-link.ts';
import { connectRedisEngine } from '../stock/redis-engine/redis-engine.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import { ask, joinOf, type Rig, type RigNode, startRig, until } from './realtime-test-kit.ts';

/** Two nodes over one Redis: each with a gate client, an adapter and a presence of its own, as in a cluster. */

let redis: TestRedis;
let database: OpenDatabase;
let rig: Rig;
let nodes: readonly [RigNode, RigNode];
let show: string;
const links: RedisLink[] = [];
const clients: Redis[] = [];
const engines: StockEngine[] = [];

const settings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };
const engineOf = async () =>
  connectRedisEngine({ url: redis.url, timeoutMs: 10_000 }, { clock: systemClock, settings });

beforeAll(async () => {
  [redis, database] = await Promise.all([startRedisServer(), openDatabase({ databaseUrl: null, dataDir: null })]);
  rig = await startRig(database, { engine: await engineOf() });
  const nodeOf = async (nodeId: string): Promise<RigNode> => {
    const link = openRedis({ url: redis.url });
    await link.ready(10_000);
    links.push(link);
    // Clients that make their subscriptions again by themselves, as the adapter expects.
    const [pub, sub] = [new Redis(redis.url), new Redis(redis.url)];
    for (const client of [pub, sub]) client.on('error', () => {});
    clients.push(pub, sub);
    const engine = await engineOf();
    engines.push(engine);
    return rig.node({ engine, adapter: createAdapter(pub, sub), presence: redisPresence({ link, nodeId }) });
  };
  nodes = [await nodeOf('a'), await nodeOf('b')];
  show = await rig.livestream('show', { tea: 10_000, mug: 10_000 });
});
afterAll(async () => {
  await rig.stop();
  await Promise.all([...links, ...engines].map((one) => one.close()));
  for (const client of clients) client.disconnect();
  await database.close();
  await redis.stop();
});

const viewer = async (
  node: RigNode,
  buyerId: string,
): Promise<{ socket: Socket; store: LevelStore; viewers: number[] }> => {
  const socket = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId });
  const [store, viewers] = [new LevelStore(), [] as number[]];
  socket.on('stock:snapshot', (snapshot: StockSnapshot) => store.applySnapshot(snapshot));
  socket.on('stock:levels', (frame: StockLevels) => {
    store.applyFrame(frame);
    socket.emit('stock:ack', { livestreamId: show, frame: frame.frame });
  });
  socket.on('stock:heartbeat', (heartbeat: StockHeartbeat) => viewers.push(heartbeat.viewers));
  expect((await ask(socket, 'livestream:join', joinOf(show))).ok).toBe(true);
  return { socket, store, viewers };
};

test('[RT-14] [I5] clients of both nodes end on the same last value, however the orders come', async () => {
  const watchers = [await viewer(nodes[0], 'w1'), await viewer(nodes[1], 'w2')];
  const skuIds = [rig.skuOf('show', 'tea'), rig.skuOf('show', 'mug')];
  for (let round = 0; round < 15; round += 1) {
    const orders = Array.from({ length: 20 }, (_, i) =>
      rig.path.orders.place(
        show,
        { buyerId: `buyer-${round}-${i}`, deviceId: null },
        {
          idempotencyKey: `round-${round}-${i}`,
          lines: [{ skuId: skuIds[i % 2] ?? '', quantity: 1 }],
        },
      ),
    );
    for (const outcome of await Promise.all(orders)) expect(outcome.kind).toBe('accepted');
  }
  const reading = await rig.engine.read(show);
  const truth = reading?.items.map(({ available }) => available).sort();
  expect(truth).toEqual([9_850, 9_850]);
  await until(
    () => watchers.map(({ store }) => [store.level(0)?.shown, store.level(1)?.shown]),
    (shown) => shown.every(([tea, mug]) => tea === 9_850 && mug === 9_850),
    1_000,
  );
});

test("[RT-13] a buyer hears of an order on the other node, and a stranger there doesn't", async () => {
  const [far, stranger] = [await viewer(nodes[1], 'roams'), await viewer(nodes[1], 'someone')];
  const order: Order = {
    orderId: 'o1',
    livestreamId: show,
    state: 'paid',
    lines: [{ skuId: 'tea', quantity: 1, unitPriceMinor: 1 }],
    totalMinor: 1,
    currency: 'CNY',
    createdAtMs: 1,
    expiresAtMs: 2,
  };
  const heard: unknown[] = [];
  stranger.socket.on('order:changed', (changed: unknown) => heard.push(changed));
  const told = new Promise((resolve) => far.socket.once('order:changed', resolve));
  nodes[0].realtime.notifyOrder(show, 'roams', order);
  expect(await told).toEqual(order);
  expect(heard).toEqual([]);
});

test('[FO-24] people are counted over both nodes, and a node that leaves takes its own with it', async () => {
  const here = await viewer(nodes[0], 'counted-1');
  const there = [await viewer(nodes[1], 'counted-2'), await viewer(nodes[1], 'counted-3')];
  const [link] = links;
  if (link === undefined) throw new Error('no link');
  const presence = redisPresence({ link, nodeId: 'c' });
  await until(
    () => here.viewers.at(-1) ?? 0,
    (viewers) => viewers >= 3,
    8_000,
  );
  const before = await presence.total(show);
  await presence.report(show, 7);
  expect(await presence.total(show)).toBe(before + 7);
  await presence.report(show, 0);
  expect(await presence.total(show)).toBe(before);
  for (const { socket } of there) socket.disconnect();
  await until(
    () => here.viewers.at(-1) ?? 0,
    (viewers) => viewers <= before - 2,
    8_000,
  );
});

test('[FO-19] [FO-5] Redis dies and comes back: levels are stale meanwhile, and right again after the rebuild', async () => {
  const { socket, store } = await viewer(nodes[0], 'patient');
  const stale: boolean[] = [];
  socket.on('stock:heartbeat', (heartbeat: StockHeartbeat) => stale.push(heartbeat.stale));
  await redis.kill();
  await until(
    () => stale.at(-1),
    (last) => last === true,
    8_000,
  );
  const shown = store.level(0)?.shown;
  expect(shown).toBeTypeOf('number');
  await redis.restart();
  // Its memory is gone: the ledger rebuilds the gate, in a new epoch.
  const epoch = store.resume?.epoch ?? 0;
  await until(
    () => store.resume?.epoch ?? 0,
    (now) => now > epoch,
    20_000,
  );
  expect(store.level(0)?.shown).toBe(shown);
  await until(
    () => stale.at(-1),
    (last) => last === false,
    8_000,
  );
});
