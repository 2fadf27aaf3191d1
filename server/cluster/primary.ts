import cluster, { type Worker } from 'node:cluster';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { lockFolder } from '../db/folder-lock.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { freePort } from '../private-servers/find-programs.ts';
import { type PrivateServers, startPrivateServers } from '../private-servers/private-servers.ts';
import { clusterMetricsText, MetricsRound } from './cluster-metrics.ts';
import { FromWorker, type ToWorker, type WorkerPlace } from './messages.ts';
import { writeState } from './primary-state.ts';
import { makeSocketFolder } from './shared-sessions.ts';
import { type ClusterWorker, Supervisor } from './supervisor.ts';

const nothing = (): void => undefined;
/** Connections of a worker to PostgreSQL: its pool, and those that migrate at its start. */
const connectionsPerWorker = 14;
const startWithinMs = 300_000;

export type RunningCluster = {
  /** Rolling restart; rejects, with the old workers still there, when a new one does not start. */
  roll(): Promise<void>;
  /** Drains the workers, then stops what was started privately. Idempotent. */
  stop(): Promise<void>;
};

/**
 * Starts what is missing of Redis and PostgreSQL, then the workers, and says who listens where. The environment of the workers is this one
 * with the addresses of both in it.
 */
export async function startPrimary(options: {
  readonly config: Config;
  readonly workers: number | null;
  readonly searchPath: string;
  readonly log: Log;
  readonly print: (text: string) => void;
}): Promise<RunningCluster> {
  const { config, log, print } = options;
  const say = (line: string) => print(`  ${line}\n`);
  const folder = join(config.dataDir, 'cluster');
  const unlock = await lockFolder(folder, 'Two clusters on one machine also need two ports: PORT.');
  const count = options.workers ?? config.workers ?? availableParallelism();
  let servers: PrivateServers | undefined;
  let supervisor: Supervisor | undefined;
  let removeSockets = nothing;
  try {
    print(`\n  Stockcast cluster: ${count} workers, starting …\n`);
    servers = await startPrivateServers({
      folder,
      wanted: { redis: config.redisUrl === null, postgres: config.databaseUrl === null },
      // A rolling restart has one worker more for a moment, and people want to look on.
      postgresConnectionsMax: connectionsPerWorker * (count + 1) + 20,
      searchPath: options.searchPath,
      log,
      say,
    });
    const sockets = makeSocketFolder();
    removeSockets = () => sockets.remove();
    const workers = new WorkerChannels(() => supervisor);
    const environment = {
      PORT: String(config.port === 0 ? await freePort() : config.port),
      REDIS_URL: config.redisUrl ?? servers.redis?.url ?? '',
      DATABASE_URL: config.databaseUrl ?? servers.postgres?.url ?? '',
    };
    supervisor = new Supervisor({
      count,
      fork: (slot) =>
        workers.fork({
          ...environment,
          [workerVariable]: JSON.stringify({ slot, sockets: sockets.path } satisfies WorkerPlace),
        }),
      startWithinMs,
      leaveWithinMs: config.drainNoticeMs + config.shutdownGraceMs + 2_000,
      clock: systemClock,
      pause: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
      log,
      say,
    });
    await supervisor.start();
    print(welcome({ told: workers.ready, supervisor, servers, config }));
  } catch (error) {
    await supervisor?.stop();
    await servers?.stop();
    removeSockets();
    unlock();
    throw error;
  }
  const release = () => {
    removeSockets();
    unlock();
  };
  return control({ supervisor, servers, folder, release });
}

/** Where a worker finds its place in its environment. */
export const workerVariable = 'STOCKCAST_WORKER';

function control(parts: {
  supervisor: Supervisor;
  servers: PrivateServers;
  folder: string;
  release: () => void;
}): RunningCluster {
  const { supervisor, servers, folder, release } = parts;
  let rolls = 0;
  let stopping: Promise<void> | undefined;
  writeState(folder, { pid: process.pid, rolls, rolling: false, failure: null });
  const roll = async (): Promise<void> => {
    rolls += 1;
    const number = rolls;
    writeState(folder, { pid: process.pid, rolls, rolling: true, failure: null });
    let failure: string | null = null;
    try {
      await supervisor.roll();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      if (number === rolls) writeState(folder, { pid: process.pid, rolls, rolling: false, failure });
    }
  };
  const stop = async (): Promise<void> => {
    await supervisor.stop();
    await servers.stop();
    release();
  };
  return { roll, stop: () => (stopping ??= stop()) };
}

type Ready = Extract<FromWorker, { kind: 'ready' }>;

/** Workers over the channels that node:cluster opens. */
class WorkerChannels {
  readonly #supervisor: () => Supervisor | undefined;
  readonly #round = new MetricsRound(2_000);
  readonly #channels = new WeakMap<ClusterWorker, Worker>();
  /** What the first worker said when it was ready. */
  ready: Ready | null = null;

  constructor(supervisor: () => Supervisor | undefined) {
    this.#supervisor = supervisor;
  }

  fork(environment: Readonly<Record<string, string>>): ClusterWorker {
    const worker = cluster.fork(environment);
    const started = new Promise<Awaited<ClusterWorker['started']>>((resolve) => {
      worker.on('message', (message: unknown) => {
        const told = FromWorker.safeParse(message).data;
        if (told?.kind === 'ready') {
          this.ready ??= told;
          resolve({ kind: 'ready' });
        }
        if (told?.kind === 'failed') resolve(told);
        if (told?.kind === 'metrics') this.#round.take(told.ask, told.metrics);
        if (told?.kind === 'metrics_wanted') void this.#tellMetrics(worker, told.ask);
      });
    });
    const exited = new Promise<string>((resolve) => {
      worker.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
      // It could not even be started.
      worker.once('error', (error) => {
        if (worker.process.pid === undefined) resolve(error.message);
      });
    });
    const one: ClusterWorker = {
      pid: worker.process.pid ?? 0,
      started,
      exited,
      drain: () => send(worker, { kind: 'drain' }),
      kill: () => void worker.process.kill('SIGKILL'),
    };
    this.#channels.set(one, worker);
    return one;
  }

  async #tellMetrics(asker: Worker, ask: number): Promise<void> {
    const supervisor = this.#supervisor();
    const serving = supervisor?.serving.flatMap(({ worker }) => this.#channels.get(worker) ?? []) ?? [];
    const metrics = await this.#round.ask(
      serving.map((worker) => (number: number) => send(worker, { kind: 'metrics_wanted', ask: number })),
    );
    const text = await clusterMetricsText(metrics, {
      serving: serving.length,
      restarts: supervisor?.restarts ?? 0,
    });
    send(asker, { kind: 'all_metrics', ask, text });
  }
}

function send(worker: Worker, message: ToWorker): void {
  // A worker that is ending hears nothing more, and need not.
  if (worker.isConnected()) worker.send(message, () => undefined);
}

function welcome(parts: {
  told: Ready | null;
  supervisor: Supervisor;
  servers: PrivateServers;
  config: Config;
}): string {
  const { told, supervisor, servers, config } = parts;
  const url = told?.url ?? '';
  const workers = supervisor.serving.map(({ slot, worker }) => `${slot} = ${worker.pid}`).join(' · ');
  const redis = servers.redis?.address ?? hostOf(config.redisUrl);
  const postgres = servers.postgres?.address ?? hostOf(config.databaseUrl);
  return [
    '',
    `  Stockcast  ${url}/`,
    `  工作进程 workers (pid): ${workers} · 主进程 primary: ${process.pid}`,
    `  库存闸口 gate: Redis ${redis}${servers.redis === null ? '' : ` · ${servers.redis.folder}`}`,
    `  账本 ledger: PostgreSQL ${postgres}${servers.postgres === null ? '' : ` · ${servers.postgres.folder}`}`,
    `  接口文档 API documents: ${url}/docs`,
    `  滚动重启 rolling restart: npm run cluster -- reload`,
    ...(told?.welcome ?? []),
    '',
    '',
  ].join('\n');
}

/** Host and port without what is secret in an address. */
function hostOf(address: string | null): string {
  return address !== null && URL.canParse(address) ? new URL(address).host : '';
}
