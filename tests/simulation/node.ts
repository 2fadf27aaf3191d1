import type { Logger } from 'pino';
import { Prisma } from '../../generated/prisma/client.ts';
import type { LevelWriter } from '../../server/fanout/segment.ts';
import { StockFanout } from '../../server/fanout/stock-fanout.ts';
import type { Clock } from '../../server/lib/clock.ts';
import type { LivestreamCatalogue } from '../../server/livestreams/livestream-catalogue.ts';
import type { Metrics } from '../../server/metrics/metrics.ts';
import type { OrderJobIntervals } from '../../server/orders/order-jobs.ts';
import { type OrderPath, startOrderPath } from '../../server/orders/order-path.ts';
import type { StockEngine } from '../../server/stock/stock-engine.ts';
import { catalogueOverLink, gateOverLink, ledgerCall, ledgerOverLink } from './node-links.ts';
import { livestreamId, type Shop } from './shop.ts';
import type { Actor } from './world.ts';

/** The slowest that the rules allow, so that nothing is found by luck: A1 at most 250 ms, A3 within 1 s. */
export const intervals: OrderJobIntervals = { sweepMs: 250, tailMs: 900, driftMs: 60_000 };

type Running = {
  readonly actor: Actor;
  readonly path: OrderPath;
  readonly fanout: StockFanout;
  readonly engine: StockEngine;
};

export type NodeEvents = {
  readonly ordersInFlightMax: number;
  readonly intervals: OrderJobIntervals;
  /** Gate and ledger differ and nothing in flight explains it. */
  readonly onDrift: (drift: number) => void;
  readonly writer: LevelWriter;
};

/** One node: the product's order path and fan-out, each run of the process with a new memory. */
export class SimulatedNode {
  readonly name: string;
  readonly clock: Clock;
  readonly #shop: Shop;
  readonly #events: NodeEvents;
  #rids = 0;
  running: Running | null = null;

  constructor(shop: Shop, name: string, skewMs: number, events: NodeEvents) {
    this.#shop = shop;
    this.name = name;
    this.clock = shop.world.clockOf(skewMs);
    this.#events = events;
  }

  start(): void {
    if (this.running !== null) return;
    const [shop, { world, defect }] = [this.#shop, this.#shop];
    const { clock } = this;
    const actor: Actor = { name: this.name, alive: true };
    world.tell(() => `${this.name} starts`);
    const plainEngine = gateOverLink(shop, actor, clock);
    const engine = defect.engine?.(plainEngine, { clock, shop }) ?? plainEngine;
    const plainLedger = ledgerOverLink(shop, actor);
    const ledger = defect.ledger?.(plainLedger, { engine, clock, shop }) ?? plainLedger;
    const catalogue = catalogueOverLink(shop, actor) as LivestreamCatalogue;
    const timers = world.timersOf(actor);
    const log = this.#log();
    const path = startOrderPath({
      engine,
      ledger,
      catalogue,
      metrics: noMetrics,
      clock,
      wait: world.waitOf(actor),
      log,
      payUrlOf: (order) => `pay/${order.orderId}`,
      onRefunded: () => {},
      limits: {
        ledgerQueueMax: 50,
        ordersInFlightMax: this.#events.ordersInFlightMax,
        ordersPerBuyerPerMinute: 1_000_000,
      },
      // I7: two nodes that both do it must be safe, so that here every node may.
      driftLease: { isHeld: () => true, fence: () => Prisma.sql`true`, assign: () => {} },
      ledgerTakes: () => true,
      chance: () => shop.chance.next(),
      // Virtual time is never late.
      beatMs: 1_000_000_000,
      keyTtlMs: 3_600_000,
      timers,
      intervals: this.#events.intervals,
      // Short, and in order of time as real ones are.
      newRid: () => `${this.name}.${(this.#rids += 1)}`,
    });
    const fanout = new StockFanout({
      engine,
      catalogue,
      presence: { report: async () => {}, total: async () => 0 },
      writer: this.#events.writer,
      clock,
      timers,
      metrics: noMetrics,
      log,
      onGateBackwards: (id) => path.rebuildGate(id),
    });
    this.running = { actor, path, fanout, engine };
    void path.openGates().catch(() => {});
  }

  /** Kill -9: nothing of it goes on, and nobody is told. */
  crash(): void {
    if (this.running === null) return;
    this.#shop.world.tell(() => `${this.name} dies`);
    this.running.actor.alive = false;
    this.running = null;
  }

  /** An operator's change, as a management route makes it: the ledger first, then the gate of this node. */
  async manage(change: () => ReturnType<Shop['catalogue']['allotItem']>, label: string): Promise<void> {
    const { running } = this;
    if (running === null) return;
    const news = await ledgerCall(this.#shop, running.actor, { label, mayRepeat: true }, change);
    if (news !== null) await running.path.takeOver(livestreamId, news);
  }

  #log(): Logger {
    const { world } = this.#shop;
    const say = (first: unknown, message?: string) => {
      const { err, drift } = (typeof first === 'object' ? first : {}) as { err?: unknown; drift?: number };
      const why = err === undefined ? '' : `: ${err instanceof Error ? err.message : typeof err}`;
      world.tell(() => `${this.name} says: ${message ?? String(first)}${why}`);
      if (typeof drift === 'number') this.#events.onDrift(drift);
    };
    return { info: say, warn: say, error: say, debug: () => {} } as unknown as Logger;
  }
}

/** Nobody looks at the figures of a simulated node. */
const noMetric = new Proxy({}, { get: (_, name) => (name === 'startTimer' ? () => () => {} : () => {}) });
const noMetrics = new Proxy({}, { get: () => noMetric }) as Metrics;
