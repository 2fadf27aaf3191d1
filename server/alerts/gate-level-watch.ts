import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import { type Periodic, runPeriodically } from '../lib/periodic.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { ItemLevel, LevelChange, StockEngine } from '../stock/stock-engine.ts';
import type { LevelWatch, WatchedLevels } from './level-watch.ts';

type Deps = {
  readonly engine: Pick<StockEngine, 'follow' | 'read' | 'peek'>;
  readonly catalogue: Pick<LivestreamCatalogue, 'active'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between two looks at the list of livestreams and at each gate's version, against lost messages (V2): at most 500. */
  readonly lookMs?: number;
};

/** Longer than a gate's rebuild and a look that waits for its timeout. */
const unableAfterMs = 5_000;

type Listener = (levels: WatchedLevels) => void;

/** Follows every active livestream's gate, with one subscription and one copy of the levels each. */
export function createGateLevelWatch(deps: Deps): LevelWatch & { look(): Promise<void> } {
  const { catalogue, clock, log, lookMs = 500 } = deps;
  const listeners = new Set<Listener>();
  const followed = new Map<string, FollowedGate>();
  let job: Periodic | null = null;
  let stopped = false;
  let lookedAtMs = clock.now();
  const tell = (levels: WatchedLevels) => {
    for (const listener of listeners) listener(levels);
  };

  const report = (error: unknown) => log.warn({ err: error }, 'active livestreams could not be read');

  async function look(): Promise<void> {
    const active = new Set((await catalogue.active()).map(({ livestreamId }) => livestreamId));
    if (stopped) return;
    const gone = [...followed].filter(([livestreamId]) => !active.has(livestreamId));
    for (const [livestreamId] of gone) followed.delete(livestreamId);
    const looks = [...active].map((livestreamId) => {
      const gate = followed.get(livestreamId) ?? new FollowedGate(livestreamId, deps, tell);
      followed.set(livestreamId, gate);
      return gate.look();
    });
    await Promise.allSettled(gone.map(([, gate]) => gate.close()));
    const rounds = await Promise.allSettled(looks);
    for (const round of rounds) {
      // A gate that is away is asked again with the next look; the others are not kept waiting.
      if (round.status === 'rejected') log.warn({ err: round.reason }, 'a gate could not be followed');
    }
    if (rounds.length === 0 || rounds.some(({ status }) => status === 'fulfilled')) lookedAtMs = clock.now();
  }

  return {
    look,
    onLevels(listener) {
      listeners.add(listener);
      for (const gate of followed.values()) gate.retell(listener);
      return () => listeners.delete(listener);
    },
    async start() {
      stopped = false;
      lookedAtMs = clock.now();
      job = runPeriodically(lookMs, look, report);
      await look().catch(report);
    },
    isAble: () => job === null || clock.now() - lookedAtMs < unableAfterMs,
    async stop() {
      stopped = true;
      await job?.stop();
      job = null;
      await Promise.allSettled([...followed.values()].map((gate) => gate.close()));
      followed.clear();
    },
  };
}

/**
 * One gate as this node has heard of it. Rows count by (epoch, version), whatever the order of their arrival (V1); a message whose
 * `previousVersion` is not known, an interruption, or a version that was never heard of leads to a reading (V2).
 */
class FollowedGate {
  readonly #livestreamId: string;
  readonly #deps: Deps;
  readonly #tell: Listener;
  readonly #levels = new Map<string, ItemLevel>();
  #epoch = -1;
  /** Everything up to here is in `#levels`. */
  #version = -1;
  #unfollow: Promise<() => Promise<void>> | null = null;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #closed = false;

  constructor(livestreamId: string, deps: Deps, tell: Listener) {
    this.#livestreamId = livestreamId;
    this.#deps = deps;
    this.#tell = tell;
  }

  /** Rejects when the gate cannot be asked. A gate that is not there (yet) is no error. */
  async look(): Promise<void> {
    if (this.#unfollow === null) {
      const { engine } = this.#deps;
      this.#unfollow = engine.follow(this.#livestreamId, {
        change: (change) => this.#hear(change),
        interrupted: () => this.#readSoon(),
      });
      try {
        await this.#unfollow;
      } catch (error) {
        this.#unfollow = null;
        throw error;
      }
      return this.#read();
    }
    await this.#unfollow;
    const seen = await this.#deps.engine.peek(this.#livestreamId);
    if (seen === null || this.#closed) return;
    const known = seen.epoch < this.#epoch || (seen.epoch === this.#epoch && seen.version <= this.#version);
    if (!known) await this.#read();
  }

  retell(listener: Listener): void {
    if (this.#epoch >= 0) listener(this.#picture([...this.#levels.values()], true));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const unfollow = await this.#unfollow?.catch(() => null);
    await unfollow?.();
    await this.#reading?.catch(() => undefined);
  }

  #hear({ epoch, previousVersion, version, rows }: LevelChange): void {
    if (this.#closed || epoch < this.#epoch) return;
    // Of a new epoch nothing is known but what stands here: levels of the old one must not be compared with it.
    const complete = epoch === this.#epoch && previousVersion <= this.#version;
    if (epoch > this.#epoch) this.#restart(epoch);
    const newer = rows.filter((row) => this.#put(row));
    if (complete) this.#version = Math.max(this.#version, version);
    if (newer.length > 0) this.#tell(this.#picture(newer, false));
    if (!complete) this.#readSoon();
  }

  #restart(epoch: number): void {
    this.#epoch = epoch;
    this.#version = -1;
    this.#levels.clear();
  }

  #put(row: ItemLevel): boolean {
    const known = this.#levels.get(row.skuId);
    if (known !== undefined && known.version >= row.version) return false;
    this.#levels.set(row.skuId, row);
    return true;
  }

  #picture(items: readonly ItemLevel[], complete: boolean): WatchedLevels {
    return { livestreamId: this.#livestreamId, items, complete, atMs: this.#deps.clock.now() };
  }

  #readSoon(): void {
    const { log } = this.#deps;
    this.#read().catch((error: unknown) => {
      log.warn({ err: error, livestreamId: this.#livestreamId }, 'a gate could not be read; the next look does it');
    });
  }

  /** One reading at a time; what is asked for during one may be newer than it, so another follows. */
  #read(): Promise<void> {
    if (this.#reading !== null) {
      this.#readAgain = true;
      return this.#reading;
    }
    this.#reading = this.#readUntilKnown().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readUntilKnown(): Promise<void> {
    do {
      this.#readAgain = false;
      const reading = await this.#deps.engine.read(this.#livestreamId);
      if (reading === null || this.#closed || reading.epoch < this.#epoch) return;
      if (reading.epoch > this.#epoch) this.#restart(reading.epoch);
      for (const item of reading.items) this.#put(item);
      this.#version = Math.max(this.#version, reading.version);
      this.#tell(this.#picture([...this.#levels.values()], true));
    } while (this.#readAgain);
  }
}
