import { effectiveStatus } from '../../contract/levels.ts';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { BandPoint, CurveMarker, ItemPace, PaceState } from '../../contract/pace.ts';
import type { AlertPicture } from '../alerts/alert-desk.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { type CuedItem, CueKeeper, wantedCue } from './cue.ts';
import type { Sample } from './curve-sampler.ts';
import { bandOf, type Expectation, type Explained, expectedAt, expectedRate, paceStateOf } from './expected-curve.ts';
import { needUntilEnd, sellOutOf } from './outlook.ts';
import { hotItems, nextItems, slowItems } from './ranking.ts';
import { SalesWindow, windowSeconds } from './sales-window.ts';
import { velocityOf } from './velocity.ts';

export type PaceAlerts = AlertPicture;

type Watched = { level: ItemLevel; readonly window: SalesWindow };

/** How one livestream sells, from the levels that this node saw and the description as it is now. Memory is O(items). */
export class LivestreamPace {
  readonly livestreamId: string;
  readonly #alerts: PaceAlerts;
  readonly #items = new Map<string, Watched>();
  readonly #cue: CueKeeper;
  #info: LivestreamInfo | null = null;
  #markers: readonly CurveMarker[] = [];

  constructor(livestreamId: string, alerts: PaceAlerts, nowMs: number) {
    this.livestreamId = livestreamId;
    this.#alerts = alerts;
    this.#cue = new CueKeeper(nowMs);
  }

  get info(): LivestreamInfo | null {
    return this.#info;
  }

  /** Its description; an older revision than the known one is ignored. */
  describe(info: LivestreamInfo): void {
    if (this.#info === null || info.infoRev >= this.#info.infoRev) this.#info = info;
  }

  /** Openings and pins decide what is expected; oldest first. */
  mark(markers: readonly CurveMarker[]): void {
    this.#markers = markers.filter(({ kind }) => kind === 'open' || kind === 'pin');
  }

  addMarker(marker: CurveMarker): void {
    this.mark([...this.#markers, marker].toSorted((a, b) => a.atMs - b.atMs));
  }

  levelOf(skuId: string): ItemLevel | undefined {
    return this.#items.get(skuId)?.level;
  }

  /** A level seen at `atMs`; `rise`: units by which consumption grew. */
  observe(level: ItemLevel, rise: number, atMs: number): void {
    const before = this.#items.get(level.skuId)?.level;
    const { window } = this.#watched(level, atMs);
    if (before !== undefined && before.status !== 'on_sale' && level.status === 'on_sale') {
      const opensAtMs = this.#info?.items.find(({ skuId }) => skuId === level.skuId)?.opensAtMs ?? 0;
      // A sale that opens by appointment opens without a level: the first one comes with its first order.
      window.openedAt(opensAtMs > window.activeSinceMs && opensAtMs < atMs ? opensAtMs : atMs);
    }
    if (rise > 0) window.add(atMs, rise);
  }

  /** Samples from before this node watched, oldest first: the windows begin with them. */
  restore(samples: readonly Sample[], levels: readonly ItemLevel[], nowMs: number): void {
    const bySku = new Map<string, Sample[]>();
    for (const sample of samples) bySku.set(sample.skuId, [...(bySku.get(sample.skuId) ?? []), sample]);
    for (const level of levels) {
      const { window } = this.#watched(level, nowMs);
      let last: Sample | undefined;
      for (const sample of bySku.get(level.skuId) ?? []) {
        window.watchedSince(Math.max(sample.second * 1_000, nowMs - windowSeconds * 1_000));
        if (last !== undefined && sample.consumed > last.consumed) {
          window.add(sample.second * 1_000, sample.consumed - last.consumed);
        }
        last = sample;
      }
    }
  }

  #watched(level: ItemLevel, atMs: number): Watched {
    const known = this.#items.get(level.skuId);
    if (known !== undefined) {
      known.level = level;
      return known;
    }
    const watched = { level, window: new SalesWindow(atMs) };
    this.#items.set(level.skuId, watched);
    return watched;
  }

  band(skuId: string): BandPoint[] {
    const item = this.#info?.items.find((one) => one.skuId === skuId);
    const expectation = item === undefined ? null : this.#expectationOf(item);
    return expectation === null ? [] : bandOf(expectation);
  }

  /** Everything that is told once a second. Call it with rising instants: the cue remembers. */
  stateAt(nowMs: number): PaceState {
    const info = this.#info;
    const described = (info?.items ?? []).flatMap((item) => {
      const watched = this.#items.get(item.skuId);
      return watched === undefined ? [] : [this.#describeItem(item, watched, nowMs)];
    });
    const cued = described.map(({ cued }) => cued);
    return {
      livestreamId: this.livestreamId,
      atMs: nowMs,
      items: described.map(({ pace }) => pace),
      cue: this.#cue.decide(wantedCue(cued), cued, nowMs),
      hot: hotItems(cued),
      slow: slowItems(cued),
      next: nextItems(cued),
    };
  }

  #describeItem(item: ItemInfo, { level, window }: Watched, nowMs: number): { pace: ItemPace; cued: CuedItem } {
    const { skuId, opensAtMs, title, unitPriceMinor } = item;
    const { available } = level;
    const consumed = level.held + level.sold;
    const velocity = velocityOf(window, nowMs);
    const expectation = this.#expectationOf(item);
    const sells = effectiveStatus(level.status, available > 0, opensAtMs, nowMs) === 'on_sale';
    // Units that were never there are not sold out, and what is not for sale does not run out.
    const emptied = available === 0 && consumed === 0;
    const sellOutInMs = emptied ? null : sellOutOf(available, velocity);
    const state = paceStateOf(expectation, consumed, nowMs);
    const tier = this.#alerts.openTierOf(this.livestreamId, skuId);
    const endAtMs = this.#alerts.plannedEndAtMs(this.livestreamId);
    return {
      pace: {
        skuId,
        consumed,
        available,
        velocity,
        sellOutInMs,
        needUntilEnd: needUntilEnd(available, velocity, endAtMs, nowMs),
        state,
        tier,
      },
      cued: {
        skuId,
        sells,
        pinned: this.#info?.pinnedSkuId === skuId,
        consumed,
        available,
        velocity,
        expected: expectation === null ? null : expectedAt(expectation, nowMs).expected,
        expectedPerMinute: expectation === null ? null : expectedRate(expectation, nowMs),
        unitPriceMinor,
        state,
        tier,
        sellOutInMs: sellOutInMs?.expected ?? null,
        title,
      },
    };
  }

  /** null: no estimate, no planned end, or the sale has not been opened. */
  #expectationOf(item: ItemInfo): Expectation | null {
    const plan = this.#alerts.planOf(this.livestreamId, item.skuId);
    const untilMs = this.#alerts.plannedEndAtMs(this.livestreamId);
    const fromMs = this.#openedAtMs(item);
    if (plan === null || plan.estimate === null || plan.estimate === 0) return null;
    if (untilMs === null || fromMs === null || fromMs >= untilMs) return null;
    const { estimate, confidence, curveClass } = plan;
    return { estimate, confidence, curveClass, fromMs, untilMs, explained: this.#explained(item.skuId) };
  }

  /** Opening by appointment, else the first opening on the curve, else the beginning of the livestream. */
  #openedAtMs({ skuId, sale, opensAtMs }: ItemInfo): number | null {
    if (sale === 'not_open') return null;
    if (opensAtMs > 0) return opensAtMs;
    const opened = this.#markers.find((marker) => marker.kind === 'open' && marker.skuId === skuId);
    return opened?.atMs ?? this.#info?.startedAtMs ?? null;
  }

  #explained(skuId: string): readonly Explained[] {
    const pins = this.#markers.filter(({ kind }) => kind === 'pin');
    return pins.flatMap((pin, index) =>
      pin.skuId === skuId ? [{ fromMs: pin.atMs, untilMs: pins[index + 1]?.atMs ?? null }] : [],
    );
  }
}
