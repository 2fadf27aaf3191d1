import cluster from 'node:cluster';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type SharedAddress, start } from '../compose.ts';
import type { Config } from '../config/config.ts';
import { accessLinks, isForPeople, reasonOf } from '../welcome.ts';
import { type FromWorker, ToWorker, type WorkerPlace } from './messages.ts';
import { shareSessions } from './shared-sessions.ts';

/** One worker of a cluster: a whole server that listens on the address it shares with the others, and leaves when the primary says so. */
export async function runWorker(config: Config, place: WorkerPlace, log: Logger): Promise<void> {
  // Ctrl-C reaches every process of a terminal; the primary decides who leaves when.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  const metrics = askForMetrics();
  try {
    const starting = start(config, log, {
      labels: { worker: String(place.slot) },
      metricsOf: metrics.own,
      metricsText: metrics.text,
      sessions: shareSessions({ worker: cluster.worker?.id ?? 0, isFirst: place.slot === 1, folder: place.sockets }),
    });
    const leave = async () => {
      // What has begun to start is ended too, when it has started. Why it did not start is told below.
      const begun = await starting.catch(() => null);
      if (begun === null) return;
      await begun.stop('server_stopping');
      process.exit(0);
    };
    process.on('message', (message: unknown) => {
      if (ToWorker.safeParse(message).data?.kind === 'drain') void leave();
    });
    const server = await starting;
    const welcome = await accessLinks(server);
    tell({ kind: 'ready', url: server.url, welcome });
  } catch (error) {
    tell({ kind: 'failed', reason: reasonOf(error), forGood: isForPeople(error) }, () => process.exit(1));
  }
}

const metricsWithinMs = 4_000;

/** Any worker may be asked for `/metrics`; it asks the primary for those of all, and tells its own when it is asked itself. */
function askForMetrics(): { readonly own: SharedAddress['metricsOf']; readonly text: SharedAddress['metricsText'] } {
  const waiting = new Map<number, (text: string) => void>();
  let asked = 0;
  let own: Registry | undefined;
  process.on('message', (message: unknown) => {
    const told = ToWorker.safeParse(message).data;
    if (told?.kind === 'all_metrics') waiting.get(told.ask)?.(told.text);
    if (told?.kind === 'metrics_wanted') {
      const { ask } = told;
      void own?.getMetricsAsJSON().then((metrics) => tell({ kind: 'metrics', ask, metrics: metrics as never }));
    }
  });
  return {
    own(registry) {
      own = registry;
    },
    text() {
      asked += 1;
      const ask = asked;
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(ask);
          reject(new Error('the primary does not tell the metrics of the cluster'));
        }, metricsWithinMs);
        waiting.set(ask, (text) => {
          clearTimeout(late);
          waiting.delete(ask);
          resolve(text);
        });
        tell({ kind: 'metrics_wanted', ask });
      });
    },
  };
}

function tell(message: FromWorker, sent?: () => void): void {
  process.send?.(message, undefined, {}, () => sent?.());
}
