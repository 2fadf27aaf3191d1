import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgresServer, type TestPostgres } from '../../tests/services/postgres-server.ts';
import { type ServerProcess, startServerProcess } from '../../tests/services/server-process.ts';
import { ApiClient } from '../lib/api-client.ts';
import { buildStage, type Stage } from '../lib/stage.ts';
import { moveToServerCore, stayOffServerCore, useEveryCore } from './child-process.ts';

/** The product itself: `server/main.ts` with its own gate and a PostgreSQL server with fsync on. */
export type Product = {
  readonly server: ServerProcess;
  readonly port: number;
  readonly api: ApiClient;
  readonly databaseUrl: string;
  readonly adminToken: string;
  stage(livestreamId: string, items: number): Promise<Stage>;
  stop(): Promise<void>;
};

export async function startProduct(): Promise<Product> {
  const postgres: TestPostgres = await startPostgresServer({ fsync: true });
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-bench-'));
  const clean = async (): Promise<void> => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const databaseUrl = await postgres.createDatabase();
    useEveryCore();
    const starting = startServerProcess({ dataDir, databaseUrl, environment: { DEMO: 'false' } });
    const server = await starting.finally(stayOffServerCore);
    moveToServerCore(server.pid);
    const api = new ApiClient(server.url, { connections: 512, timeoutMs: 60_000 });
    const adminToken = await server.token({ role: 'admin' });
    return {
      server,
      port: Number(new URL(server.url).port),
      api,
      databaseUrl,
      adminToken,
      stage: (livestreamId, items) => buildStage(api, adminToken, stageOf(livestreamId, items)),
      async stop() {
        api.close();
        await server.stop();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

function stageOf(livestreamId: string, items: number) {
  const item = (_: unknown, index: number) => ({
    skuId: `${livestreamId}-${index}`,
    title: `Item ${index}`,
    priceMinor: 100,
    currency: 'CNY',
    allotted: 10_000_000,
  });
  return { livestreamId, title: livestreamId, holdTtlMs: 86_400_000, items: Array.from({ length: items }, item) };
}
