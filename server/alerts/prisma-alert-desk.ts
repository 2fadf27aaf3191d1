import type { Logger } from 'pino';
import type { Alert, ItemPlanView, Person, Supplier } from '../../contract/alerts.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Lease } from '../db/lease.ts';
import type { Clock } from '../lib/clock.ts';
import { type Periodic, runPeriodically } from '../lib/periodic.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { CurveMarkers } from '../pace/curve-markers.ts';
import { createEstimateAdoption } from './adopt-estimates.ts';
import { createAftermath, wireAlert } from './alert-aftermath.ts';
import type { AlertBook } from './alert-book.ts';
import type { AlertDesk, AlertOutcome, AlertPicture } from './alert-desk.ts';
import { runAlertRound } from './alert-round.ts';
import { BookKeeper } from './book-keeper.ts';
import type { EstimateSource } from './estimate-source.ts';
import type { LevelWatch } from './level-watch.ts';
import { type AlertChange, type AlertTimes, createPrismaAlertStore, type StoredAlert } from './prisma-alert-store.ts';
import { createPrismaPlanStore } from './prisma-plan-store.ts';
import { anchorOf } from './rules/assess.ts';
import { coverageLineOf } from './rules/coverage-line.ts';
import { unreachableTiers } from './rules/reachability.ts';
import type { StopSale } from './stop-sale.ts';

export type AlertSettings = AlertTimes & {
  /** A basis that has been clear for so long is over, and its tiers may fire again; also the least time between two messages of a tier. */
  readonly clearAfterMs: number;
  /** Between two looks at what other nodes changed and at what time asks for: at most 1,000. */
  readonly roundMs: number;
};

export const alertDefaults: AlertSettings = {
  orangeMs: 60_000,
  redMs: 20_000,
  unackMs: 15 * 60_000,
  leaseMs: 3_000,
  stepsMax: 10,
  clearAfterMs: 60_000,
  roundMs: 1_000,
};

export type AlertDeskDeps = {
  readonly prisma: PrismaClient;
  readonly catalogue: Pick<LivestreamCatalogue, 'info' | 'active'>;
  readonly levels: Pick<LevelWatch, 'onLevels'>;
  readonly notifier: Pick<Notifier, 'notify' | 'onCall'>;
  readonly markers: CurveMarkers;
  /** `alert:state` to the operators of every node. */
  readonly emit: (alert: Alert) => void;
  readonly stopSale: StopSale;
  /** Suppliers of the livestream's products, for what red says. */
  readonly suppliersOf: (livestreamId: string) => Promise<readonly Supplier[]>;
  /** For assignments to people who are not on call. */
  readonly personOf: (personId: string) => Promise<Person | null>;
  /** null: estimates come from operators alone. */
  readonly estimates: EstimateSource | null;
  /** Of the desk: the node that holds it evaluates. */
  readonly lease: Pick<Lease, 'isHeld' | 'fence'>;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly settings: AlertSettings;
};

export type RunningAlertDesk = AlertDesk & {
  /**
   * This node evaluates from now on: reads the books of all active livestreams and decides what the present levels mean. Begin before the
   * levels, end after them. Never rejects: what cannot be read now is read with the next round.
   */
  begin(): Promise<void>;
  /** One look at what other nodes changed and at what time asks for; `begin` repeats it. */
  round(): Promise<void>;
  end(): Promise<void>;
  /** Resolves when all messages are on their way. */
  stop(): Promise<void>;
};

/** Alerts. Rules AL-n are in `docs/spec/alerts.md`; what must happen once is decided in the database. */
export function createPrismaAlertDesk(deps: AlertDeskDeps): RunningAlertDesk {
  const { prisma, clock, log, settings } = deps;
  const store = createPrismaAlertStore(prisma, settings, deps.lease);
  const plans = createPrismaPlanStore(prisma);
  const aftermath = createAftermath({ ...deps, store });
  const underWay = new Set<Promise<void>>();
  const track = (work: Promise<void>) => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  const changed = (alert: StoredAlert) => {
    keeper.book(alert.livestreamId)?.keep(alert);
    deps.emit(wireAlert(alert));
  };
  const keeper = new BookKeeper({
    ...deps,
    store,
    plans,
    clearAfterMs: settings.clearAfterMs,
    hooks: {
      raised: (book, alert, won) => track(aftermath.raised(book, alert, won)),
      changed,
      lineMoved: (book, skuId) => track(markMove(deps, book, skuId)),
    },
  });
  const adopt =
    deps.estimates === null
      ? null
      : createEstimateAdoption({
          source: deps.estimates,
          plans,
          clock,
          planOf: (book, skuId) => book.picture(skuId).plan,
        });

  async function adoptEstimates(): Promise<void> {
    if (adopt === null) return;
    for (const livestreamId of keeper.activeIds) {
      const book = keeper.book(livestreamId);
      if (book !== null && (await adopt(book))) await keeper.reread(livestreamId);
    }
  }

  async function round(): Promise<void> {
    if (!deps.lease.isHeld()) return;
    await keeper.refresh();
    await runAlertRound({
      store,
      aftermath,
      clock,
      lease: deps.lease,
      changed,
      bookOf: (livestreamId) => keeper.readBook(livestreamId),
      report: (error, alertId) => log.warn({ err: error, alertId }, 'a due step of an alert failed; it is tried again'),
    });
    await adoptEstimates();
  }

  const report = (error: unknown) => log.warn({ err: error }, 'a round of alerts failed');
  let job: Periodic | null = null;
  let unlisten: (() => void) | null = null;
  async function end(): Promise<void> {
    unlisten?.();
    await job?.stop();
    await keeper.close();
  }

  return {
    ...pictureWith((livestreamId) => keeper.book(livestreamId)),
    ...deskActions({ store, aftermath, keeper, clock, changed }),
    ...deskPlans({ ...deps, plans, keeper }),
    round,
    async begin() {
      unlisten = deps.levels.onLevels((levels) => keeper.hear(levels));
      job = runPeriodically(settings.roundMs, round, report);
      await round().catch(report);
    },
    end,
    async stop() {
      await end();
      await Promise.all(underWay);
    },
  };
}

/** On the curve it stands beside what else was decided. */
async function markMove({ markers, clock }: AlertDeskDeps, book: AlertBook, skuId: string): Promise<void> {
  const { plan, move } = book.picture(skuId);
  const text = coverageLineOf(plan, move)?.reasons.at(-1) ?? { zh: '预警线已调整', en: 'Line moved' };
  await markers.add(book.livestreamId, {
    atMs: clock.now(),
    skuId,
    kind: 'decision',
    tier: null,
    text,
    internal: true,
  });
}

type ActionParts = {
  readonly store: ReturnType<typeof createPrismaAlertStore>;
  readonly aftermath: ReturnType<typeof createAftermath>;
  readonly keeper: BookKeeper;
  readonly clock: Clock;
  readonly changed: (alert: StoredAlert) => void;
};

type Actions = Pick<AlertDesk, 'list' | 'find' | 'acknowledge' | 'unacknowledge' | 'silence' | 'assign' | 'resolve'>;

function deskActions({ store, aftermath, keeper, clock, changed }: ActionParts): Actions {
  type By = { readonly livestreamId: string; readonly alertId: string; readonly actor: string; readonly note?: string };
  const act = async (
    { note = '', ...by }: By,
    change: AlertChange,
  ): Promise<AlertOutcome & { stored?: StoredAlert }> => {
    const [own, ...muting] = await store.change({ ...by, note, atMs: clock.now() }, change);
    if (own === undefined) return { kind: 'not_found' };
    if (own.outcome === 'conflict') return { kind: 'conflict' };
    for (const { alert } of own.outcome === 'done' ? [own, ...muting] : []) changed(alert);
    return { kind: 'done', alert: wireAlert(own.alert), stored: own.alert };
  };
  return {
    list: async (livestreamId, state) => (await store.list(livestreamId, state)).map(wireAlert),
    async find(livestreamId, alertId) {
      const alert = await store.find(livestreamId, alertId);
      return alert === null ? null : { alert: wireAlert(alert), events: await store.events(alertId) };
    },
    acknowledge: (livestreamId, alertId, actor, note) =>
      act({ livestreamId, alertId, actor, note }, { kind: 'acknowledged' }),
    async unacknowledge(livestreamId, alertId, actor) {
      const outcome = await act({ livestreamId, alertId, actor }, { kind: 'unacknowledged', forgotten: false });
      if (outcome.stored !== undefined) {
        await aftermath.reminded(await keeper.readBook(livestreamId), outcome.stored);
      }
      return outcome;
    },
    silence: (livestreamId, alertId, minutes, actor) =>
      act(
        { livestreamId, alertId, actor, note: `${minutes} min` },
        { kind: 'silenced', untilMs: clock.now() + minutes * 60_000 },
      ),
    async assign(livestreamId, alertId, personId, actor) {
      const person = personId === null ? null : await aftermath.personOf(livestreamId, personId);
      if (personId !== null && person === null) return { kind: 'no_person' };
      const note = person?.name ?? 'nobody';
      const outcome = await act({ livestreamId, alertId, actor, note }, { kind: 'assigned', personId });
      if (outcome.stored !== undefined && person !== null) {
        await aftermath.assigned(await keeper.readBook(livestreamId), outcome.stored, person);
      }
      return outcome;
    },
    resolve: (livestreamId, alertId, actor) => act({ livestreamId, alertId, actor }, { kind: 'resolved' }),
  };
}

/** `bookOf` answers null where nothing is known. */
const pictureWith = (bookOf: (livestreamId: string) => AlertBook | null): AlertPicture => ({
  planOf: (livestreamId, skuId) => bookOf(livestreamId)?.plan(skuId) ?? null,
  plannedEndAtMs: (livestreamId) => bookOf(livestreamId)?.plannedEndAtMs ?? null,
  openTierOf: (livestreamId, skuId) => bookOf(livestreamId)?.openTier(skuId) ?? null,
});

type PlanParts = Pick<AlertDeskDeps, 'catalogue' | 'clock' | 'log'> & {
  readonly plans: ReturnType<typeof createPrismaPlanStore>;
  readonly keeper: BookKeeper;
};

type Plans = Omit<AlertDesk, keyof Actions | keyof AlertPicture>;

function deskPlans({ catalogue, plans, keeper, clock }: PlanParts): Plans {
  return {
    async plans(livestreamId) {
      const [book, allotted, info] = await Promise.all([
        keeper.readBook(livestreamId),
        plans.allotments(livestreamId),
        catalogue.info(livestreamId),
      ]);
      const items = (info?.items ?? []).map(({ skuId }) => viewOf(book, skuId, allotted.get(skuId) ?? null));
      return { plannedEndAtMs: book.plannedEndAtMs, items };
    },
    async putPlan(...[livestreamId, skuId, plan, actor]) {
      const info = await catalogue.info(livestreamId);
      if (info === null || !info.items.some((item) => item.skuId === skuId)) return 'not_found';
      if (info.state === 'ended') return 'conflict';
      await plans.putPlan({ livestreamId, skuId, plan, actor, atMs: clock.now(), reasons: [] });
      await keeper.reread(livestreamId);
      const [book, allotted] = await Promise.all([keeper.readBook(livestreamId), plans.allotments(livestreamId)]);
      return viewOf(book, skuId, allotted.get(skuId) ?? null);
    },
    async putPlannedEnd(livestreamId, plannedEndAtMs, actor) {
      if ((await catalogue.info(livestreamId)) === null) return false;
      await plans.putPlannedEnd(livestreamId, plannedEndAtMs, actor, clock.now());
      await keeper.reread(livestreamId);
      return true;
    },
    planHistory: (livestreamId, skuId) => plans.history(livestreamId, skuId),
    async pictureOf(livestreamId) {
      const book = await keeper.readBook(livestreamId);
      return pictureWith((asked) => (asked === livestreamId ? book : null));
    },
    tasks: (livestreamId) => plans.tasks(livestreamId),
    async closeTask(livestreamId, taskId, { state, note, actor }) {
      const noted = note === '' ? actor : `${note} (${actor})`;
      return (await plans.closeTask({ livestreamId, taskId }, state, noted, clock.now())) ?? 'not_found';
    },
  };
}

function viewOf(book: AlertBook, skuId: string, allotted: number | null): ItemPlanView {
  const picture = book.picture(skuId);
  const line = coverageLineOf(picture.plan, picture.move);
  const anchor = anchorOf(picture);
  return {
    skuId,
    plan: picture.plan,
    coverageLine: line?.line ?? null,
    coefficient: line === null ? null : line.coefficientPercent / 100,
    reasons: [...(line?.reasons ?? [])],
    unreachable: unreachableTiers(picture.plan, anchor, book.level(skuId)?.allotted ?? allotted),
  };
}
