import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../server/db/database.ts';
import { connectRedisEngine } from '../../server/stock/redis-engine/redis-engine.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisCluster } from '../services/redis-cluster.ts';
import { soonTrue } from '../services/redis-process.ts';
import { startRedisSentinel } from '../services/redis-sentinel.ts';
import { type Crowd, findingsAtRest, startCrowd } from './crowd.ts';
import { emptyDatabase, livestreamId, ManualClock, openNight, type Stack, startStack } from './stack.ts';

/** Orders through the whole path, on a real PostgreSQL, while the Redis under the gate fails over. */

type Redis = {
  readonly url: string;
  readonly flush: () => Promise<void>;
  readonly heal: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Kills the primary of the livestream; resolves when another has taken its place. */
  readonly failOver: () => Promise<void>;
  readonly freezeReplicas: () => Promise<void>;
  /** Moves the livestream's slot to another server; null where there are no slots. */
  readonly moveSlot: (() => Promise<void>) | null;
};

const key = `sc:{${livestreamId}}:meta`;

const shapes: Readonly<Record<'cluster' | 'sentinel', () => Promise<Redis>>> = {
  async cluster() {
    const cluster = await startRedisCluster();
    return {
      url: cluster.url,
      flush: () => cluster.flush(),
      heal: () => cluster.heal(),
      stop: () => cluster.stop(),
      failOver: async () => void (await cluster.failOver(await cluster.primaryOf(key))),
      freezeReplicas: async () => cluster.freezeReplicas(await cluster.primaryOf(key)),
      async moveSlot() {
        const to = await cluster.otherThan(await cluster.primaryOf(key));
        await cluster.moveSlot(await cluster.slotOf(key), to);
      },
    };
  },
  async sentinel() {
    const sentinel = await startRedisSentinel();
    return {
      url: sentinel.url,
      flush: () => sentinel.flush(),
      heal: () => sentinel.heal(),
      stop: () => sentinel.stop(),
      failOver: async () => void (await sentinel.failOver()),
      freezeReplicas: () => sentinel.freezeReplicas(),
      moveSlot: null,
    };
  },
};

let postgres: TestPostgres;
let database: OpenDatabase;
beforeAll(async () => {
  postgres = await startPostgresServer();
  database = await openDatabase({ databaseUrl: await postgres.createDatabase(), dataDir: null });
});
afterAll(async () => {
  await database.close();
  await postgres.stop();
});

describe.each(Object.entries(shapes))('orders over a failover of Redis: %s', (shape, start) => {
  let redis: Redis;
  let stack: Stack;
  let crowd: Crowd;
  beforeAll(async () => {
    redis = await start();
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    await Promise.all([emptyDatabase(database), redis.flush()]);
    const clock = new ManualClock();
    const settings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };
    const engine = await connectRedisEngine({ url: redis.url, timeoutMs: 30_000 }, { clock, settings });
    stack = await startStack({ engine, database, clock });
    await openNight(stack, 90_000);
    crowd = startCrowd([stack]);
    await sellsOn();
  });
  afterEach(async () => {
    await crowd.finish();
    await stack.stop();
    await redis.heal();
  });

  /** A hundred more are acknowledged. */
  async function sellsOn(): Promise<void> {
    const before = crowd.accepted();
    await soonTrue('a hundred more orders are acknowledged', async () => crowd.accepted() >= before + 100);
  }

  const epoch = async () => (await stack.engine.read(livestreamId))?.epoch ?? 0;

  /** Everything that a buyer may have heard besides yes. */
  const onlyRetries = () => Object.keys(crowd.answers()).filter((code) => !goodAnswers.has(code));
  const goodAnswers: ReadonlySet<string> = new Set([
    'accepted',
    'duplicate',
    'rebuilding',
    'unavailable',
    'in_progress',
    'overloaded',
  ]);

  test('[RD-6] [I1] [I2] [I3] [I4] the primary is killed: refusals can be repeated, nothing promised is lost, it sells on', async () => {
    const before = await epoch();
    await redis.failOver();
    await sellsOn();
    expect(await epoch()).toBeGreaterThan(before);
    const orders = await crowd.finish();
    expect(onlyRetries()).toEqual([]);
    expect(await findingsAtRest(stack, orders)).toEqual([]);
  });

  test('[RD-7] [I1] [I2] [I3] a stale replica is promoted: what it has forgotten is not sold again', async () => {
    await redis.freezeReplicas();
    await sellsOn();
    await redis.failOver();
    await sellsOn();
    const orders = await crowd.finish();
    expect(onlyRetries()).toEqual([]);
    expect(await findingsAtRest(stack, orders)).toEqual([]);
  });

  test('[ST-44] [I1] [I3] it is emptied, and it forgets its scripts, while orders run', async () => {
    await redis.flush();
    await sellsOn();
    await redis.flush();
    await sellsOn();
    const orders = await crowd.finish();
    expect(onlyRetries()).toEqual([]);
    expect(await findingsAtRest(stack, orders)).toEqual([]);
  });

  if (shape !== 'cluster') return;
  test('[RD-5] [I1] [I3] the slot moves, there and back, while orders run', async () => {
    for (let move = 0; move < 2; move += 1) {
      await redis.moveSlot?.();
      await sellsOn();
    }
    const orders = await crowd.finish();
    expect(onlyRetries()).toEqual([]);
    expect(await findingsAtRest(stack, orders)).toEqual([]);
  });
});
