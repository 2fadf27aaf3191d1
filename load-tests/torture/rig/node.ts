import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ServerProcess, startServerProcess } from '../../../tests/services/server-process.ts';
import { startTcpProxy, type TcpProxy } from '../../../tests/services/tcp-proxy.ts';
import { delay } from '../../lib/limiter.ts';

/** One node of the cluster: `server/main.ts` as a process, its links to Redis and PostgreSQL, and its wall clock. */
export type RigNode = {
  readonly name: string;
  readonly url: string;
  readonly server: ServerProcess;
  readonly redisLink: TcpProxy;
  readonly databaseLink: TcpProxy;
  /** From now on the node's wall clock is wrong by this much; what it measures durations with is not. */
  skew(ms: number): Promise<void>;
  /** Starts a node that has ended, again and again until it is ready: what it needs may be away. False: told to stop waiting. */
  revive(signal: AbortSignal): Promise<boolean>;
  stop(): Promise<void>;
};

const skewedClock = pathToFileURL(fileURLToPath(new URL('skewed-clock.mjs', import.meta.url))).href;

export async function startNode(settings: {
  readonly name: string;
  readonly redisPort: number;
  readonly databaseUrl: string;
  /** Where the program is; null: this project. */
  readonly root: string | null;
}): Promise<RigNode> {
  const { name, redisPort, root } = settings;
  const database = new URL(settings.databaseUrl);
  const dataDir = await mkdtemp(join(tmpdir(), `stockcast-torture-${name}-`));
  const skewFile = join(dataDir, 'skew');
  await writeFile(skewFile, '0');
  const redisLink = await startTcpProxy({ target: { host: '127.0.0.1', port: redisPort } });
  const databaseLink = await startTcpProxy({ target: { host: database.hostname, port: Number(database.port) } });
  database.port = String(databaseLink.port);
  const closeLinks = async () => {
    await Promise.all([redisLink.stop(), databaseLink.stop()]);
    await rm(dataDir, { recursive: true, force: true });
  };
  const launch = () =>
    startServerProcess({
      dataDir,
      redisUrl: `redis://127.0.0.1:${redisLink.port}`,
      databaseUrl: database.href,
      environment: { DEMO: 'false', TORTURE_SKEW_FILE: skewFile },
      nodeArguments: ['--import', skewedClock],
      ...(root === null ? {} : { root }),
    });
  // On a machine that is busy beyond measure a start may give up by itself; whoever runs nodes starts them again.
  const server = await launch()
    .catch(launch)
    .catch(launch)
    .catch(async (error: unknown) => {
      await closeLinks();
      throw error;
    });
  return {
    name,
    url: server.url,
    server,
    redisLink,
    databaseLink,
    skew: (ms) => writeFile(skewFile, String(Math.round(ms))),
    async revive(signal) {
      while (!signal.aborted) {
        try {
          await server.restart();
          return true;
        } catch {
          await server.kill();
          await delay(500, signal);
        }
      }
      return false;
    },
    async stop() {
      server.resume();
      await server.kill();
      await closeLinks();
    },
  };
}
