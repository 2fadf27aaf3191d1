import { pino } from 'pino';
import { type Alert, ItemPlan, type Person, type Supplier } from '../../contract/alerts.ts';
import type { CurveMarker } from '../../contract/pace.ts';
import { heldLease } from '../../tests/services/held-lease.ts';
import type { OpenDatabase } from '../db/database.ts';
import type { Lease } from '../db/lease.ts';
import { managed, openTestShop } from '../livestreams/test-shop.ts';
import type { AlertMessage } from '../notify/notifier.ts';
import { createPrismaLedger } from '../orders/prisma-ledger.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import type { EstimateSource } from './estimate-source.ts';
import { createGateLevelWatch } from './gate-level-watch.ts';
import {
  type AlertSettings,
  alertDefaults,
  createPrismaAlertDesk,
  type RunningAlertDesk,
} from './prisma-alert-desk.ts';
import { createStopSale } from './stop-sale.ts';

export const silent = pino({ level: 'silent' });
export const minutes = (count: number): number => count * 60_000;

export const plan = (change: Partial<ItemPlan> = {}): ItemPlan => ItemPlan.parse({ estimate: 500, ...change });
export const person = (personId: string): Person => ({
  personId,
  name: personId,
  phone: null,
  email: null,
  channelIds: [],
});

let ids = 0;
const newId = (): string => {
  ids += 1;
  return `id-${ids}`;
};

/** A node as alerts see it: its own level watch and desk over a shared gate and database, and a record of what it sent. */
export type Node = {
  readonly desk: RunningAlertDesk;
  readonly emitted: Alert[];
  readonly messages: AlertMessage[];
  readonly markers: CurveMarker[];
  stop(): Promise<void>;
};

export type Night = Awaited<ReturnType<typeof openNight>>;

/**
 * A live livestream of the real catalogue, its gate loaded from the real ledger, on a clock set by hand. Items are open from the start
 * unless a test opens them itself. Rounds that the desk makes by itself are an hour apart: tests call `round`.
 */
export async function openNight(database: OpenDatabase, ownEngine?: StockEngine) {
  const shop = openTestShop(database);
  const { clock, catalogue, prisma } = shop;
  const engine =
    ownEngine ?? new MemoryStockEngine({ clock, settings: { pendingLeaseMs: 3_000, keyTtlMs: 3_600_000 } });
  const ledger = createPrismaLedger({ prisma });
  const livestreamId = await shop.livestream(`night-${newId()}`, 'live');
  const nodes: Node[] = [];
  const alive = new Set<Node>();
  const onCall: Person[] = [person('anna'), person('bo')];
  const suppliers: Supplier[] = [];

  async function openGate(): Promise<void> {
    const begun = await engine.begin(livestreamId);
    const snapshot = await ledger.fenceAndRead(livestreamId, 3_600_000);
    if (begun.kind === 'closed' && snapshot !== null) await engine.load(livestreamId, begun.nonce, snapshot);
  }
  /** While true, the desks' statements fail as if the database was away. */
  const outage = { on: false };
  const desksPrisma = new Proxy(prisma, {
    get(target, name, receiver) {
      if (outage.on && (name === '$queryRaw' || name === '$executeRaw')) {
        return () => Promise.reject(new Error('the database is away'));
      }
      return Reflect.get(target, name, receiver);
    },
  });
  const takeOver = (id: string, gate: { items: Parameters<StockEngine['putItems']>[1]; infoRev: number }) =>
    engine.putItems(id, gate.items, gate.infoRev);
  const change = async (work: Promise<Parameters<typeof managed>[0]>): Promise<void> => {
    const { gate } = managed(await work);
    if (gate !== null) await takeOver(livestreamId, gate);
  };

  const night = {
    shop,
    clock,
    engine,
    livestreamId,
    onCall,
    suppliers,
    outage,
    /** An item with so many units, its sale open unless `open` is false. */
    async item(name: string, allotted: number, options: { open?: boolean } = {}): Promise<string> {
      const skuId = await shop.sku(`${name}-${newId()}`, 100_000);
      await change(shop.add(livestreamId, skuId, allotted));
      if (options.open !== false) await night.open(skuId);
      await openGate();
      return skuId;
    },
    open: (skuId: string) =>
      change(catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test')),
    resume: (skuId: string) => change(catalogue.changeSale(livestreamId, skuId, { action: 'resume' }, 'test')),
    allot: (skuId: string, allotted: number) =>
      change(catalogue.allotItem(livestreamId, skuId, allotted, 'test', 'restock')),
    end: () => change(catalogue.end(livestreamId, 'test')),
    /** An order of so many units; returns its rid. */
    async sell(skuId: string, quantity: number): Promise<string> {
      const rid = newId();
      const [outcome] = await engine.reserve(livestreamId, [
        {
          rid,
          key: rid,
          bodyHash: 'hash',
          buyerId: rid,
          deviceId: null,
          lines: [{ skuId, quantity }],
          reacquires: null,
        },
      ]);
      if (outcome?.kind !== 'reserved') throw new Error(`not reserved: ${JSON.stringify(outcome)}`);
      return rid;
    },
    giveBack: (rid: string) => engine.release(livestreamId, [{ rid, unbind: false }]),
    /** Nodes evaluate all of them unless a lease of their own says otherwise: what two of them do must be safe (I7). */
    async node(
      change: Partial<AlertSettings> = {},
      estimates: EstimateSource | null = null,
      lease: Pick<Lease, 'isHeld' | 'fence'> = heldLease(),
    ): Promise<Node> {
      const [emitted, messages, markers]: [Alert[], AlertMessage[], CurveMarker[]] = [[], [], []];
      // A node also ends the alerts of nights before this one in the same database.
      const ours = (alert: Alert) => alert.livestreamId === livestreamId;
      const levels = createGateLevelWatch({ engine, catalogue, clock, log: silent, lookMs: 100 });
      const desk = createPrismaAlertDesk({
        prisma: desksPrisma,
        catalogue,
        levels,
        notifier: {
          notify: (message) => void (ours(message.alert) && messages.push(message)),
          onCall: () => Promise.resolve(onCall),
        },
        markers: { add: (_id, marker) => Promise.resolve(void markers.push(marker)) },
        emit: (alert) => void (ours(alert) && emitted.push(alert)),
        stopSale: createStopSale({ catalogue, takeOver }),
        suppliersOf: () => Promise.resolve(suppliers),
        personOf: () => Promise.resolve(null),
        estimates,
        lease,
        clock,
        newId,
        log: silent,
        settings: { ...alertDefaults, roundMs: 3_600_000, ...change },
      });
      await desk.begin();
      await levels.start();
      let stopped: Promise<void> | undefined;
      const stop = async () => {
        alive.delete(node);
        await levels.stop();
        await desk.stop();
      };
      const node: Node = { desk, emitted, messages, markers, stop: () => (stopped ??= stop()) };
      nodes.push(node);
      alive.add(node);
      return node;
    },
    /** Lets time pass, then lets every node that still runs do what time asks for. */
    async pass(ms: number): Promise<void> {
      clock.nowMs += ms;
      for (const node of alive) await node.desk.round();
    },
    async close(): Promise<void> {
      for (const node of nodes) await node.stop();
      managed(await catalogue.end(livestreamId, 'test'));
      await catalogue.archive(livestreamId);
    },
  };
  return night;
}

/** `basis tier` of raises, in the order in which the history has them. */
export async function raisesOf(night: Night, skuId: string): Promise<readonly string[]> {
  const rows = await night.shop.prisma.$queryRaw<{ text: string }[]>`
    SELECT a.basis || ' ' || split_part(e.note, ':', 1) AS text FROM alert_events e JOIN alerts a ON a.id = e.alert_id
     WHERE a.sku_id = ${skuId} AND e.kind IN ('raised', 'tier_raised') ORDER BY e.seq`;
  return rows.map(({ text }) => text);
}

/** Who was told, message by message: `anna`, `anna+bo`; empty for every enabled channel. */
export const toldBy = ({ messages }: Node): readonly string[] =>
  messages.map(({ people }) => people.map(({ name }) => name).join('+'));
