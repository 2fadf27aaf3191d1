import type { AlertTier, ItemPlan } from '../../contract/alerts.ts';
import type { ServerEvents } from '../../contract/events.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { heldLease } from '../../tests/services/held-lease.ts';
import type { AlertPicture } from '../alerts/alert-desk.ts';
import { createGateLevelWatch } from '../alerts/gate-level-watch.ts';
import type { LevelWatch } from '../alerts/level-watch.ts';
import type { OpenDatabase } from '../db/database.ts';
import type { Audience, EmitTo } from '../fanout/audience.ts';
import { createLog } from '../lib/log.ts';
import { managed, openTestShop } from '../livestreams/test-shop.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import { item, request, settings, snapshot } from '../stock/stock-engine.fixtures.ts';
import { createPaceReader } from './curve-reader.ts';
import { createMarkerBook } from './marker-book.ts';
import { type CurveKit, createCurveKit, createPaceKeeper, type PaceKeeper } from './pace-keeper.ts';

/** What tests of pace and curves share: a livestream in a real database, a real gate, and nodes whose time is moved by hand. */

export type Told = {
  readonly audiences: readonly Audience[];
  readonly event: keyof ServerEvents;
  readonly payload: unknown;
};

export const plan = (parts: Partial<ItemPlan> = {}): ItemPlan => ({
  estimate: null,
  confidence: 'high',
  leadTimeDays: 3,
  curveClass: 'steady',
  core: false,
  redPolicy: 'ask',
  dynamicLine: true,
  yellowPercent: 80,
  orangePercent: 100,
  redPercent: 120,
  ...parts,
});

export type PaceStage = Awaited<ReturnType<typeof openPaceStage>>;

/** A livestream that is live, with one item `tea` of 10,000 units on sale from now. */
export async function openPaceStage(database: Pick<OpenDatabase, 'prisma'>) {
  const { prisma } = database;
  const shop = openTestShop(database);
  const { clock, catalogue } = shop;
  const [skuId, livestreamId] = [await shop.sku('tea', 100_000), await shop.livestream('show', 'live')];
  managed(await shop.add(livestreamId, skuId, 10_000));
  managed(await catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'));
  const engine = new MemoryStockEngine({ clock, settings });
  const begun = await engine.begin(livestreamId);
  if (begun.kind !== 'closed') throw new Error('the gate was open');
  await engine.load(livestreamId, begun.nonce, snapshot({ items: [item(skuId, { allotted: 10_000 })] }));
  const planned = {
    plan: plan(),
    endAtMs: null as number | null,
    tier: null as AlertTier | null,
  };
  const alerts: AlertPicture & { pictureOf(): Promise<AlertPicture> } = {
    planOf: () => planned.plan,
    plannedEndAtMs: () => planned.endAtMs,
    openTierOf: () => planned.tier,
    pictureOf: async () => alerts,
  };
  const levelsOf = async (id: string) => (await engine.read(id))?.items ?? null;
  const log = createLog({ logLevel: 'silent' });
  const nodes: { close(): Promise<void> }[] = [];
  let rev = 1;

  /** A node that watches this gate from now on; its `state.broken` decides whether it reaches the database for curves. */
  async function node() {
    const told: Told[] = [];
    const emit: EmitTo = (_, audiences, event, payload) => told.push({ audiences, event, payload });
    const watch: LevelWatch & { look(): Promise<void> } = createGateLevelWatch({
      engine,
      catalogue: { active: async () => [{ livestreamId, state: 'live' }] },
      clock,
      log,
      lookMs: 3_600_000,
    });
    const { store, metrics } = createCurveKit({ prisma, emit, log, metrics: createMetrics() });
    const state = { broken: false, held: true };
    const guarded: CurveKit['store'] = new Proxy(store, {
      get(_, name: keyof CurveKit['store']) {
        return (...args: never[]) => {
          if (state.broken) return Promise.reject(new Error('the database is away'));
          return (store[name] as (...all: never[]) => Promise<unknown>)(...args);
        };
      },
    });
    const kit = { store: guarded, metrics, markers: createMarkerBook({ store: guarded, emit, log, metrics }) };
    const idle = () => ({ kick: () => undefined, stop: () => Promise.resolve() });
    const keeper = createPaceKeeper({
      watch,
      alerts,
      catalogue,
      curves: kit,
      emit,
      clock,
      log,
      lease: heldLease(state),
      runs: idle,
    });
    keeper.start();
    keeper.begin();
    await watch.start();
    await until(() => keeper.paceOf(livestreamId) !== null);
    await keeper.store();
    const reader = createPaceReader({ keeper, curves: kit, catalogue, alerts, levelsOf, clock });
    const one = {
      told,
      keeper,
      watch,
      curves: kit,
      state,
      reader,
      of: <Name extends keyof ServerEvents>(event: Name) =>
        told.filter((it) => it.event === event) as readonly (Told & { payload: Parameters<ServerEvents[Name]>[0] })[],
      /** As a node that was killed: nothing is written or said any more. */
      async die() {
        nodes.splice(nodes.indexOf(one), 1);
        state.held = false;
        await watch.stop();
      },
      async close() {
        state.broken = false;
        await watch.stop();
        await keeper.stop();
      },
    };
    nodes.push(one);
    return one;
  }

  const stage = {
    shop,
    prisma,
    clock,
    catalogue,
    engine,
    alerts,
    planned,
    skuId,
    livestreamId,
    node,
    async sell(units: number): Promise<void> {
      const requests = Array.from({ length: units }, () => request({ units: { [skuId]: 1 } }));
      for (let at = 0; at < requests.length; at += 50) await engine.reserve(livestreamId, requests.slice(at, at + 50));
      await turn();
    },
    /** The ledger has so many more held units, from now: as committed orders leave them. */
    async ledgerSays(units: number): Promise<void> {
      const where = { livestreamId_skuId: { livestreamId, skuId } };
      const { held } = await prisma.livestreamItem.findUniqueOrThrow({ where });
      await prisma.livestreamItem.update({ where, data: { held: held + units } });
      const moved = { type: 'HOLD', bucket: 'held', before: held, after: held + units };
      await prisma.stockEntry.create({
        data: { skuId, livestreamId, ...moved, actor: 'buyer', createdAt: new Date(clock.nowMs) },
      });
    },
    async allot(allotted: number): Promise<void> {
      rev += 1;
      await engine.putItems(livestreamId, [item(skuId, { allotted, rev })], 1);
      await turn();
    },
    /** Seconds in which `units` are sold each; the nodes beat and store in every one. */
    async run(seconds: number, units: number, ...on: readonly { readonly keeper: PaceKeeper }[]): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        await stage.sell(units);
        clock.nowMs += 1_000;
        for (const { keeper } of on) {
          keeper.beat();
          await keeper.store().catch(() => undefined);
        }
      }
    },
    async rows() {
      const rows = await prisma.curvePoint.findMany({ where: { livestreamId, skuId }, orderBy: { at: 'asc' } });
      return rows.map(({ at, consumed }) => [(at.getTime() - startMs) / 1_000, consumed] as const);
    },
    async info(): Promise<LivestreamInfo> {
      const info = await catalogue.info(livestreamId);
      if (info === null) throw new Error('no livestream');
      return info;
    },
    markers: () => prisma.curveMarker.findMany({ where: { livestreamId }, orderBy: { seq: 'asc' } }),
    async close(): Promise<void> {
      for (const one of nodes.splice(0)) await one.close();
    },
  };
  const startMs = clock.nowMs;
  return stage;
}

/** Listeners of the gate are told in a microtask. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(check: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > endMs) throw new Error(`not in time: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
