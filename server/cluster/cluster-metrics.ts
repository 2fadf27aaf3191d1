import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';

/** What one worker's registry says of itself, as it comes over the channel. */
export type WorkerMetrics = readonly Readonly<Record<string, unknown>>[];

/** One text of the metrics of all workers, which tell themselves apart by their label `worker`, and of the cluster itself. */
export async function clusterMetricsText(
  workers: readonly WorkerMetrics[],
  cluster: { readonly serving: number; readonly restarts: number },
): Promise<string> {
  const own = new Registry();
  const registers = [own];
  new Gauge({ name: 'stockcast_cluster_workers', help: 'Workers that serve', registers }).set(cluster.serving);
  new Counter({
    name: 'stockcast_cluster_worker_restarts_total',
    help: 'Workers started again because one had ended by itself',
    registers,
  }).inc(cluster.restarts);
  // Nothing is added up: no two values have the same labels, but for a moment of a rolling restart.
  const kept = workers.map((metrics) =>
    metrics.map((metric) => (metric['aggregator'] === 'omit' ? { ...metric, aggregator: 'first' } : metric)),
  );
  const all = AggregatorRegistry.aggregate([...kept, await own.getMetricsAsJSON()]);
  return all.metrics();
}

/** Questions to all workers at once, over channels on which answers come in any order. */
export class MetricsRound {
  readonly #withinMs: number;
  readonly #rounds = new Map<number, { readonly take: (metrics: WorkerMetrics) => void }>();
  #asked = 0;

  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** Resolves with what came in time: a worker that hangs must not take the others' numbers with it. */
  ask(send: ReadonlyArray<(ask: number) => void>): Promise<readonly WorkerMetrics[]> {
    this.#asked += 1;
    const number = this.#asked;
    const answers: WorkerMetrics[] = [];
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(late);
        this.#rounds.delete(number);
        resolve(answers);
      };
      const late = setTimeout(finish, this.#withinMs);
      this.#rounds.set(number, {
        take: (metrics) => {
          answers.push(metrics);
          if (answers.length === send.length) finish();
        },
      });
      for (const one of send) one(number);
      if (send.length === 0) finish();
    });
  }

  take(ask: number, metrics: WorkerMetrics): void {
    this.#rounds.get(ask)?.take(metrics);
  }
}
