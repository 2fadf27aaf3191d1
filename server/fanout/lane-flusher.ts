import type { Lane, StockLevels } from '../../contract/levels.ts';
import type { Clock } from '../lib/clock.ts';
import type { Timers } from '../lib/timers.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Row } from './lanes.ts';
import { MemberList } from './members.ts';
import { type Broadcast, type LevelWriter, Segment } from './segment.ts';
import { SharedPayloads } from './shared-payloads.ts';
import type { SliceLoop, Walker } from './slices.ts';

/** One lane of a room: its members and the numbering of its frames. */
export class LaneAudience {
  readonly lane: Lane;
  readonly members = new MemberList();
  /** Number of the newest frame that was begun. */
  frame = 0;
  /** `upTo` of the newest frame that carried one, within its epoch. */
  upTo = 0;
  /** Where the next walk begins: rotates, so that nobody is always the last. */
  start = 0;
  readonly snapshots = new SharedPayloads();
  readonly merged = new SharedPayloads();

  constructor(lane: Lane) {
    this.lane = lane;
  }
}

/** Members on this node up to which a room is small. */
export const SMALL_ROOM = 200;

export type DeliveredPoint = { readonly epoch: number; readonly upTo: number };

/** What a flusher asks its room. */
export type FlushSource = {
  readonly livestreamId: string;
  /** Items that changed and were not passed on; the flusher takes out what it passes on. */
  readonly dirty: Set<string>;
  /** Newest rows of these items as these lanes see them. `forced`: also where members see no difference to the last frame. */
  rows(skuIds: Iterable<string>, forced: ReadonlySet<string>): Row[];
  everything(): Iterable<string>;
  /** Up to here everything is delivered once the rows that were asked for before are. */
  deliverable(): DeliveredPoint;
  /** The payload of a complete `stock:snapshot`. */
  snapshot(lane: LaneAudience, rows: Row[], point: DeliveredPoint): object;
};

export type FlusherParts = {
  readonly source: FlushSource;
  readonly lanes: readonly LaneAudience[];
  readonly rank: 0 | 1;
  /** Changes within this time after the beginning of a flush are merged into the next one. */
  readonly windowMsMin: number;
  /** The same in rooms of at most `SMALL_ROOM` members on this node. */
  readonly windowMsSmall: number;
  /** And at least so many times the duration of the last walk. */
  readonly windowWalks: number;
  readonly writer: LevelWriter;
  readonly loop: SliceLoop;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
};

/** `full`: everything dirty, with `upTo` · `critical`: a few rows that bypass the window · `snapshot`: replaces everything. */
type Walk = {
  kind: 'full' | 'critical' | 'snapshot';
  readonly beganAtMs: number;
  /** When the oldest change in it was heard of; null where no change caused it. */
  readonly heardAtMs: number | null;
  skuIds: Set<string>;
  restarted: boolean;
};

/**
 * Passes changed rows on to some lanes of one room. Modes: quiet → a change is flushed at once, after the input of this turn ·
 * window open (max(windowMsMin, windowWalks × the last walk)) → changes merge, critical edges bypass once per item · walking → changes wait for
 * the end of the walk, a critical edge restarts it once with the merged newest rows, beginning with those not served yet.
 * At most one frame is on its way at any time, so nothing queues but the newest level of each item.
 */
export class LaneFlusher implements Walker {
  readonly rank: 0 | 1;
  readonly #parts: FlusherParts;
  #segments: Segment[] = [];
  #walk: Walk | null = null;
  /** Dirty rows that a joining member has seen already: "shows the same as before" must not take them from it or from the others. */
  readonly #forced = new Set<string>();
  /** Items whose status changed and which may bypass the window; an item may once in each. */
  readonly #urgent = new Set<string>();
  readonly #bypassed = new Set<string>();
  #windowEndsAtMs = 0;
  #criticalFromMs = 0;
  #heardAtMs: number | null = null;
  #owesUpTo = false;
  #runSoon = false;
  #cancelTimer: (() => void) | null = null;
  #closed = false;

  constructor(parts: FlusherParts) {
    this.#parts = parts;
    this.rank = parts.rank;
  }

  get pending(): boolean {
    return this.#segments.length > 0;
  }

  /** The item's status changed: its row may bypass the window. Call `touch` after. */
  edge(skuId: string): void {
    if (!this.#bypassed.has(skuId)) this.#urgent.add(skuId);
  }

  /** Rows may have become dirty. */
  touch(): void {
    if (this.#closed || (this.#parts.source.dirty.size === 0 && !this.#owesUpTo)) return;
    const nowMs = this.#parts.clock.now();
    this.#heardAtMs ??= nowMs;
    if (this.#walk !== null) {
      if (this.#mayRestart(this.#walk)) this.#soon();
      return;
    }
    const urgent = this.#urgent.size > 0;
    const waitMs = Math.min(this.#windowEndsAtMs, urgent ? this.#criticalFromMs : this.#windowEndsAtMs) - nowMs;
    if (waitMs <= 0) this.#soon();
    else if (urgent || this.#cancelTimer === null) this.#wait(waitMs);
  }

  /** A member was given every row, also those that are dirty. */
  forceDirty(): void {
    for (const skuId of this.#parts.source.dirty) this.#forced.add(skuId);
  }

  /** Members whose last changes showed them nothing new still have to learn `upTo`. */
  settleUpTo(): void {
    const { upTo } = this.#parts.source.deliverable();
    if (this.#parts.lanes.every((lane) => lane.members.size === 0 || lane.upTo >= upTo)) return;
    this.#owesUpTo = true;
    // At once where that is possible: the heartbeat that follows must find nobody behind.
    if (this.#walk === null && this.#parts.clock.now() >= this.#windowEndsAtMs) this.#run();
    else this.touch();
  }

  /** Heartbeats and descriptions: after what is on its way, before what comes. A newer one replaces one that has not begun. */
  announce(event: 'stock:heartbeat' | 'livestream:changed', payload: object): void {
    if (this.#closed) return;
    this.#segments = this.#segments.filter(({ broadcast, begun }) => begun || broadcast.event !== event);
    for (const audience of this.#parts.lanes) this.#send(audience, { kind: 'notice', event, payload });
  }

  /** A complete snapshot to every member: a new epoch, or another way of showing. Frames that still wait are void. */
  replaceAll(): void {
    if (this.#closed) return;
    const { source, lanes } = this.#parts;
    const skuIds = new Set(source.everything());
    this.#dropFrames();
    this.#begin('snapshot', skuIds);
    const rows = source.rows(skuIds, skuIds);
    source.dirty.clear();
    this.#forced.clear();
    this.#urgent.clear();
    this.#heardAtMs = null;
    const point = source.deliverable();
    for (const audience of lanes) {
      audience.upTo = point.upTo;
      if (audience.members.size === 0) continue;
      audience.frame += 1;
      const payload = source.snapshot(audience, rows, point);
      this.#send(audience, { kind: 'frame', event: 'stock:snapshot', payload, frame: audience.frame, point });
    }
    this.#endIfDone();
  }

  step(budget: number): number {
    const { writer, clock, metrics } = this.#parts;
    let passed = 0;
    while (passed < budget && this.#segments[0] !== undefined) {
      const segment = this.#segments[0];
      const nowMs = clock.now();
      passed += segment.step(budget - passed, writer, nowMs);
      if (!segment.done) continue;
      this.#segments.shift();
      if (segment.broadcast.kind !== 'frame') continue;
      metrics.frames.inc({ lane: segment.lane });
      const heardAtMs = this.#walk?.heardAtMs ?? nowMs;
      metrics.pushAgeSeconds.observe({ lane: segment.lane }, Math.max(0, nowMs - heardAtMs) / 1_000);
    }
    this.#endIfDone();
    return passed;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#segments = [];
  }

  #soon(): void {
    if (this.#runSoon) return;
    this.#runSoon = true;
    this.#parts.timers.soon(() => {
      this.#runSoon = false;
      this.#run();
    });
  }

  #wait(waitMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.timers.after(waitMs, () => {
      this.#cancelTimer = null;
      this.#run();
    });
  }

  #run(): void {
    if (this.#closed) return;
    const nowMs = this.#parts.clock.now();
    const { dirty } = this.#parts.source;
    if (this.#walk !== null) {
      if (this.#mayRestart(this.#walk)) this.#restart(this.#walk);
    } else if (nowMs >= this.#windowEndsAtMs) {
      if (dirty.size > 0 || this.#owesUpTo) this.#flushAll(nowMs);
    } else if (this.#urgent.size > 0 && nowMs >= this.#criticalFromMs) this.#flushCritical();
    else this.touch();
  }

  #flushAll(nowMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#bypassed.clear();
    this.#urgent.clear();
    this.#windowEndsAtMs = nowMs + this.#windowMs();
    this.#begin('full', new Set(this.#parts.source.dirty));
    this.#sendRows('full');
  }

  /** A frame to a small room costs next to nothing, so that its members need not wait as long for the next one. */
  #windowMs(): number {
    const { lanes, windowMsMin, windowMsSmall } = this.#parts;
    const size = lanes.reduce((sum, { members }) => sum + members.size, 0);
    return size <= SMALL_ROOM ? Math.min(windowMsMin, windowMsSmall) : windowMsMin;
  }

  #flushCritical(): void {
    const { dirty } = this.#parts.source;
    const skuIds = new Set([...this.#urgent].filter((skuId) => dirty.has(skuId)));
    this.#takeUrgent();
    this.#begin('critical', skuIds);
    this.#sendRows('critical');
  }

  /** Once per walk: each restart serves somebody twice, and the end of the walk must come. */
  #mayRestart(walk: Walk): boolean {
    return this.#urgent.size > 0 && !walk.restarted && walk.kind !== 'snapshot';
  }

  #restart(walk: Walk): void {
    // What some members have not been sent yet must go to them, whether or not it shows anything new to the others.
    for (const skuId of walk.skuIds) this.#forced.add(skuId);
    for (const segment of this.#segments) {
      const audience = this.#parts.lanes.find(({ lane }) => lane === segment.lane);
      if (segment.broadcast.kind === 'frame' && audience !== undefined) audience.start = segment.position;
    }
    this.#dropFrames();
    this.#takeUrgent();
    walk.restarted = true;
    walk.kind = 'full';
    walk.skuIds = new Set([...walk.skuIds, ...this.#parts.source.dirty]);
    this.#sendRows('full');
  }

  #takeUrgent(): void {
    for (const skuId of this.#urgent) this.#bypassed.add(skuId);
    this.#urgent.clear();
  }

  #begin(kind: Walk['kind'], skuIds: Set<string>): void {
    this.#walk = {
      kind,
      beganAtMs: this.#parts.clock.now(),
      heardAtMs: this.#heardAtMs,
      skuIds,
      restarted: false,
    };
  }

  /** Sends the walk's items to every lane that has members; rows of lanes of one flusher are the same. */
  #sendRows(kind: 'full' | 'critical'): void {
    const { source, lanes } = this.#parts;
    const skuIds = this.#walk?.skuIds ?? new Set<string>();
    const rows = source.rows(skuIds, this.#forced);
    for (const skuId of skuIds) {
      source.dirty.delete(skuId);
      this.#forced.delete(skuId);
    }
    if (source.dirty.size === 0) this.#heardAtMs = null;
    const point = kind === 'critical' ? null : source.deliverable();
    for (const audience of lanes) {
      const owesUpTo = point !== null && this.#owesUpTo && audience.upTo < point.upTo;
      if (audience.members.size === 0 || (rows.length === 0 && !owesUpTo)) continue;
      audience.frame += 1;
      if (point !== null) audience.upTo = point.upTo;
      const payload = levelsPayload(source.livestreamId, audience.frame, source.deliverable().epoch, { point, rows });
      this.#send(audience, { kind: 'frame', event: 'stock:levels', payload, frame: audience.frame, point });
    }
    if (point !== null) this.#owesUpTo = false;
    if (this.pending) this.#parts.loop.begin(this);
    this.#endIfDone();
  }

  #send(audience: LaneAudience, broadcast: Broadcast): void {
    if (audience.members.size === 0) return;
    this.#segments.push(new Segment(broadcast, audience.lane, audience.members.lend(), audience.start));
    // A step that has no divisor in common with most sizes visits every starting place.
    audience.start = (audience.start + 61) % audience.members.size;
    this.#parts.loop.wake(this);
  }

  #dropFrames(): void {
    this.#segments = this.#segments.filter(({ broadcast }) => broadcast.kind === 'notice');
  }

  #endIfDone(): void {
    const walk = this.#walk;
    if (walk === null || this.#segments.some(({ broadcast }) => broadcast.kind === 'frame')) return;
    this.#walk = null;
    const nowMs = this.#parts.clock.now();
    const durationMs = nowMs - walk.beganAtMs;
    if (walk.kind === 'critical') this.#criticalFromMs = nowMs + durationMs;
    else this.#windowEndsAtMs = Math.max(this.#windowEndsAtMs, walk.beganAtMs + this.#parts.windowWalks * durationMs);
    this.touch();
  }
}

function levelsPayload(
  livestreamId: string,
  frame: number,
  epoch: number,
  { point, rows }: { point: DeliveredPoint | null; rows: Row[] },
): StockLevels {
  return { livestreamId, frame, epoch, ...(point === null ? {} : { upTo: point.upTo }), rows };
}
