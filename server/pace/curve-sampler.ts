import type { CurvePoint } from '../../contract/pace.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { secondOf } from './sales-window.ts';

/** An item's last state in one second. */
export type Sample = {
  readonly livestreamId: string;
  readonly skuId: string;
  /** Seconds since 1970. */
  readonly second: number;
  readonly consumed: number;
  readonly available: number;
  /** Of the gate's level: of two samples of one second the greater one is newer. */
  readonly version: number;
};

type Track = {
  last: Sample;
  /** The plateau after the last change has its first point. */
  settled: boolean;
  /** False: known from the database only; what happened since then was seen by nobody here. */
  seen: boolean;
};

/** How long samples are kept for answers to those who come now, and how long ago is a moment ago: longer than a hand-over takes. */
export const recentSeconds = 15;

export const pointOf = ({ second, consumed, available }: Sample): CurvePoint => [second * 1_000, consumed, available];

/**
 * Turns levels into samples: one per item and second in which it changed, with the last state of that second; one more in the second
 * after the last change; and one at the end of a plateau, so that a line between two points is never drawn across a quiet time.
 * A sample of the second under way is told at once and told again when it changes.
 */
export class CurveSampler {
  readonly #tracks = new Map<string, Map<string, Track>>();
  readonly #queue: SampleQueue;
  /** Samples since `takeNew`, by livestream. */
  #fresh = new Map<string, Map<string, Sample>>();

  constructor(queue: SampleQueue) {
    this.#queue = queue;
  }

  /** What the database knows of an item from before this node watched. Nothing is sampled while it stays as it was. */
  restore(sample: Sample): void {
    const tracks = this.#tracksOf(sample.livestreamId);
    if (!tracks.has(sample.skuId)) tracks.set(sample.skuId, { last: sample, settled: true, seen: false });
  }

  /** Samples that nobody took when it was time: they are stored and told as if somebody had. */
  makeUpFor(samples: readonly Sample[]): void {
    for (const sample of samples) this.#put(sample);
  }

  /** An item's level at `atMs`; returns by how much its consumption rose since the last one: 0 for the first, never below. */
  observe(livestreamId: string, level: ItemLevel, atMs: number): number {
    const tracks = this.#tracksOf(livestreamId);
    const track = tracks.get(level.skuId);
    const second = Math.max(secondOf(atMs), track?.last.second ?? 0);
    const { skuId, available, version } = level;
    const sample = { livestreamId, skuId, second, consumed: level.held + level.sold, available, version };
    if (track === undefined) {
      tracks.set(skuId, { last: sample, settled: false, seen: true });
      this.#put(sample);
      return 0;
    }
    const { last, seen } = track;
    track.seen = true;
    if (sample.consumed === last.consumed && sample.available === last.available) return 0;
    if (seen && second > last.second + 1) this.#put({ ...last, second: second - 1 });
    track.last = sample;
    track.settled = false;
    this.#put(sample);
    // What was sold while nobody here looked on was not sold in this second, unless that was a moment ago.
    return seen || second - last.second <= recentSeconds ? Math.max(0, sample.consumed - last.consumed) : 0;
  }

  /** Ends the change of items that stood still for a whole second: the one after their last sample, in its last state. */
  settle(nowMs: number): void {
    const now = secondOf(nowMs);
    for (const tracks of this.#tracks.values()) {
      for (const track of tracks.values()) {
        if (track.settled || now < track.last.second + 2) continue;
        track.last = { ...track.last, second: track.last.second + 1 };
        track.settled = true;
        this.#put(track.last);
      }
    }
  }

  /** Samples since the last call, oldest first; each item's second once, in its newest state. */
  takeNew(): ReadonlyMap<string, readonly Sample[]> {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    return new Map(
      [...fresh].map(([livestreamId, samples]) => [livestreamId, [...samples.values()].toSorted(bySecond)]),
    );
  }

  forget(livestreamId: string): void {
    this.#tracks.delete(livestreamId);
    this.#fresh.delete(livestreamId);
  }

  #tracksOf(livestreamId: string): Map<string, Track> {
    const known = this.#tracks.get(livestreamId);
    if (known !== undefined) return known;
    const tracks = new Map<string, Track>();
    this.#tracks.set(livestreamId, tracks);
    return tracks;
  }

  #put(sample: Sample): void {
    this.#queue.put(sample);
    const fresh = this.#fresh.get(sample.livestreamId) ?? new Map<string, Sample>();
    this.#fresh.set(sample.livestreamId, fresh.set(`${sample.skuId}/${sample.second}`, sample));
  }
}

const bySecond = (a: Sample, b: Sample): number => a.second - b.second;

const keyOf = ({ livestreamId, skuId, second }: Sample): string => `${livestreamId}/${skuId}/${second}`;

/**
 * Samples that wait for the database, each item's second once. Bounded: beyond `lengthMax` the oldest goes and is counted. What is written
 * stays for 15 s, for answers to those who come now.
 */
export class SampleQueue {
  readonly #lengthMax: number;
  #waiting = new Map<string, Sample>();
  /** By livestream, oldest first. */
  readonly #recent = new Map<string, Map<string, Sample>>();
  #dropped = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#waiting.size;
  }

  /** Samples that were lost because the database was away for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  put(sample: Sample): void {
    const key = keyOf(sample);
    this.#waiting.set(key, sample);
    if (this.#waiting.size > this.#lengthMax) {
      for (const oldest of this.#waiting.keys()) {
        this.#waiting.delete(oldest);
        break;
      }
      this.#dropped += 1;
    }
    const recent = this.#recent.get(sample.livestreamId) ?? new Map<string, Sample>();
    this.#recent.set(sample.livestreamId, recent.set(key, sample));
  }

  /** The oldest waiting samples, at most `limit`; they stay until they are `written`. */
  head(limit: number): readonly Sample[] {
    const head: Sample[] = [];
    for (const sample of this.#waiting.values()) {
      if (head.length === limit) break;
      head.push(sample);
    }
    return head;
  }

  /** These are durable; a newer state of the same second goes on waiting. */
  written(samples: readonly Sample[]): void {
    for (const sample of samples) {
      if (this.#waiting.get(keyOf(sample)) === sample) this.#waiting.delete(keyOf(sample));
    }
  }

  /** Samples of the last 15 s, oldest first. */
  recentOf(livestreamId: string): readonly Sample[] {
    return [...(this.#recent.get(livestreamId)?.values() ?? [])].toSorted(bySecond);
  }

  forgetOld(nowMs: number): void {
    for (const [livestreamId, recent] of this.#recent) {
      for (const [key, { second }] of recent) if (isOld(second, nowMs)) recent.delete(key);
      if (recent.size === 0) this.#recent.delete(livestreamId);
    }
  }
}

const isOld = (second: number, nowMs: number): boolean => second < secondOf(nowMs) - recentSeconds;
