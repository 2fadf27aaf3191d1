import type { GateReading, ItemLevel, LevelChange } from '../stock/stock-engine.ts';
import { Conflator } from './conflator.ts';

/** A place in the gate's history. */
export type GatePoint = { readonly epoch: number; readonly version: number };

/** V1: first the epoch, then the version. Negative: `a` is older. */
export const comparePoints = (a: GatePoint, b: GatePoint): number => a.epoch - b.epoch || a.version - b.version;

/** Changes that are kept while one before them is missing; what falls out is found again by the next reading. */
const AHEAD_MAX = 256;

/** `backwards`: the gate has an older point than the one that was known when the reading began. */
export type AdoptOutcome = 'newer_epoch' | 'same_epoch' | 'backwards';

/**
 * A node's copy of one gate: newest levels, and the version up to which nothing is missing (V2). Pure: no clock, no I/O.
 * Rows beyond a gap are passed on at once, because the newest level is the truth; only `version` waits for the gap to close.
 */
export class GateView {
  readonly conflator = new Conflator();
  readonly #onEdge: (skuId: string) => void;
  #version = 0;
  #ahead: LevelChange[] = [];

  /** `onEdge` hears of every item whose status changed within an epoch. */
  constructor(onEdge: (skuId: string) => void) {
    this.#onEdge = onEdge;
  }

  /** Every change up to this point is in the view. Epoch −1: nothing is known yet. */
  get point(): GatePoint {
    return { epoch: this.conflator.epoch, version: this.#version };
  }

  /** A change is missing, or a newer epoch was heard of: read the gate. */
  get behind(): boolean {
    return this.#ahead.length > 0;
  }

  hear(change: LevelChange): void {
    if (change.epoch < this.conflator.epoch) return;
    if (change.epoch === this.conflator.epoch) {
      for (const level of change.rows) this.#put(change.epoch, level);
      if (change.version <= this.#version) return;
      if (change.previousVersion <= this.#version) {
        this.#version = change.version;
        if (this.#ahead.length > 0) this.#closeGaps();
        return;
      }
    }
    this.#ahead.push(change);
    if (this.#ahead.length > AHEAD_MAX) this.#ahead.shift();
  }

  /** `since`: the view's point when the reading began; only against that can a gate be seen to go backwards. */
  adopt(reading: GateReading, since: GatePoint): AdoptOutcome {
    if (comparePoints(reading, since) < 0) return 'backwards';
    if (reading.epoch < this.conflator.epoch) return 'same_epoch';
    const newerEpoch = reading.epoch > this.conflator.epoch;
    if (newerEpoch) {
      this.conflator.restart(reading.epoch);
      this.#version = 0;
    }
    for (const level of reading.items) this.#put(reading.epoch, level);
    this.#version = Math.max(this.#version, reading.version);
    this.#closeGaps();
    return newerEpoch ? 'newer_epoch' : 'same_epoch';
  }

  #closeGaps(): void {
    const waiting = this.#ahead.toSorted(comparePoints);
    this.#ahead = [];
    for (const change of waiting) this.hear(change);
  }

  #put(epoch: number, level: ItemLevel): void {
    const outcome = this.conflator.put(epoch, level);
    if (outcome.kind === 'newer' && outcome.previous !== null && outcome.previous.status !== level.status) {
      this.#onEdge(level.skuId);
    }
  }
}
