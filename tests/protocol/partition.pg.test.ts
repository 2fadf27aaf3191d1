import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../server/db/database.ts';
import { connectRedisEngine } from '../../server/stock/redis-engine/redis-engine.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { soonTrue } from '../services/redis-process.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { startTcpProxy, type TcpProxy } from '../services/tcp-proxy.ts';
import { type Crowd, findingsAtRest, startCrowd } from './crowd.ts';
import { emptyDatabase, livestreamId, ManualClock, openNight, type Stack, startStack } from './stack.ts';
import { codeOf } from './what-breaks.ts';

/** Two nodes on one Redis and one PostgreSQL; the link of the first to Redis fails, the second's does not. */

let postgres: TestPostgres;
let redis: TestRedis;
let other: TestRedis;
let database: OpenDatabase;
let link: TcpProxy;
let near: Stack;
let far: Stack;
let crowds: Crowd[];
const commandTimeoutMs = 500;
beforeAll(async () => {
  [postgres, redis, other] = await Promise.all([startPostgresServer(), startRedisServer(), startRedisServer()]);
  database = await openDatabase({ databaseUrl: await postgres.createDatabase(), dataDir: null });
  link = await startTcpProxy({ target: { host: '127.0.0.1', port: redis.port } });
});
afterAll(async () => {
  await link.stop();
  await database.close();
  await Promise.all([postgres.stop(), redis.stop(), other.stop()]);
});
beforeEach(async () => {
  await Promise.all([emptyDatabase(database), redis.flush(), other.flush()]);
  link.delayMs(0);
  link.restore();
  link.resume();
  const clock = new ManualClock();
  far = await startNode(`redis://127.0.0.1:${link.port}`, clock);
  near = await startNode(redis.url, clock);
  await openNight(near, 90_000);
  crowds = [];
});
afterEach(async () => {
  link.restore();
  link.resume();
  await Promise.all(crowds.map((crowd) => crowd.finish()));
  await Promise.all([near.stop(), far.stop()]);
});

async function startNode(url: string, clock: ManualClock): Promise<Stack> {
  const settings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };
  const engine = await connectRedisEngine({ url, timeoutMs: 10_000, commandTimeoutMs }, { clock, settings });
  return startStack({ engine, database, clock });
}

function crowdOf(stack: Stack): Crowd {
  const crowd = startCrowd([stack], 4);
  crowds.push(crowd);
  return crowd;
}

async function sellsOn(crowd: Crowd): Promise<void> {
  const before = crowd.accepted();
  await soonTrue('fifty more orders are acknowledged', async () => crowd.accepted() >= before + 50);
}

async function atRest(): Promise<void> {
  const orders = new Map<string, string>();
  for (const crowd of crowds)
    for (const [key, orderId] of await crowd.finish()) orders.set(`${key}-${orderId}`, orderId);
  expect(await findingsAtRest(near, orders)).toEqual([]);
}

test('[RD-12] [I3] a node that is cut off refuses at once and can be asked again; the other sells on; healed, both do', async () => {
  const [here, there] = [crowdOf(near), crowdOf(far)];
  await Promise.all([sellsOn(here), sellsOn(there)]);
  link.cut();
  await soonTrue('the node that is cut off refuses', async () => (there.answers()['unavailable'] ?? 0) > 0);
  expect(codeOf(await far.buy())).toBe('unavailable');
  await sellsOn(here);
  link.restore();
  await sellsOn(there);
  await atRest();
});

test('[RD-9] [RD-12] behind a link that swallows everything a node waits once, then refuses without waiting', async () => {
  const there = crowdOf(far);
  await sellsOn(there);
  link.stall();
  await soonTrue('the node says that its gate is away', async () => {
    const startMs = performance.now();
    const code = codeOf(await far.buy());
    // It asks twice with a short pause between, and waits for neither.
    return code === 'unavailable' && performance.now() - startMs < commandTimeoutMs;
  });
  link.resume();
  await sellsOn(there);
  await atRest();
});

test('[RD-12] [G3] [I1] [I3] replies are lost: what the gate decided is taken up or given back, and counted once', async () => {
  const [here, there] = [crowdOf(near), crowdOf(far)];
  await Promise.all([sellsOn(here), sellsOn(there)]);
  link.stall('replies');
  await soonTrue('orders without a reply are refused', async () => (there.answers()['unavailable'] ?? 0) > 0);
  await sellsOn(here);
  link.cut();
  link.resume();
  link.restore();
  await sellsOn(there);
  await atRest();
});

test('[RD-12] a slow link makes orders slow, and no more', async () => {
  const there = crowdOf(far);
  link.delayMs(60);
  await sellsOn(there);
  expect(Object.keys(there.answers())).toEqual(['accepted']);
  link.delayMs(0);
  await atRest();
});

test('[RD-12] [O1] [I1] [I2] two nodes on two sides of a split brain: each has a gate, the ledger lets only one decide', async () => {
  // As when one node reaches only the old primary, and the other only the new one.
  link.retarget({ host: '127.0.0.1', port: other.port });
  const [here, there] = [crowdOf(near), crowdOf(far)];
  await sellsOn(here);
  link.cut();
  link.restore();
  await sellsOn(there);
  expect(await other.command(`HGET sc:{${livestreamId}}:meta open`)).toContain('1');
  await sellsOn(here);
  await sellsOn(there);
  await wait(500);
  // The side that loses comes to the other's Redis.
  link.retarget({ host: '127.0.0.1', port: redis.port });
  link.cut();
  link.restore();
  await Promise.all([sellsOn(here), sellsOn(there)]);
  await atRest();
});
