import type { Logger } from 'pino';
import type { StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Clock } from '../lib/clock.ts';
import type { Timers } from '../lib/timers.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import { GateWatch, type GateWatchSettings } from './gate-watch.ts';
import { InfoWatch } from './info-watch.ts';
import { LaneAudience, LaneFlusher } from './lane-flusher.ts';
import { fullEncoder, lanesInOrder, type RowEncoder, viewerEncoder } from './lanes.ts';
import { acknowledge, type Member, mayResync, noteMerged, noteSnapshot, overCredit } from './members.ts';
import type { Presence } from './presence.ts';
import { RoomRows } from './room-rows.ts';
import type { LevelWriter } from './segment.ts';
import type { SliceLoop } from './slices.ts';

export type FanoutSettings = {
  readonly gate: GateWatchSettings;
  /** Window of viewers, ms; operators and anchor have none of their own: only turns of the event loop merge for them. */
  readonly windowMsMin: number;
  /** The same in small rooms. */
  readonly windowMsSmall: number;
  /** The window is at least so many times as long as the last walk: 2 leaves half of the time to others. */
  readonly windowWalks: number;
  readonly heartbeatMs: number;
  /** A room without members stays open this long, for those who come back. */
  readonly lingerMs: number;
  /** The gate of an ended livestream must be missing for this long before the room stops looking for it. */
  readonly archivedAfterMs: number;
};

export type RoomParts = {
  readonly engine: StockEngine;
  readonly catalogue: Pick<LivestreamCatalogue, 'info'>;
  readonly presence: Presence;
  readonly writer: LevelWriter;
  readonly loop: SliceLoop;
  /** Durations: should not be set back. */
  readonly clock: Clock;
  /** What clients are told the time is; default: `clock`. */
  readonly wallClock?: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly settings: FanoutSettings;
  /** B4: a gate that goes backwards has to be rebuilt. */
  readonly onGateBackwards: (livestreamId: string) => void;
};

export type Resume = { readonly epoch: number; readonly upTo: number };

/** One livestream on one node, while it has members here. */
export class Room {
  readonly livestreamId: string;
  readonly #parts: RoomParts;
  readonly #watch: GateWatch;
  readonly #infoWatch: InfoWatch;
  readonly #audiences = lanesInOrder.map((lane) => new LaneAudience(lane));
  readonly #rows: { readonly full: RoomRows; readonly viewers: RoomRows };
  readonly #flushers: { readonly full: LaneFlusher; readonly viewers: LaneFlusher };
  #viewersTotal = 0;
  #counting = false;
  #toldStale = false;
  #missingSinceMs: number | null = null;
  #archived = false;
  #cancelHeartbeat: (() => void) | null = null;
  #closed = false;

  constructor(info: LivestreamInfo, parts: RoomParts) {
    this.livestreamId = info.livestreamId;
    this.#parts = parts;
    const { engine, clock, timers, log, catalogue } = parts;
    const hooks = {
      moved: () => this.#touch(),
      edge: (skuId: string) => this.#eachFlusher((flusher) => flusher.edge(skuId)),
      newEpoch: () => this.#eachFlusher((flusher) => flusher.replaceAll()),
      infoRev: (infoRev: number) => this.#infoWatch.want(infoRev),
      health: () => this.#tellHealth(),
      wentBackwards: () => {
        log.error({ livestreamId: info.livestreamId }, 'the gate went back to an older version: it needs a rebuild');
        parts.onGateBackwards(info.livestreamId);
      },
    };
    this.#watch = new GateWatch({
      livestreamId: info.livestreamId,
      engine,
      clock,
      timers,
      log,
      settings: parts.settings.gate,
      hooks,
    });
    this.#infoWatch = new InfoWatch({
      info,
      catalogue,
      log,
      onChange: (before, now) => this.#infoChanged(before, now),
    });
    const roomRows = (encoder: RowEncoder): RoomRows =>
      new RoomRows({
        livestreamId: info.livestreamId,
        view: this.#watch.view,
        itemOf: (skuId) => this.#infoWatch.item(skuId),
        infoRev: () => this.info.infoRev,
        certain: () => this.#watch.state === 'answers' && !this.#watch.view.behind,
        encoder,
        status: () => ({ serverNowMs: this.#nowForClients(), viewers: this.viewers, stale: this.stale }),
      });
    this.#rows = { full: roomRows(fullEncoder), viewers: roomRows(viewerEncoder()) };
    const flusher = (rows: RoomRows, rank: 0 | 1, windowMsMin: number): LaneFlusher =>
      new LaneFlusher({
        ...parts,
        source: rows,
        rank,
        windowMsMin,
        windowMsSmall: parts.settings.windowMsSmall,
        windowWalks: parts.settings.windowWalks,
        lanes: this.#audiences.filter(({ lane }) => (lane === 'viewers') === (rank === 1)),
      });
    this.#flushers = {
      full: flusher(this.#rows.full, 0, 0),
      viewers: flusher(this.#rows.viewers, 1, parts.settings.windowMsMin),
    };
  }

  get info(): LivestreamInfo {
    return this.#infoWatch.info;
  }

  get size(): number {
    return this.#audiences.reduce((sum, { members }) => sum + members.size, 0);
  }

  /** Numbers may be old. A draft, and an ended livestream whose gate is archived, have no gate that could be missed. */
  get stale(): boolean {
    const { state } = this.info;
    if (this.#archived || (this.#watch.state === 'missing' && (state === 'draft' || state === 'ended'))) return false;
    return this.#watch.stale;
  }

  /** People in the room over all nodes. */
  get viewers(): number {
    return Math.max(this.#viewersTotal, this.#viewersHere);
  }

  /** Rejects with `GateUnavailable` when the gate's messages cannot be followed. */
  async open(): Promise<void> {
    await this.#watch.open();
    void this.#count();
    this.#scheduleHeartbeat();
  }

  /** Sends the snapshot and lets the member in: from here on it gets every frame of its lane. */
  async join(member: Member, resume: Resume | undefined): Promise<void> {
    await this.#catchUpWith(resume);
    if (this.#closed || member.gone) return;
    this.#sendSnapshot(member, resume);
    this.#audienceOf(member).members.add(member);
  }

  leave(member: Member): void {
    this.#audienceOf(member).members.remove(member);
  }

  acknowledge(member: Member, frame: number): void {
    const nowMs = this.#parts.clock.now();
    acknowledge(member, frame, nowMs);
    if (member.stalled && !member.gone && !overCredit(member, nowMs)) this.#sendMerged(member);
  }

  /** False: this client asks too often without acknowledging anything. */
  async resync(member: Member, resume: Resume | undefined): Promise<boolean> {
    if (!mayResync(member, this.#parts.clock.now())) return false;
    await this.#catchUpWith(resume);
    if (!this.#closed && !member.gone) this.#sendSnapshot(member, resume);
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelHeartbeat?.();
    this.#eachFlusher((flusher) => flusher.close());
    this.#parts.metrics.viewers.remove({ livestream: this.livestreamId });
    await Promise.allSettled([this.#watch.close(), this.#parts.presence.report(this.livestreamId, 0)]);
  }

  get #viewersHere(): number {
    return this.#audienceOf({ lane: 'viewers' }).members.counted;
  }

  #audienceOf({ lane }: Pick<Member, 'lane'>): LaneAudience {
    const audience = this.#audiences[lanesInOrder.indexOf(lane)];
    if (audience === undefined) throw new Error(`no lane ${lane}`);
    return audience;
  }

  #sideOf({ lane }: Pick<Member, 'lane'>): 'viewers' | 'full' {
    return lane === 'viewers' ? 'viewers' : 'full';
  }

  /** Operators and anchor first. */
  #eachFlusher(each: (flusher: LaneFlusher) => void): void {
    each(this.#flushers.full);
    each(this.#flushers.viewers);
  }

  #touch(): void {
    this.#eachFlusher((flusher) => flusher.touch());
  }

  /** A client that comes from another node may know more than this one: then the gate is read first, once for all of them. */
  async #catchUpWith(resume: Resume | undefined): Promise<void> {
    const rows = this.#rows.viewers;
    if (resume === undefined || !rows.isAhead(resume)) return;
    await this.#watch.catchUp();
    // A reading that was under way already may be older than what the client knows; the next one is not.
    if (rows.isAhead(resume)) await this.#watch.catchUp();
    if (rows.isAhead(resume) && this.#watch.state !== 'answers') rows.doubt();
  }

  #sendSnapshot(member: Member, resume: Resume | undefined): void {
    const side = this.#sideOf(member);
    const audience = this.#audienceOf(member);
    const rows = this.#rows[side];
    this.#flushers[side].forceDirty();
    const since = resume !== undefined && rows.canResume(resume) ? resume.upTo : -1;
    const at = { state: `${rows.state} ${audience.frame}`, since, nowMs: this.#parts.clock.now() };
    const { payload, point } = audience.snapshots.take(at, () => {
      const newer = rows.plainRows(since);
      const delivered = rows.deliverable();
      return { payload: { ...rows.snapshot(audience, newer, delivered), complete: since < 0 }, point: delivered };
    });
    noteSnapshot(member, audience.frame, point);
    this.#sendMissedInfo(member);
    this.#parts.writer.write([member.socket], 'stock:snapshot', payload);
  }

  /** Everything that a member missed while it was over its credit, in one frame: newest rows only. */
  #sendMerged(member: Member): void {
    const side = this.#sideOf(member);
    const { frame, merged } = this.#audienceOf(member);
    const rows = this.#rows[side];
    if (!rows.canResume(member)) {
      this.#sendSnapshot(member, undefined);
      return;
    }
    this.#flushers[side].forceDirty();
    const nowMs = this.#parts.clock.now();
    const at = { state: `${rows.state} ${frame}`, since: member.upTo, nowMs };
    const { payload, point } = merged.take(at, () => {
      const newer = rows.plainRows(member.upTo);
      const delivered = rows.deliverable();
      const levels: StockLevels = { livestreamId: this.livestreamId, frame, ...delivered, rows: newer };
      return { payload: levels, point: delivered };
    });
    noteMerged(member, frame, point, nowMs);
    this.#sendMissedInfo(member);
    this.#parts.writer.write([member.socket], 'stock:levels', payload);
  }

  #sendMissedInfo(member: Member): void {
    if (!member.missedInfo) return;
    member.missedInfo = false;
    this.#parts.writer.write([member.socket], 'livestream:changed', this.info);
  }

  /** The description first, so that rows of new items find their item at the client. */
  #infoChanged(before: LivestreamInfo, now: LivestreamInfo): void {
    if (this.#closed) return;
    this.#eachFlusher((flusher) => flusher.announce('livestream:changed', now));
    const waiting = [...this.#rows.full.takeWaiting(), ...this.#rows.viewers.takeWaiting()];
    this.#watch.view.conflator.touch(waiting);
    const displays = new Map(before.items.map((item) => [item.skuId, JSON.stringify(item.display)]));
    const shownOtherwise = now.items.some(
      ({ skuId, display }) => displays.has(skuId) && displays.get(skuId) !== JSON.stringify(display),
    );
    if (shownOtherwise) {
      this.#rows.viewers.showOtherwise();
      this.#flushers.viewers.replaceAll();
    }
    this.#touch();
  }

  #nowForClients(): number {
    return (this.#parts.wallClock ?? this.#parts.clock).now();
  }

  #tellHealth(): void {
    if (this.#closed || this.stale === this.#toldStale) return;
    this.#toldStale = this.stale;
    this.#heartbeat();
  }

  #heartbeat(): void {
    const { epoch, version } = this.#watch.gatePoint;
    const heartbeat: StockHeartbeat = {
      livestreamId: this.livestreamId,
      epoch: Math.max(0, epoch),
      upTo: version,
      serverNowMs: this.#nowForClients(),
      viewers: this.viewers,
      stale: this.stale,
    };
    this.#eachFlusher((flusher) => flusher.announce('stock:heartbeat', heartbeat));
  }

  #scheduleHeartbeat(): void {
    if (this.#closed) return;
    this.#cancelHeartbeat = this.#parts.timers.after(this.#parts.settings.heartbeatMs, () => {
      this.#eachFlusher((flusher) => flusher.settleUpTo());
      void this.#count();
      this.#toldStale = this.stale;
      this.#heartbeat();
      this.#restWhenArchived();
      this.#scheduleHeartbeat();
    });
  }

  /** An ended livestream without a gate: nothing will change any more, so nobody has to look. Heartbeats go on for those who stay. */
  #restWhenArchived(): void {
    if (this.#archived) return;
    const nowMs = this.#parts.clock.now();
    if (this.info.state !== 'ended' || this.#watch.state !== 'missing') this.#missingSinceMs = null;
    else this.#missingSinceMs ??= nowMs;
    if (this.#missingSinceMs === null || nowMs - this.#missingSinceMs < this.#parts.settings.archivedAfterMs) return;
    this.#archived = true;
    void this.#watch
      .close()
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'could not stop following'));
  }

  async #count(): Promise<void> {
    const { presence, metrics, log } = this.#parts;
    metrics.viewers.set({ livestream: this.livestreamId }, this.#viewersHere);
    if (this.#counting) return;
    this.#counting = true;
    try {
      await presence.report(this.livestreamId, this.#viewersHere);
      this.#viewersTotal = await presence.total(this.livestreamId);
    } catch (error) {
      log.debug({ err: error }, 'viewers of other nodes are not known just now');
      this.#viewersTotal = 0;
    } finally {
      this.#counting = false;
    }
  }
}
