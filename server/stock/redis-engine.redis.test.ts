import { afterAll, beforeAll, describe } from 'vitest';
import { startRedisServer, type TestRedis } from '../../tests/services/redis-server.ts';
import { connectRedisEngine } from './redis-engine/redis-engine.ts';
import { describeStockEngine } from './stock-engine.contract.ts';
import type { EngineFactory } from './stock-engine.fixtures.ts';
import { describeModel } from './stock-engine.model.contract.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.stop());

const create: EngineFactory = (parts) => connectRedisEngine({ url: redis.url, timeoutMs: 10_000 }, parts);

describe('gate in Redis', () => describeStockEngine(create));
describe('gate in Redis against the reference model', () => describeModel(create));
