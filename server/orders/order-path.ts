import type { Logger } from 'pino';
import type { Order } from '../../contract/orders.ts';
import type { Lease } from '../db/lease.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import { createRateLimiter } from '../lib/rate-limiter.ts';
import { createSeldom } from '../lib/seldom.ts';
import { systemTimers, type Timers } from '../lib/timers.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ItemDefinition, StockEngine } from '../stock/stock-engine.ts';
import { Admission, admissionDefaults, showAdmission } from './admission.ts';
import { GateFollower } from './gate-follower.ts';
import { GateKeeper } from './gate-keeper.ts';
import { GateOrderService } from './gate-order-service.ts';
import { GroupCommit } from './group-commit.ts';
import { type OrderJobIntervals, orderJobIntervals, startOrderJobs } from './order-jobs.ts';
import type { LedgerOrder, OrderLedger } from './order-ledger.ts';
import type { OrderService } from './order-service.ts';
import { wireOrder } from './place-order.ts';
import { ReserveBatcher } from './reserve-batcher.ts';
import { makeRid } from './rid.ts';

type Deps = {
  readonly engine: StockEngine;
  readonly ledger: OrderLedger;
  readonly catalogue: LivestreamCatalogue;
  readonly metrics: Metrics;
  readonly driftLease: Lease;
  readonly clock: Clock;
  readonly wait: (ms: number) => Promise<void>;
  readonly log: Logger;
  readonly payUrlOf: (order: Order) => string;
  /** The payment provider has to be asked for money; must not throw. */
  readonly onRefunded: () => void;
  readonly limits: {
    readonly ledgerQueueMax: number;
    readonly ordersInFlightMax: number;
    readonly ordersPerBuyerPerMinute: number;
  };
  readonly ledgerTakes: () => boolean;
  readonly chance: () => number;
  readonly keyTtlMs: number;
  /** Time and chance of everything that runs here, for whoever drives them by hand. */
  readonly timers?: Timers;
  readonly intervals?: OrderJobIntervals;
  readonly newRid?: (nowMs: number) => string;
  /** How often the event loop's lateness is looked at. */
  readonly beatMs?: number;
};

/** What goes on failing while gate or ledger is away is told once in this time. */
const sameNewsMs = 30_000;

/** Longer than any commit takes that a buyer would wait for; then the outcome is unknown (O5) and the client asks again. */
const ledgerPatienceMs = 1_500;

/** Buyers whose rate is remembered. */
const buyersMax = 50_000;

const usualBeatMs = 20;

export type OrderPath = {
  readonly orders: OrderService;
  /** Puts committed items at the gate; never rejects, the tail repeats it (A5). */
  takeOver(
    livestreamId: string,
    gate: { readonly items: readonly ItemDefinition[]; readonly infoRev: number },
  ): Promise<void>;
  /** Hears of every order that changed its state on this node. */
  onOrderChanged(listener: (order: Order, buyerId: string) => void): void;
  /** B4: the gate has gone backwards, it must not decide any longer. Never rejects. */
  rebuildGate(livestreamId: string): void;
  /** Opens the gates of all active livestreams; those that cannot be opened now are opened by the tail. */
  openGates(): Promise<void>;
  /** Lets orders under way be acknowledged, then stops the jobs. New orders must have stopped coming. */
  stop(): Promise<void>;
};

/** Everything between a parsed order and its acknowledgement, with the jobs beside it. */
export function startOrderPath(deps: Deps): OrderPath {
  const { engine, ledger, catalogue, metrics, clock, wait, log, limits } = deps;
  const { timers = systemTimers, intervals = orderJobIntervals, newRid = makeRid } = deps;
  let listener: ((order: Order, buyerId: string) => void) | undefined;
  const onOrderChanged = (order: LedgerOrder) => listener?.(wireOrder(order), order.buyerId);

  const seldom = createSeldom({ clock, everyMs: sameNewsMs });
  const commit = new GroupCommit({
    ledger,
    metrics,
    queueLengthMax: limits.ledgerQueueMax,
    patience: (end) => timers.after(ledgerPatienceMs, end),
  });
  const admission = new Admission({ ...admissionDefaults, inFlightMax: limits.ordersInFlightMax }, clock);
  showAdmission(admission, metrics.registry);
  const follower = new GateFollower({
    engine,
    onError: (error) =>
      seldom('follower', (untold) =>
        log.warn({ err: error, untold }, 'the gate did not hear of a change; the tail repeats it'),
      ),
    timers,
  });
  const keeper = new GateKeeper({
    engine,
    ledger,
    ought: async (livestreamId) => (await catalogue.active()).some((one) => one.livestreamId === livestreamId),
    metrics,
    keyTtlMs: deps.keyTtlMs,
    report: {
      rebuilt: (event) => log.info(event, 'gate rebuilt from the ledger'),
      failed: ({ error, ...event }) =>
        seldom(`keeper ${event.livestreamId}`, (untold) =>
          log.warn({ ...event, err: error, untold }, 'the gate could not be rebuilt; it is tried again'),
        ),
    },
    clock,
  });
  const takeOver: OrderPath['takeOver'] = async (livestreamId, { items, infoRev }) => {
    try {
      await engine.putItems(livestreamId, items, infoRev);
      // A livestream that has just gone live has no gate yet: who reads its levels next must not have to wait for the tail.
      if ((await engine.peek(livestreamId)) === null) await keeper.ensureOpen(livestreamId, 'missing');
    } catch (error) {
      log.warn({ err: error, livestreamId }, 'the gate did not take over a change; the tail repeats it');
    }
  };
  const jobs = startOrderJobs({
    engine,
    ledger,
    catalogue,
    follower,
    keeper,
    metrics,
    driftLease: deps.driftLease,
    clock,
    wait,
    onOrderChanged,
    onArchived: (livestreamId) => log.info({ livestreamId }, 'livestream archived'),
    report: {
      error: (job, error) =>
        seldom(job, (untold) => log.warn({ err: error, job, untold }, 'a periodic job failed; it goes on')),
      drift: (event) => log.error(event, 'gate and ledger have drifted apart'),
    },
    intervals,
    timers,
  });
  const orders = new GateOrderService({
    gate: new ReserveBatcher({ engine, metrics, queueLengthMax: limits.ordersInFlightMax }),
    ledger,
    append: (order) => commit.append(order),
    follower,
    keeper,
    holdTtlMsOf: rememberHoldTtl(catalogue),
    payUrlOf: deps.payUrlOf,
    checkDrift: (livestreamId) => jobs.checkDriftSoon(livestreamId),
    makeRid: () => newRid(clock.now()),
    wait,
    clock,
    onOrderChanged,
    takeOver: (livestreamId, items) => takeOver(livestreamId, { items, infoRev: 0 }),
    onRefunded: deps.onRefunded,
    metrics,
    admission,
    buyerRate: createRateLimiter({
      perMinute: limits.ordersPerBuyerPerMinute,
      burst: Math.max(10, Math.ceil(limits.ordersPerBuyerPerMinute / 10)),
      keysMax: buyersMax,
      clock,
    }),
    ledgerTakes: deps.ledgerTakes,
    chance: deps.chance,
  });

  const stopBeat = watchLateness(admission, { clock, timers, beatMs: deps.beatMs ?? usualBeatMs });

  return {
    orders,
    takeOver,
    onOrderChanged(next) {
      listener = next;
    },
    rebuildGate(livestreamId) {
      void keeper.ensureOpen(livestreamId, 'drift');
    },
    async openGates() {
      for (const { livestreamId } of await catalogue.active()) await keeper.ensureOpen(livestreamId, 'missing');
    },
    async stop() {
      stopBeat();
      while (orders.inFlight > 0) await wait(10);
      await commit.drain();
      await jobs.stop();
      await follower.drain();
    },
  };
}

/** Tells how late the event loop is: its timers wait there as requests do. */
function watchLateness(
  admission: Admission,
  { clock, timers, beatMs }: { clock: Clock; timers: Pick<Timers, 'after'>; beatMs: number },
): () => void {
  let cancel: (() => void) | null = null;
  const beat = () => {
    const dueAtMs = clock.now() + beatMs;
    cancel = timers.after(beatMs, () => {
      admission.observeLateness(Math.max(0, clock.now() - dueAtMs));
      beat();
    });
  };
  beat();
  return () => cancel?.();
}

/** Sold from at once; a livestream that is forgotten is asked for once more. */
const livestreamsMax = 10_000;

/** A livestream's hold time is decided when it is created and never changes, so it is asked once. */
function rememberHoldTtl(catalogue: Pick<LivestreamCatalogue, 'info'>): (livestreamId: string) => Promise<number> {
  const known = new BoundedCache<Promise<number>>(livestreamsMax);
  return (livestreamId) => {
    const before = known.get(livestreamId);
    if (before !== undefined) return before;
    const asked = catalogue.info(livestreamId).then((info) => {
      if (info === null) throw new Error(`the livestream ${livestreamId} is not in the ledger`);
      return info.holdTtlMs;
    });
    known.set(livestreamId, asked);
    asked.catch(() => known.delete(livestreamId));
    return asked;
  };
}
