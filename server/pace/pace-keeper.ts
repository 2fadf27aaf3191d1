import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { CurvePoint } from '../../contract/pace.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { LevelWatch, WatchedLevels } from '../alerts/level-watch.ts';
import type { Lease } from '../db/lease.ts';
import type { EmitTo } from '../fanout/audience.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Periodic, runPeriodically } from '../lib/periodic.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { CurveSampler, pointOf, recentSeconds, type Sample, SampleQueue } from './curve-sampler.ts';
import { type CurveStore, createCurveStore, type NewMarker } from './curve-store.ts';
import { LivestreamPace, type PaceAlerts } from './livestream-pace.ts';
import { createMarkerBook, type MarkerBook } from './marker-book.ts';
import { markersOfChange, markersOfLevel, openingsDue } from './markers-of-change.ts';
import { createPaceMetrics, type PaceMetrics } from './pace-metrics.ts';
import { windowSeconds } from './sales-window.ts';

export type CurveKit = {
  readonly store: CurveStore;
  readonly markers: MarkerBook;
  readonly metrics: PaceMetrics;
};

/** Storage and markers of curves, apart from the keeper: alerts write markers, and the keeper asks alerts. Once per server. */
export function createCurveKit(deps: {
  readonly prisma: PrismaClient;
  readonly emit: EmitTo;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'registry'>;
}): CurveKit {
  const { emit, log } = deps;
  const store = createCurveStore(deps.prisma);
  const metrics = createPaceMetrics(deps.metrics);
  return { store, metrics, markers: createMarkerBook({ store, emit, log, metrics }) };
}

export type PaceKeeperDeps = {
  readonly watch: Pick<LevelWatch, 'onLevels'>;
  readonly alerts: PaceAlerts;
  readonly catalogue: Pick<LivestreamCatalogue, 'info'>;
  readonly curves: CurveKit;
  readonly emit: EmitTo;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** Of the desk: the node that holds it watches, writes and speaks. */
  readonly lease: Pick<Lease, 'isHeld'>;
  readonly runs?: (intervalMs: number, work: () => Promise<void>, onError: (error: unknown) => void) => Periodic;
};

const beatMs = 500;
const storeMs = 1_000;
const stateEveryMs = 1_000;
const describeEveryMs = 5_000;
/** An ended livestream is kept this long after its last level. */
const forgetAfterMs = 600_000;
const rowsMax = 5_000;
const statementsMax = 4;
/** Ten minutes of 30 items that change all the time. */
const queueMax = 20_000;

type Kept = {
  readonly pace: LivestreamPace;
  /** Levels that came before the history was read, newest per item; null: it has been. */
  waiting: Map<string, ItemLevel> | null;
  describedAtMs: number;
  /** Revision of the description whose markers have been read, and whether once more since. */
  marked: { readonly rev: number; readonly again: boolean };
  levelsAtMs: number;
  stateAtMs: number;
  told: string;
  /** Seen on levels; written by the node that writes. */
  seen: NewMarker[];
  /** Keys of openings by appointment that are marked. */
  readonly opened: Set<string>;
};

/**
 * Pace and curves of every livestream that the watch follows. The node that holds the lease watches, writes samples and speaks to the
 * rooms. Another one that goes on after it begins with the database: the samples that are there, and the seconds that nobody sampled, out
 * of the ledger's entries. What two wrote is one row, and two that speak at once do no harm.
 */
export class PaceKeeper {
  readonly #deps: PaceKeeperDeps;
  #queue = new SampleQueue(queueMax);
  #sampler = new CurveSampler(this.#queue);
  readonly #livestreams = new Map<string, Kept>();
  #dropsCounted = 0;
  #failures = 0;
  #unlisten: (() => void) | null = null;
  #stopMarkers: (() => void) | null = null;
  #runs: Periodic[] = [];

  constructor(deps: PaceKeeperDeps) {
    this.#deps = deps;
  }

  /** True on the node that writes and speaks. */
  get speaks(): boolean {
    return this.#unlisten !== null && this.#deps.lease.isHeld();
  }

  start(): void {
    const { curves, log, runs = runPeriodically } = this.#deps;
    this.#stopMarkers = curves.markers.onAdded((livestreamId, marker) =>
      this.#livestreams.get(livestreamId)?.pace.addMarker(marker),
    );
    this.#runs = [
      runs(
        beatMs,
        async () => this.beat(),
        (error) => log.warn({ err: error }, 'the pace could not be told'),
      ),
      runs(
        storeMs,
        () => this.store(),
        (error) => this.#reportAway(error),
      ),
    ];
  }

  /** This node has the lease: it begins with what the database knows, and with the levels that the watch tells from now on. */
  begin(): void {
    this.#unlisten ??= this.#deps.watch.onLevels((levels) => this.#hear(levels));
  }

  /** It has it no longer: samples that wait are written all the same, since they are what was seen; then everything is forgotten. */
  async end(): Promise<void> {
    this.#unlisten?.();
    this.#unlisten = null;
    try {
      await this.#saveSamples();
    } catch (error) {
      const samples = this.#queue.length;
      this.#deps.log.warn({ err: error, samples }, 'the last samples of the curves could not be stored');
    }
    this.#livestreams.clear();
    this.#queue = new SampleQueue(queueMax);
    this.#sampler = new CurveSampler(this.#queue);
    this.#dropsCounted = 0;
  }

  async stop(): Promise<void> {
    this.#stopMarkers?.();
    await Promise.all(this.#runs.splice(0).map((run) => run.stop()));
    if (this.#unlisten !== null) await this.end();
  }

  /** The description changed: marks it on the curve and takes it over. Any node may call it, and several. Never rejects. */
  async markChange(livestreamId: string, before: LivestreamInfo, after: LivestreamInfo): Promise<void> {
    this.#livestreams.get(livestreamId)?.pace.describe(after);
    await this.#deps.curves.markers.keep(livestreamId, markersOfChange(before, after, this.#deps.clock.now()));
  }

  /** Of a livestream that is followed here; null: not, or not yet. */
  paceOf(livestreamId: string): LivestreamPace | null {
    const kept = this.#livestreams.get(livestreamId);
    return kept === undefined || kept.waiting !== null ? null : kept.pace;
  }

  /** Samples of the last 15 s, which the database may not have yet. */
  recentPoints(livestreamId: string): ReadonlyMap<string, readonly CurvePoint[]> {
    return pointsBySku(this.#queue.recentOf(livestreamId));
  }

  #hear({ livestreamId, items, atMs }: WatchedLevels): void {
    // A process that was stopped for a while hears now what happened then.
    if (!this.#deps.lease.isHeld()) return;
    const kept = this.#livestreams.get(livestreamId) ?? this.#meet(livestreamId, atMs);
    kept.levelsAtMs = atMs;
    for (const level of items) {
      if (kept.waiting !== null) kept.waiting.set(level.skuId, level);
      else this.#take(kept, level, atMs);
    }
  }

  #take(kept: Kept, level: ItemLevel, atMs: number): void {
    const before = kept.pace.levelOf(level.skuId);
    kept.pace.observe(level, this.#sampler.observe(kept.pace.livestreamId, level, atMs), atMs);
    if (before !== undefined) kept.seen.push(...markersOfLevel(before, level, atMs));
  }

  #meet(livestreamId: string, nowMs: number): Kept {
    const pace = new LivestreamPace(livestreamId, this.#deps.alerts, nowMs);
    const kept: Kept = {
      pace,
      waiting: new Map(),
      describedAtMs: 0,
      marked: { rev: -1, again: true },
      levelsAtMs: nowMs,
      stateAtMs: 0,
      told: '',
      seen: [],
      opened: new Set(),
    };
    this.#livestreams.set(livestreamId, kept);
    void this.#recall(kept);
    return kept;
  }

  /** History first, then the levels that waited for it. Without the database it begins now. */
  async #recall(kept: Kept): Promise<void> {
    const { livestreamId } = kept.pace;
    const { curves, clock, log } = this.#deps;
    try {
      const stored = await curves.store.loadRecent(livestreamId, clock.now() - windowSeconds * 1_000);
      const missed = await curves.store.loadMissed(livestreamId, stored, clock.now());
      if (!this.#follows(kept)) return;
      const samples = [...stored, ...missed].toSorted((a, b) => a.second - b.second);
      for (const sample of new Map(samples.map((one) => [one.skuId, one])).values()) this.#sampler.restore(sample);
      this.#sampler.makeUpFor(missed);
      kept.pace.restore(samples, [...(kept.waiting?.values() ?? [])], clock.now());
    } catch (error) {
      log.warn({ err: error, livestreamId }, 'the curves of before could not be read; the pace begins anew');
    }
    await this.#describe(kept).catch((error: unknown) => {
      log.warn({ err: error, livestreamId }, 'the livestream could not be read; it will be tried again');
    });
    if (!this.#follows(kept)) return;
    const waiting = kept.waiting ?? new Map<string, ItemLevel>();
    kept.waiting = null;
    const nowMs = clock.now();
    for (const level of waiting.values()) this.#take(kept, level, nowMs);
  }

  /** False: the lease was lost and may be held anew since; what was begun before is nothing to go on with. */
  #follows(kept: Kept): boolean {
    return this.#livestreams.get(kept.pace.livestreamId) === kept;
  }

  async #describe(kept: Kept): Promise<void> {
    const { curves, catalogue, clock } = this.#deps;
    const { pace } = kept;
    kept.describedAtMs = clock.now();
    const info = await catalogue.info(pace.livestreamId);
    if (info !== null) pace.describe(info);
    if ((info === null || info.state === 'ended') && clock.now() - kept.levelsAtMs > forgetAfterMs) {
      this.#livestreams.delete(pace.livestreamId);
      this.#sampler.forget(pace.livestreamId);
      return;
    }
    // Markers follow a revision after it: they are read again when a newer one is seen, and once more the next time.
    const { marked } = kept;
    const rev = info?.infoRev ?? 0;
    if (rev === marked.rev && marked.again) return;
    pace.mark(await curves.store.loadMarkers(pace.livestreamId));
    kept.marked = { rev, again: rev === marked.rev };
  }

  /** Twice a second: tells new samples, and at most once a second the state where it changed. Asks nobody. */
  beat(): void {
    const nowMs = this.#deps.clock.now();
    this.#sampler.settle(nowMs);
    for (const [livestreamId, samples] of this.#sampler.takeNew()) this.#tellSamples(livestreamId, samples);
    for (const kept of this.#livestreams.values()) {
      if (kept.waiting !== null || nowMs - kept.stateAtMs < stateEveryMs) continue;
      kept.stateAtMs = nowMs;
      this.#tellState(kept, nowMs);
    }
  }

  #tellSamples(livestreamId: string, samples: readonly Sample[]): void {
    if (!this.speaks || samples.length === 0) return;
    const items = [...pointsBySku(samples)].map(([skuId, points]) => ({ skuId, points: [...points] }));
    this.#deps.emit(livestreamId, ['operators', 'anchor', 'air'], 'curve:points', { livestreamId, items });
  }

  #tellState(kept: Kept, nowMs: number): void {
    const state = kept.pace.stateAt(nowMs);
    const { atMs: _, ...content } = state;
    const text = JSON.stringify(content);
    if (!this.speaks || text === kept.told) return;
    kept.told = text;
    this.#deps.emit(kept.pace.livestreamId, ['operators', 'anchor'], 'pace:state', state);
  }

  /** Once a second: one statement of samples, markers that were seen, descriptions that may be old. */
  async store(): Promise<void> {
    const { curves, clock } = this.#deps;
    const nowMs = clock.now();
    this.#countDrops();
    curves.metrics.writes.set(this.speaks ? 1 : 0);
    this.#queue.forgetOld(nowMs);
    await curves.markers.retry();
    if (!this.speaks) return;
    await this.#saveSamples();
    this.#failures = 0;
    for (const kept of this.#livestreams.values()) {
      await this.#markSeen(kept, nowMs);
      if (nowMs - kept.describedAtMs >= describeEveryMs) await this.#describe(kept);
    }
  }

  async #saveSamples(): Promise<void> {
    const { store, metrics } = this.#deps.curves;
    for (let statement = 0; statement < statementsMax && this.#queue.length > 0; statement += 1) {
      const samples = this.#queue.head(rowsMax);
      const stop = metrics.saveSeconds.startTimer();
      await store.saveSamples(samples);
      stop();
      this.#queue.written(samples);
    }
  }

  async #markSeen(kept: Kept, nowMs: number): Promise<void> {
    const { livestreamId, info } = kept.pace;
    const newest = kept.seen.filter(({ atMs }) => atMs > nowMs - recentSeconds * 1_000);
    kept.seen = [];
    const due = info === null ? [] : openingsDue(info, nowMs, recentSeconds * 1_000);
    const openings = due.filter(({ key }) => !kept.opened.has(key));
    for (const { key } of openings) kept.opened.add(key);
    await this.#deps.curves.markers.keep(livestreamId, [...newest, ...openings]);
  }

  /** The first time, and once a minute as long as it lasts. */
  #reportAway(error: unknown): void {
    this.#failures += 1;
    if (this.#failures % 60 !== 1) return;
    this.#deps.log.warn({ err: error, samples: this.#queue.length }, 'curves wait for the database');
  }

  #countDrops(): void {
    const { metrics } = this.#deps.curves;
    metrics.samplesWaiting.set(this.#queue.length);
    metrics.samplesDropped.inc(this.#queue.dropped - this.#dropsCounted);
    this.#dropsCounted = this.#queue.dropped;
  }
}

export function createPaceKeeper(deps: PaceKeeperDeps): PaceKeeper {
  return new PaceKeeper(deps);
}

function pointsBySku(samples: readonly Sample[]): ReadonlyMap<string, readonly CurvePoint[]> {
  const bySku = new Map<string, CurvePoint[]>();
  for (const sample of samples) {
    const points = bySku.get(sample.skuId);
    if (points === undefined) bySku.set(sample.skuId, [pointOf(sample)]);
    else points.push(pointOf(sample));
  }
  return bySku;
}
