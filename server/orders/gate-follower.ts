import { systemTimers, type Timers } from '../lib/timers.ts';
import type { StockEngine } from '../stock/stock-engine.ts';

type Confirm = { readonly rid: string; readonly expiresAtMs: number };
type Release = { readonly rid: string; readonly unbind: boolean };
type Pending = { confirms: Confirm[]; settles: string[]; releases: Release[]; flushed: Promise<void> | undefined };

/** Operations of one call; keeps a script short even after a burst of expiries. */
const chunkMax = 200;

/**
 * Lets the gate follow the ledger (A2): operations that arrive together go in one call each, in the order confirm, settle, release,
 * and one flush after another per livestream, so that no rid is released before its confirm. An operation that fails is dropped here:
 * the ledger knows the state, and the tail applies it again (A3). So is one that comes while `queueMax` wait already.
 */
export class GateFollower {
  readonly #engine: Pick<StockEngine, 'confirm' | 'settle' | 'release'>;
  readonly #pending = new Map<string, Pending>();
  readonly #onError: (error: unknown) => void;
  readonly #timers: Pick<Timers, 'soon'>;
  readonly #queueMax: number;

  constructor(deps: {
    engine: Pick<StockEngine, 'confirm' | 'settle' | 'release'>;
    onError: (error: unknown) => void;
    timers?: Pick<Timers, 'soon'>;
    /** Operations of one livestream that may wait, of each kind; default: some seconds of the fastest sale. */
    queueMax?: number;
  }) {
    this.#engine = deps.engine;
    this.#onError = deps.onError;
    this.#timers = deps.timers ?? systemTimers;
    this.#queueMax = deps.queueMax ?? 20_000;
  }

  /** Resolves when the flush that carries it has ended, well or not. */
  confirm(livestreamId: string, attempt: Confirm): Promise<void> {
    return this.#put(livestreamId, this.#of(livestreamId).confirms, attempt);
  }

  settle(livestreamId: string, rid: string): Promise<void> {
    return this.#put(livestreamId, this.#of(livestreamId).settles, rid);
  }

  release(livestreamId: string, attempt: Release): Promise<void> {
    return this.#put(livestreamId, this.#of(livestreamId).releases, attempt);
  }

  /** Resolves when nothing is under way; used on stop. */
  async drain(): Promise<void> {
    while (this.#pending.size > 0) {
      await Promise.all([...this.#pending.values()].map(async ({ flushed }) => await flushed));
    }
  }

  #put<Operation>(livestreamId: string, queue: Operation[], operation: Operation): Promise<void> {
    if (queue.length < this.#queueMax) queue.push(operation);
    else this.#onError(new Error('more operations wait for the gate than it takes'));
    return this.#flushSoon(livestreamId);
  }

  #of(livestreamId: string): Pending {
    const known = this.#pending.get(livestreamId);
    if (known !== undefined) return known;
    const pending: Pending = { confirms: [], settles: [], releases: [], flushed: undefined };
    this.#pending.set(livestreamId, pending);
    return pending;
  }

  #flushSoon(livestreamId: string): Promise<void> {
    const pending = this.#of(livestreamId);
    pending.flushed ??= this.#flush(livestreamId, pending);
    return pending.flushed;
  }

  async #flush(livestreamId: string, pending: Pending): Promise<void> {
    // A turn of the event loop: what a group commit has just acknowledged joins one call.
    await new Promise<void>((resolve) => this.#timers.soon(resolve));
    while (pending.confirms.length + pending.settles.length + pending.releases.length > 0) {
      const confirms = pending.confirms.splice(0, chunkMax);
      const settles = pending.settles.splice(0, chunkMax);
      const releases = pending.releases.splice(0, chunkMax);
      try {
        if (confirms.length > 0) await this.#engine.confirm(livestreamId, confirms);
        if (settles.length > 0) await this.#engine.settle(livestreamId, settles);
        if (releases.length > 0) await this.#engine.release(livestreamId, releases);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#pending.delete(livestreamId);
  }
}
