import type { StockSnapshot } from '../../contract/events.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { comparePoints, type GatePoint, type GateView } from './gate-view.ts';
import type { DeliveredPoint, FlushSource, LaneAudience } from './lane-flusher.ts';
import type { Row, RowEncoder } from './lanes.ts';

export type RoomRowsParts = {
  readonly livestreamId: string;
  readonly view: GateView;
  /** undefined: the description that names this item has not been loaded yet. */
  readonly itemOf: (skuId: string) => ItemInfo | undefined;
  readonly encoder: RowEncoder;
  readonly infoRev: () => number;
  /** False while the gate cannot be asked, or something of it is known to be missing here. */
  readonly certain: () => boolean;
  /** What every snapshot says beside its rows. */
  readonly status: () => Pick<StockSnapshot, 'serverNowMs' | 'viewers' | 'stale'>;
};

type ClientPoint = { readonly epoch: number; readonly upTo: number };

/** Rows of a room as one kind of lane sees them, and up to where they are complete. */
export class RoomRows implements FlushSource {
  readonly livestreamId: string;
  readonly dirty: Set<string>;
  readonly #parts: RoomRowsParts;
  /** Items whose index is not known yet: `upTo` stays below their versions. */
  readonly #waiting = new Set<string>();
  /** Some client of this node has been shown more, elsewhere, than the node knows: what is new to it cannot be told. */
  #doubtful = false;
  /** Clients that know no more than this were shown levels in another way. */
  #shownOtherwiseAt: GatePoint = { epoch: -1, version: 0 };
  #completeRows: { readonly key: string; readonly rows: Row[] } | null = null;

  constructor(parts: RoomRowsParts) {
    this.livestreamId = parts.livestreamId;
    this.#parts = parts;
    this.dirty = parts.view.conflator.dirtySet();
  }

  rows(skuIds: Iterable<string>, forced: ReadonlySet<string>): Row[] {
    const { view, itemOf, encoder } = this.#parts;
    const rows: Row[] = [];
    for (const skuId of skuIds) {
      const level = view.conflator.level(skuId);
      if (level === undefined) continue;
      const item = itemOf(skuId);
      if (item === undefined) {
        this.#waiting.add(skuId);
        continue;
      }
      const row = encoder.framed(item, level, this.#doubtful || forced.has(skuId));
      if (row !== null) rows.push(row);
    }
    if (this.#doubtful && this.#parts.certain()) this.#doubtful = false;
    return rows;
  }

  everything(): Iterable<string> {
    return [...this.#parts.view.conflator.levels()].map(({ skuId }) => skuId);
  }

  deliverable(): DeliveredPoint {
    const { view, itemOf } = this.#parts;
    let { epoch, version: upTo } = view.point;
    for (const skuId of this.#waiting) {
      const level = view.conflator.level(skuId);
      if (level === undefined || itemOf(skuId) !== undefined) this.#waiting.delete(skuId);
      else upTo = Math.min(upTo, level.version - 1);
    }
    return { epoch: Math.max(0, epoch), upTo };
  }

  /** Rows newer than `sinceVersion` for one member; −1: all of them. */
  plainRows(sinceVersion: number): Row[] {
    const { view, itemOf, encoder, infoRev } = this.#parts;
    const key = `${view.conflator.revision} ${infoRev()}`;
    // Everybody who joins between two changes gets the same rows: a storm of reconnecting clients costs one encoding.
    if (sinceVersion < 0 && this.#completeRows?.key === key) return this.#completeRows.rows;
    const rows: Row[] = [];
    for (const level of view.conflator.levels()) {
      const item = itemOf(level.skuId);
      if (item === undefined) this.#waiting.add(level.skuId);
      else if (level.version > sinceVersion) rows.push(encoder.plain(item, level));
    }
    if (sinceVersion < 0) this.#completeRows = { key, rows };
    return rows;
  }

  /** Call after the rows have been encoded: only then are all items without an index known. */
  snapshot(audience: LaneAudience, rows: Row[], point: DeliveredPoint): StockSnapshot {
    const { livestreamId } = this;
    return {
      livestreamId,
      lane: audience.lane,
      frame: audience.frame,
      ...point,
      complete: true,
      rows,
      ...this.#parts.status(),
    };
  }

  /** Changes whenever a snapshot or a merged frame would say something else. */
  get state(): string {
    const { view, infoRev, status } = this.#parts;
    const { epoch, version } = view.point;
    return `${view.conflator.revision} ${epoch} ${version} ${infoRev()} ${status().stale}`;
  }

  isAhead({ epoch, upTo }: ClientPoint): boolean {
    return comparePoints({ epoch, version: upTo }, this.#parts.view.point) > 0;
  }

  /** Whether newer rows are enough for a client that knows everything up to this point. */
  canResume({ epoch, upTo }: ClientPoint): boolean {
    return (
      epoch === this.#parts.view.point.epoch && comparePoints({ epoch, version: upTo }, this.#shownOtherwiseAt) > 0
    );
  }

  /** Until the gate has been heard again, rows count as news even where they show the same as before. */
  doubt(): void {
    this.#doubtful = true;
  }

  /** The display policy of an item changed: what clients know up to here was shown under the old one. */
  showOtherwise(): void {
    this.#shownOtherwiseAt = this.#parts.view.point;
  }

  /** Items whose index has become known since their level came. */
  takeWaiting(): string[] {
    const known = [...this.#waiting].filter((skuId) => this.#parts.itemOf(skuId) !== undefined);
    for (const skuId of known) this.#waiting.delete(skuId);
    return known;
  }
}
