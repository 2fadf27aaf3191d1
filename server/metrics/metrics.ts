import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

const fastBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/**
 * Everything that `/metrics` shows; names end in their unit. One registry per server, so that tests can run several. `labels` stand on every
 * value: which of several processes it is of.
 */
export function createMetrics(labels: Readonly<Record<string, string>> = {}) {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry, prefix: 'stockcast_' });
  const registers = [registry];
  return {
    registry,
    reserveSeconds: new Histogram({
      name: 'stockcast_reserve_seconds',
      help: 'Gate: time of one reserve call, batch included',
      buckets: fastBuckets,
      registers,
    }),
    orderSeconds: new Histogram({
      name: 'stockcast_order_seconds',
      help: 'Order accepted to acknowledged',
      labelNames: ['via'] as const,
      buckets: fastBuckets,
      registers,
    }),
    httpSeconds: new Histogram({
      name: 'stockcast_http_seconds',
      help: 'HTTP: request of a route of the API to the end of its answer',
      labelNames: ['route', 'status'] as const,
      buckets: fastBuckets,
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'stockcast_commit_seconds',
      help: 'Ledger: time of one group commit',
      buckets: fastBuckets,
      registers,
    }),
    commitGroupSize: new Histogram({
      name: 'stockcast_commit_group_size',
      help: 'Ledger: orders in one group commit',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      registers,
    }),
    ledgerQueueLength: new Gauge({
      name: 'stockcast_ledger_queue_length',
      help: 'Ledger: orders waiting for a group',
      registers,
    }),
    orders: new Counter({
      name: 'stockcast_orders_total',
      help: 'Orders by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    pushAgeSeconds: new Histogram({
      name: 'stockcast_push_age_seconds',
      help: 'Change heard from the gate to written to local sockets',
      labelNames: ['lane'] as const,
      buckets: fastBuckets,
      registers,
    }),
    frames: new Counter({
      name: 'stockcast_frames_total',
      help: 'Frames of levels sent to a lane',
      labelNames: ['lane'] as const,
      registers,
    }),
    holdExpiryLagSeconds: new Histogram({
      name: 'stockcast_hold_expiry_lag_seconds',
      help: 'Expiry of a hold to its release at the gate',
      buckets: fastBuckets,
      registers,
    }),
    driftUnits: new Gauge({
      name: 'stockcast_drift_units',
      help: 'Units by which gate and ledger differ at the last drift check',
      labelNames: ['livestream'] as const,
      registers,
    }),
    rebuilds: new Counter({
      name: 'stockcast_gate_rebuilds_total',
      help: 'Rebuilds of a gate from the ledger',
      labelNames: ['reason'] as const,
      registers,
    }),
    refunds: new Gauge({
      name: 'stockcast_refund_requests',
      help: 'Refunds that the payment provider has not taken over, by state',
      labelNames: ['state'] as const,
      registers,
    }),
    refundDue: new Gauge({ name: 'stockcast_refund_due_orders', help: 'Orders whose money has to go back', registers }),
    sockets: new Gauge({ name: 'stockcast_sockets', help: 'Connected sockets', registers }),
    viewers: new Gauge({
      name: 'stockcast_viewers',
      help: 'Viewers in a room on this node',
      labelNames: ['livestream'] as const,
      registers,
    }),
  };
}
