import { Counter, Gauge, Histogram } from 'prom-client';
import type { Metrics } from '../metrics/metrics.ts';

export type PaceMetrics = ReturnType<typeof createPaceMetrics>;

/** Adds what `/metrics` shows of pace and curves; once per registry. */
export function createPaceMetrics({ registry }: Pick<Metrics, 'registry'>) {
  const registers = [registry];
  return {
    samplesWaiting: new Gauge({
      name: 'stockcast_curve_samples_waiting',
      help: 'Curves: samples that wait for the database',
      registers,
    }),
    samplesDropped: new Counter({
      name: 'stockcast_curve_samples_dropped_total',
      help: 'Curves: samples lost because the database was away for too long',
      registers,
    }),
    markersDropped: new Counter({
      name: 'stockcast_curve_markers_dropped_total',
      help: 'Curves: markers lost because the database was away for too long',
      registers,
    }),
    saveSeconds: new Histogram({
      name: 'stockcast_curve_save_seconds',
      help: 'Curves: time of the statement that writes the samples of a second',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
      registers,
    }),
    writes: new Gauge({
      name: 'stockcast_pace_writer',
      help: 'Pace: 1 on the node that writes samples and speaks of the pace',
      registers,
    }),
  };
}
