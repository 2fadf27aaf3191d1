import { afterAll, beforeAll, describe } from 'vitest';
import { startRedisCluster, type TestCluster } from '../../../tests/services/redis-cluster.ts';
import { describeStockEngine } from '../stock-engine.contract.ts';
import type { EngineFactory } from '../stock-engine.fixtures.ts';
import { describeModel } from '../stock-engine.model.contract.ts';
import { connectRedisEngine } from './redis-engine.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

// Six servers and whatever else a machine does while it tests: no rule of these suites is about time.
const patience = { timeoutMs: 30_000, commandTimeoutMs: 20_000 };
const create: EngineFactory = (parts) => connectRedisEngine({ url: cluster.url, ...patience }, parts);

describe('gate in a Redis Cluster', () => describeStockEngine(create));
describe('gate in a Redis Cluster against the reference model', () => describeModel(create));
