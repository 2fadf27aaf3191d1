import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { Timers } from '../lib/timers.ts';
import type { LevelChange, StockEngine } from '../stock/stock-engine.ts';
import { comparePoints, type GatePoint, GateView } from './gate-view.ts';

export type GateWatchParts = {
  readonly livestreamId: string;
  readonly engine: StockEngine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly settings: GateWatchSettings;
  readonly hooks: GateWatchHooks;
};

export type GateWatchSettings = {
  /** Pause between two looks at the gate against lost messages: ≤ 500 ms, so that a lost one is noticed within 1 s. */
  readonly pollMs: number;
  /** A message that the poll was faster than has this long to arrive before the gate is read. */
  readonly graceMs: number;
  /** Between the beginnings of two readings, whatever asks for them. */
  readonly readPauseMs: number;
  /** Levels are stale when the gate has not answered for this long. */
  readonly staleAfterMs: number;
};

export const gateWatchDefaults: GateWatchSettings = { pollMs: 500, graceMs: 50, readPauseMs: 100, staleAfterMs: 2_000 };

export type GateWatchHooks = {
  /** Levels changed within the epoch. */
  moved(): void;
  edge(skuId: string): void;
  newEpoch(): void;
  /** The gate names this revision of the livestream's description. */
  infoRev(infoRev: number): void;
  /** `stale` may have changed. */
  health(): void;
  /** The gate showed an older point than before, confirmed by reading (B4): somebody has to rebuild it. */
  wentBackwards(point: GatePoint): void;
};

/** `missing`: the gate answers that it does not exist (rebuild under way, or nothing on sale yet). */
type GateState = 'answers' | 'missing' | 'unreachable' | 'backwards';

/**
 * Keeps a `GateView` true: follows the gate's messages, reads it when one is missing (V2), and looks at its version against messages
 * that were lost without a trace. Subscribes before the first reading, so that nothing falls between the two.
 */
export class GateWatch {
  readonly view: GateView;
  readonly #parts: GateWatchParts;
  #state: GateState = 'unreachable';
  #seen: GatePoint = { epoch: -1, version: 0 };
  #answeredAtMs = 0;
  #unfollow: (() => Promise<void>) | null = null;
  #cancelPoll: (() => void) | null = null;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #inFlight = false;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(parts: GateWatchParts) {
    this.#parts = parts;
    this.view = new GateView((skuId) => parts.hooks.edge(skuId));
  }

  get state(): GateState {
    return this.#state;
  }

  /** True when the gate cannot be asked just now, is missing, or contradicts what it said before. */
  get stale(): boolean {
    const silentMs = this.#parts.clock.now() - this.#answeredAtMs;
    return this.#state !== 'answers' || silentMs > this.#parts.settings.staleAfterMs;
  }

  /** The newest point that the gate itself named: in an answer to the poll or in a message, never only this node's memory. */
  get gatePoint(): GatePoint {
    const known = this.view.point;
    return comparePoints(this.#seen, known) > 0 ? this.#seen : known;
  }

  /** Rejects when the subscription cannot be made; a gate that cannot be read is `stale` and read again later. */
  async open(): Promise<void> {
    const { engine, livestreamId } = this.#parts;
    this.#unfollow = await engine.follow(livestreamId, {
      change: (change) => this.#hear(change),
      interrupted: () => void this.catchUp(),
    });
    await this.catchUp();
    this.#schedulePoll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelPoll?.();
    await this.#unfollow?.();
  }

  /** Reads the gate: one reading at a time for all who ask, at most one in `readPauseMs`. */
  catchUp(): Promise<void> {
    // What is being read now may be older than the reason for asking.
    if (this.#inFlight) this.#readAgain = true;
    this.#reading ??= this.#readWhenDue().finally(() => {
      this.#reading = null;
      const again = this.#readAgain || (this.view.behind && this.#state === 'answers');
      this.#readAgain = false;
      if (again && !this.#closed) void this.catchUp();
    });
    return this.#reading;
  }

  #hear(change: LevelChange): void {
    if (this.#closed) return;
    this.view.hear(change);
    if (this.view.behind) void this.catchUp();
    this.#parts.hooks.infoRev(change.infoRev);
    this.#parts.hooks.moved();
  }

  async #readWhenDue(): Promise<void> {
    const { clock, timers, settings } = this.#parts;
    const waitMs = this.#readAtMs + settings.readPauseMs - clock.now();
    if (waitMs > 0) await new Promise<void>((resolve) => timers.after(waitMs, resolve));
    if (this.#closed) return;
    this.#readAtMs = clock.now();
    this.#inFlight = true;
    try {
      await this.#read();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#inFlight = false;
    }
  }

  async #read(): Promise<void> {
    const { engine, livestreamId, hooks } = this.#parts;
    const since = this.view.point;
    const reading = await engine.read(livestreamId);
    if (this.#closed) return;
    if (reading === null) {
      this.#enter('missing');
      return;
    }
    this.#answered(reading);
    const outcome = this.view.adopt(reading, since);
    if (outcome === 'backwards') {
      if (this.#state !== 'backwards') hooks.wentBackwards(reading);
      this.#enter('backwards');
      return;
    }
    this.#enter('answers');
    if (outcome === 'newer_epoch') hooks.newEpoch();
    hooks.infoRev(reading.infoRev);
    hooks.moved();
  }

  #schedulePoll(): void {
    if (this.#closed) return;
    this.#cancelPoll = this.#parts.timers.after(this.#parts.settings.pollMs, () => {
      void this.#poll()
        .catch((error: unknown) => this.#failed(error))
        .finally(() => this.#schedulePoll());
    });
  }

  async #poll(): Promise<void> {
    const since = this.view.point;
    const seen = await this.#parts.engine.peek(this.#parts.livestreamId);
    if (this.#closed) return;
    if (seen === null) {
      this.#enter('missing');
      return;
    }
    this.#answered(seen);
    // A version that went backwards is only believed after a reading; it stays `backwards` until one says otherwise.
    if (comparePoints(seen, since) < 0 || this.#state === 'backwards' || this.view.behind) await this.catchUp();
    else {
      this.#enter('answers');
      if (comparePoints(seen, this.view.point) > 0) this.#readUnlessHeard(seen);
    }
    this.#parts.hooks.infoRev(seen.infoRev);
  }

  #readUnlessHeard(seen: GatePoint): void {
    this.#parts.timers.after(this.#parts.settings.graceMs, () => {
      if (!this.#closed && comparePoints(seen, this.view.point) > 0) void this.catchUp();
    });
  }

  #answered(point: GatePoint): void {
    this.#seen = { epoch: point.epoch, version: point.version };
    this.#answeredAtMs = this.#parts.clock.now();
  }

  #failed(error: unknown): void {
    const { log, livestreamId } = this.#parts;
    if (this.#state !== 'unreachable') log.warn({ err: error, livestreamId }, 'the gate does not answer');
    this.#enter('unreachable');
  }

  #enter(state: GateState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#parts.hooks.health();
  }
}
