import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgresServer } from '../../tests/services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../../tests/services/redis-server.ts';
import { type ServerProcess, startServerProcess } from '../../tests/services/server-process.ts';
import { ApiClient } from '../lib/api-client.ts';
import { buildStage, type Stage } from '../lib/stage.ts';
import { cpuSecondsOf, stayOffServerCore, useEveryCore } from './child-process.ts';
import { Flood } from './flood.ts';

export type ClusterNode = { readonly server: ServerProcess; readonly api: ApiClient; readonly port: number };

/** Several nodes of the product over one Redis (append-only file) and one PostgreSQL (fsync on), selling one livestream. */
export type ClusterStage = {
  readonly nodes: readonly ClusterNode[];
  readonly redis: TestRedis;
  readonly stage: Stage;
  readonly skuIds: readonly string[];
  readonly buyerTokens: readonly string[];
  /** Viewers of one node. */
  watch(node: number, viewers: number): Promise<Flood>;
  /** Seconds of CPU that all nodes together have used. */
  cpuSeconds(): number;
  stop(): Promise<void>;
};

const itemCount = 5;

export async function startClusterStage(nodeCount: number): Promise<ClusterStage> {
  const closers: (() => Promise<unknown> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  useEveryCore();
  closers.push(stayOffServerCore);
  try {
    const postgres = await startPostgresServer({ fsync: true });
    closers.push(() => postgres.stop());
    const redis = await startRedisServer({ aof: true });
    closers.push(() => redis.stop());
    const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-nodes-'));
    closers.push(() => rm(dataDir, { recursive: true, force: true }));
    const databaseUrl = await postgres.createDatabase();
    const nodes: ClusterNode[] = [];
    for (let index = 0; index < nodeCount; index += 1) {
      const settings = { dataDir, databaseUrl, redisUrl: redis.url, environment: { DEMO: 'false' } };
      const server = await startServerProcess(settings);
      const api = new ApiClient(server.url, { connections: 256, timeoutMs: 10_000 });
      closers.push(() => server.stop());
      closers.push(() => api.close());
      nodes.push({ server, api, port: Number(new URL(server.url).port) });
    }
    const [first] = nodes;
    if (first === undefined) throw new Error('a cluster has a node');
    const livestreamId = 'nodes';
    const stage = await buildStage(first.api, await first.server.token({ role: 'admin' }), stageOf(livestreamId));
    const grant = { role: 'viewer' as const, livestreamId };
    const buyers = Array.from({ length: 500 }, (_, index) =>
      first.server.token({ ...grant, buyerId: `buyer-${index}` }),
    );
    return {
      nodes,
      redis,
      stage,
      skuIds: stage.livestream.items.map(({ skuId }) => skuId),
      buyerTokens: await Promise.all(buyers),
      async watch(node, viewers) {
        const tokens = await Promise.all(Array.from({ length: viewers }, () => first.server.token(grant)));
        const flood = await Flood.open(
          { port: nodes[node]?.port ?? 0 },
          { count: viewers, speaks: 'ours', livestreamId, tokens },
        );
        closers.push(() => flood.close());
        return flood;
      },
      cpuSeconds: () => nodes.reduce((sum, { server }) => sum + cpuSecondsOf(server.pid).total, 0),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function stageOf(livestreamId: string) {
  const items = Array.from({ length: itemCount }, (_, index) => ({
    skuId: `${livestreamId}-${index}`,
    title: `Item ${index}`,
    priceMinor: 100,
    currency: 'CNY',
    allotted: 10_000_000,
  }));
  return { livestreamId, title: livestreamId, holdTtlMs: 86_400_000, items };
}
