import type { StockSnapshot } from '../../contract/events.ts';
import {
  type FullRow,
  type ItemStatus,
  itemStatuses,
  type StockLevels,
  type ViewerRow,
} from '../../contract/levels.ts';

/** What this page knows about one item. `held` and `sold` are null in the viewers' lane. */
export type Level = {
  readonly epoch: number;
  readonly version: number;
  /** Units as the lane may see them: a number, or a band as "10-49" or "20+". */
  readonly shown: number | string;
  readonly held: number | null;
  readonly sold: number | null;
  readonly status: ItemStatus;
};

/** Where a resync continues: every row up to `upTo` of `epoch` has been received. */
export type ResumePoint = { readonly epoch: number; readonly upTo: number };

/** `full_snapshot`: the server's history is not ours, or cannot be continued from what is known. */
export type ApplyOutcome = { readonly changed: readonly number[]; readonly needs: 'nothing' | 'full_snapshot' };

type Row = ViewerRow | FullRow;
const ignored: ApplyOutcome = { changed: [], needs: 'nothing' };

/** V1: epoch first, then version. */
export function isNewer(a: { epoch: number; version: number }, b: { epoch: number; version: number }): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);
}

/**
 * The newest level of every item, by (epoch, version) and never by order of arrival (V1, V3).
 * The resume point moves only after a snapshot of the present connection: before it, a frame's `upTo` tells nothing about the rows that
 * were missed while the connection was down.
 */
export class LevelStore {
  readonly #levels = new Map<number, Level>();
  readonly #listeners = new Map<number, Set<(level: Level | undefined) => void>>();
  #resume: ResumePoint | null = null;
  #synced = false;

  /** Where to continue, or null when nothing complete is known yet. */
  get resume(): ResumePoint | null {
    return this.#resume;
  }

  get synced(): boolean {
    return this.#synced;
  }

  level(index: number): Level | undefined {
    return this.#levels.get(index);
  }

  /** Calls `listener` whenever the item's level changes; returns how to end that. */
  subscribe(index: number, listener: (level: Level | undefined) => void): () => void {
    const listeners = this.#listeners.get(index) ?? new Set();
    this.#listeners.set(index, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(index);
    };
  }

  /** A new connection: its snapshot is still to come. */
  expectSnapshot(): void {
    this.#synced = false;
  }

  /** True if `target` is more than what has been received. */
  isBehind(target: ResumePoint): boolean {
    const known = this.#resume;
    if (known === null || target.epoch > known.epoch) return true;
    return target.epoch === known.epoch && target.upTo > known.upTo;
  }

  applyFrame(frame: StockLevels): ApplyOutcome {
    const known = this.#resume;
    if (known !== null && frame.epoch < known.epoch) return ignored;
    const changed = this.#accept(frame.epoch, frame.rows);
    if (known !== null && frame.epoch > known.epoch) return { changed, needs: 'full_snapshot' };
    if (known !== null && this.#synced && frame.upTo !== undefined && frame.upTo > known.upTo) {
      this.#resume = { epoch: known.epoch, upTo: frame.upTo };
    }
    return { changed, needs: 'nothing' };
  }

  applySnapshot(snapshot: StockSnapshot): ApplyOutcome {
    const known = this.#resume;
    const { epoch, upTo, complete, rows } = snapshot;
    if (known !== null && epoch < known.epoch) return ignored;
    if (!complete && known?.epoch !== epoch) return { changed: [], needs: 'full_snapshot' };
    const changed = this.#accept(epoch, rows, complete);
    if (complete) changed.push(...this.#forgetOlderThan(epoch));
    this.#resume = { epoch, upTo: known?.epoch === epoch ? Math.max(known.upTo, upTo) : upTo };
    this.#synced = true;
    return { changed, needs: 'nothing' };
  }

  /** `again`: also rows of the version that is known, which a complete picture may show in another way (display policy). */
  #accept(epoch: number, rows: readonly Row[], again = false): number[] {
    const changed: number[] = [];
    for (const row of rows) {
      const level = levelOf(epoch, row);
      const known = this.#levels.get(row[0]);
      if (level === null) continue;
      if (known !== undefined && !isNewer(level, known) && !(again && !isNewer(known, level))) continue;
      this.#levels.set(row[0], level);
      changed.push(row[0]);
      this.#tell(row[0], level);
    }
    return changed;
  }

  /** A complete picture of an epoch holds every item: what it lacks belongs to a history that is over. */
  #forgetOlderThan(epoch: number): number[] {
    const gone = [...this.#levels].filter(([, level]) => level.epoch < epoch).map(([index]) => index);
    for (const index of gone) {
      this.#levels.delete(index);
      this.#tell(index, undefined);
    }
    return gone;
  }

  #tell(index: number, level: Level | undefined): void {
    for (const listener of this.#listeners.get(index) ?? []) listener(level);
  }
}

function levelOf(epoch: number, row: Row): Level | null {
  const status = itemStatuses[row.length === 6 ? row[5] : row[3]];
  // A status that this page does not know comes from a newer server: the number of such an item must not be guessed.
  if (status === undefined) return null;
  const [, version, shown] = row;
  return row.length === 6
    ? { epoch, version, shown, held: row[3], sold: row[4], status }
    : { epoch, version, shown, held: null, sold: null, status };
}
