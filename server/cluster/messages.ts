import * as z from 'zod';

/** What the primary tells a worker with its birth, in the environment. */
export const WorkerPlace = z.object({
  /** 1 … count; outlives the worker. */
  slot: z.int(),
  /** Folder of the sockets by which workers reach each other. */
  sockets: z.string(),
});
export type WorkerPlace = z.output<typeof WorkerPlace>;

/** What a worker tells the primary. */
export const FromWorker = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('ready'),
    url: z.string(),
    /** Lines for people: access links. */
    welcome: z.array(z.string()),
  }),
  /** Asks for the metrics of all workers; answered by `all_metrics` with the same number. */
  z.object({ kind: z.literal('metrics_wanted'), ask: z.int() }),
  /** Its own, in prom-client's form; the answer to `metrics_wanted`. */
  z.object({ kind: z.literal('metrics'), ask: z.int(), metrics: z.array(z.looseObject({ name: z.string() })) }),
  /** It will not be; `forGood`: another attempt would end the same way, until somebody does what the reason says. */
  z.object({ kind: z.literal('failed'), reason: z.string(), forGood: z.boolean() }),
]);
export type FromWorker = z.output<typeof FromWorker>;

/** What the primary tells a worker. */
export const ToWorker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('drain') }),
  z.object({ kind: z.literal('metrics_wanted'), ask: z.int() }),
  z.object({ kind: z.literal('all_metrics'), ask: z.int(), text: z.string() }),
]);
export type ToWorker = z.output<typeof ToWorker>;
