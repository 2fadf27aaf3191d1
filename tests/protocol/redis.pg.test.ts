import { afterAll, beforeAll } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../server/db/database.ts';
import { connectRedisEngine } from '../../server/stock/redis-engine/redis-engine.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { describeOrderRules } from './order-rules.ts';
import { emptyDatabase, ManualClock, startStack } from './stack.ts';
import { describeWhatBreaks } from './what-breaks.ts';

let postgres: TestPostgres;
let redis: TestRedis;
let database: OpenDatabase;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
  database = await openDatabase({ databaseUrl: await postgres.createDatabase(), dataDir: null });
});
afterAll(async () => {
  await database.close();
  await Promise.all([postgres.stop(), redis.stop()]);
});

/** The cluster's shape: a real Redis and a real PostgreSQL. */
const create = async () => {
  await Promise.all([emptyDatabase(database), redis.flush()]);
  const clock = new ManualClock();
  const settings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };
  const engine = await connectRedisEngine({ url: redis.url, timeoutMs: 5_000 }, { clock, settings });
  const stack = await startStack({ engine, database, clock });
  return { ...stack, flushGate: () => redis.flush() };
};

describeWhatBreaks('Redis and PostgreSQL', create);
describeOrderRules('Redis and PostgreSQL', create);
