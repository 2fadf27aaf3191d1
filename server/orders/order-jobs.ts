import type { Lease } from '../db/lease.ts';
import type { Clock } from '../lib/clock.ts';
import type { Periodic } from '../lib/periodic.ts';
import { runPeriodically } from '../lib/periodic.ts';
import type { Timers } from '../lib/timers.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import { checkDrift } from './drift-check.ts';
import { sweepExpired } from './expiry-sweep.ts';
import type { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { LedgerOrder, OrderLedger } from './order-ledger.ts';
import { LedgerTail } from './tail.ts';

type Deps = {
  readonly engine: StockEngine;
  readonly ledger: OrderLedger;
  readonly catalogue: Pick<LivestreamCatalogue, 'active' | 'archive'>;
  readonly follower: GateFollower;
  readonly keeper: GateKeeper;
  readonly metrics: Metrics;
  /** The node that holds it compares all gates with the ledger; what a node was asked for, it looks at itself. */
  readonly driftLease: Lease;
  readonly clock: Clock;
  readonly wait: (ms: number) => Promise<void>;
  readonly onOrderChanged: (order: LedgerOrder) => void;
  readonly onArchived: (livestreamId: string) => void;
  readonly report: {
    readonly error: (job: string, error: unknown) => void;
    readonly drift: (event: { livestreamId: string; drift: number; rebuilt: boolean }) => void;
  };
  readonly intervals: OrderJobIntervals;
  readonly timers?: Pick<Timers, 'after'>;
};

export type OrderJobIntervals = {
  /** At most 250 ms (A1). */
  readonly sweepMs: number;
  /** At most 1 s (A3). */
  readonly tailMs: number;
  readonly driftMs: number;
};

export const orderJobIntervals: OrderJobIntervals = { sweepMs: 200, tailMs: 500, driftMs: 60_000 };

export type OrderJobs = {
  /** B4: looks at this livestream's drift now rather than within the minute. */
  checkDriftSoon(livestreamId: string): void;
  stop(): Promise<void>;
};

/**
 * The work beside requests: expiry, the tail and archiving on every node; drift on the one that holds the lease. All of it is safe on many
 * nodes.
 */
export function startOrderJobs(deps: Deps): OrderJobs {
  const { intervals, report, timers } = deps;
  const asked = new Set<string>();
  const measured = new Set<string>();
  const ledgerTail = new LedgerTail(deps);
  const sweep = runPeriodically(
    intervals.sweepMs,
    () => sweepExpired(deps),
    (error) => report.error('expiry sweep', error),
    timers,
  );
  const tail = runPeriodically(
    intervals.tailMs,
    () => tailActive(deps, ledgerTail),
    (error) => report.error('tail', error),
    timers,
  );
  let stopping = false;
  // A check waits some seconds for attempts in flight: a stop does not wait for that, and nothing is called drift because of it.
  const waitUnlessStopping = async (ms: number): Promise<void> => {
    if (!stopping) await deps.wait(ms);
    if (stopping) throw new Stopping();
  };
  const drift = runPeriodically(
    intervals.driftMs,
    () => driftActive({ ...deps, wait: waitUnlessStopping }, asked, measured),
    (error) => report.error('drift check', error),
    timers,
  );
  deps.driftLease.assign({
    begin: async () => drift.kick(),
    async end() {
      // What another node measures now is not this node's to tell.
      for (const livestream of measured) deps.metrics.driftUnits.remove({ livestream });
      measured.clear();
    },
  });
  return {
    checkDriftSoon(livestreamId) {
      asked.add(livestreamId);
      drift.kick();
    },
    async stop() {
      stopping = true;
      await Promise.all([sweep, tail, drift].map((job: Periodic) => job.stop()));
    },
  };
}

class Stopping extends Error {
  override readonly name = 'Stopping';
}

async function tailActive(deps: Deps, ledgerTail: LedgerTail): Promise<void> {
  const active = await deps.catalogue.active();
  ledgerTail.keepOnly(new Set(active.map(({ livestreamId }) => livestreamId)));
  deps.metrics.refundDue.set(await deps.ledger.countRefundDue());
  const rounds = await Promise.allSettled(
    active.map(async ({ livestreamId, state }) => {
      await ledgerTail.follow(livestreamId);
      if (state === 'ended') await archiveWhenEmpty(deps, livestreamId);
    }),
  );
  for (const round of rounds) {
    // One livestream's trouble must not keep the others waiting.
    if (round.status === 'rejected') deps.report.error('tail', round.reason);
  }
}

/** The last hold of an ended livestream is gone in both: its gate can go, and its unsold units are free for other pools. */
export async function archiveWhenEmpty(
  deps: Pick<Deps, 'ledger' | 'engine' | 'catalogue' | 'onArchived'>,
  livestreamId: string,
): Promise<void> {
  if ((await deps.ledger.openOrders(livestreamId)) > 0) return;
  if ((await deps.engine.holds(livestreamId)).length > 0) return;
  await deps.engine.archive(livestreamId);
  await deps.catalogue.archive(livestreamId);
  // Another node's tail may have rebuilt the gate between the two; from now on nobody does.
  await deps.engine.archive(livestreamId);
  deps.onArchived(livestreamId);
}

async function driftActive(deps: Deps, asked: Set<string>, measured: Set<string>): Promise<void> {
  const soon = [...asked];
  asked.clear();
  if (soon.length === 0 && !deps.driftLease.isHeld()) return;
  const livestreamIds = soon.length > 0 ? soon : (await deps.catalogue.active()).map((one) => one.livestreamId);
  for (const livestreamId of livestreamIds) {
    if (soon.length === 0 && !deps.driftLease.isHeld()) return;
    try {
      await checkDrift({ ...deps, report: deps.report.drift }, livestreamId);
      measured.add(livestreamId);
    } catch (error) {
      if (error instanceof Stopping) return;
      // One livestream's trouble must not keep the others waiting.
      deps.report.error('drift check', error);
    }
  }
  if (soon.length > 0) return;
  // A livestream that is gone has no drift: its name must not stay in the metrics for ever.
  for (const livestreamId of measured) {
    if (livestreamIds.includes(livestreamId)) continue;
    measured.delete(livestreamId);
    deps.metrics.driftUnits.remove({ livestream: livestreamId });
  }
}
