import cluster from 'node:cluster';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WorkerPlace } from './cluster/messages.ts';
import { startPrimary, workerVariable } from './cluster/primary.ts';
import { reloadCluster } from './cluster/primary-state.ts';
import { parseConfig } from './config/config.ts';
import { CannotStart } from './lib/cannot-start.ts';
import { createLog } from './lib/log.ts';
import { onStopSignal } from './lib/stop-signals.ts';
import { reasonOf } from './welcome.ts';

const usage = `npm run cluster [-- --workers N]   starts N workers (default: WORKERS, else one for each core)
npm run cluster -- reload          replaces the workers of the running cluster one by one`;

const print = (text: string): void => void process.stdout.write(text);

/** Environment → primary or worker → stop. */
async function main(): Promise<void> {
  // The one place that hands the environment to its one reader.
  // oxlint-disable-next-line no-process-env
  const environment = process.env;
  const config = parseConfig(environment);
  const log = createLog(config);
  if (cluster.isWorker) {
    // Loaded by workers only: the primary needs nothing of a server.
    const { runWorker } = await import('./cluster/worker.ts');
    const place = WorkerPlace.parse(JSON.parse(environment[workerVariable] ?? ''));
    await runWorker(config, place, log.child({ worker: place.slot }));
    return;
  }

  const { workers, reload } = readArguments();
  if (reload) {
    await reloadCluster(join(config.dataDir, 'cluster'), print);
    return;
  }
  const starting = startPrimary({ config, workers, searchPath: environment['PATH'] ?? '', log, print });

  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping');
    // What has begun to start is ended too: nothing is left behind.
    void starting.then((running) => running.stop()).then(() => process.exit(0));
  };
  onStopSignal(stop);

  const running = await starting;
  const roll = (signal: string): void => {
    log.info({ signal }, 'rolling restart');
    running.roll().then(
      () => log.info('the rolling restart is done'),
      (error: unknown) => log.error({ err: error }, 'the rolling restart has failed'),
    );
  };
  process.on('SIGUSR2', () => roll('SIGUSR2'));
  // A terminal that closes sends it too; there it means the end.
  process.on('SIGHUP', () => (process.stdout.isTTY ? stop('SIGHUP') : roll('SIGHUP')));
}

function readArguments(): { workers: number | null; reload: boolean } {
  try {
    const { values, positionals } = parseArgs({
      options: { workers: { type: 'string' } },
      allowPositionals: true,
    });
    const workers = values.workers === undefined ? null : Number(values.workers);
    const isCount = workers === null || (Number.isInteger(workers) && workers >= 1 && workers <= 64);
    if (!isCount || positionals.some((word) => word !== 'reload'))
      throw new Error('--workers takes a number from 1 to 64');
    return { workers, reload: positionals.includes('reload') };
  } catch (error) {
    throw new CannotStart(`${error instanceof Error ? error.message : String(error)}\n${usage}`, { cause: error });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(1);
});
