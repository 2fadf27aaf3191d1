import { type AlertBasis, type AlertTier, ItemPlan } from '../../contract/alerts.ts';
import { effectiveStatus } from '../../contract/levels.ts';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import type { NewCrossing, StoredAlert } from './prisma-alert-store.ts';
import { type BookRows, firedKey, type Watch } from './prisma-plan-store.ts';
import {
  anchorOf,
  assess,
  bases,
  factsOf,
  type ItemPicture,
  isClear,
  reasonsOf,
  unitsToReplenish,
} from './rules/assess.ts';
import { decideMove, type LineMove } from './rules/dynamic-line.ts';
import { highest, tiersUpTo } from './rules/tiers.ts';

export type SupplierOf = (productId: string) => ItemPicture['supplier'];

/** What an item needs done now; the database decides whether this node does it. */
export type Wish =
  | { readonly kind: 'open'; readonly skuId: string; readonly atMs: number }
  | { readonly kind: 'move'; readonly skuId: string; readonly move: Exclude<LineMove, 'none'> }
  | { readonly kind: 'raise'; readonly crossing: NewCrossing }
  | { readonly kind: 'clear'; readonly skuId: string; readonly basis: AlertBasis; readonly generation: number };

const unplanned: ItemPlan = ItemPlan.parse({ estimate: null });
const unwatched: Watch = {
  openedAtMs: null,
  originalEstimate: null,
  move: 'none',
  generations: { coverage: 0, consumption: 0, sold_out: 0 },
};

/**
 * One node's copy of what alerts know of a livestream: levels from the gate, plans and crossings from the database. Pure: no clock,
 * no I/O. `wishes` compares the two; what it asks for is decided in the database and comes back with the next reading.
 */
export class AlertBook {
  readonly livestreamId: string;
  readonly #clearAfterMs: number;
  readonly #newId: () => string;
  readonly #levels = new Map<string, ItemLevel>();
  readonly #open = new Map<string, StoredAlert>();
  readonly #clearSinceMs = new Map<string, number>();
  #rows: BookRows = { plannedEndAtMs: null, plans: new Map(), watches: new Map(), fired: new Map() };
  #fired = new Map<string, Set<AlertTier>>();
  #items: ReadonlyMap<string, ItemInfo> = new Map();
  #info: LivestreamInfo | null = null;
  supplierOf: SupplierOf = () => null;

  constructor(parts: { readonly livestreamId: string; readonly clearAfterMs: number; readonly newId: () => string }) {
    this.livestreamId = parts.livestreamId;
    this.#clearAfterMs = parts.clearAfterMs;
    this.#newId = parts.newId;
  }

  get plannedEndAtMs(): number | null {
    return this.#rows.plannedEndAtMs;
  }

  get info(): LivestreamInfo | null {
    return this.#info;
  }

  get skuIds(): readonly string[] {
    return [...this.#levels.keys()];
  }

  describe(info: LivestreamInfo): void {
    this.#info = info;
    this.#items = new Map(info.items.map((item) => [item.skuId, item]));
  }

  item(skuId: string): ItemInfo | undefined {
    return this.#items.get(skuId);
  }

  /** Everything again, as the database has it. */
  adopt(rows: BookRows, openAlerts: readonly StoredAlert[]): void {
    this.#rows = rows;
    this.#fired = new Map([...rows.fired].map(([key, tiers]) => [key, new Set(tiers)]));
    this.#open.clear();
    for (const alert of openAlerts) this.keep(alert);
  }

  keep(alert: StoredAlert): void {
    if (alert.state === 'resolved') this.#open.delete(alert.alertId);
    else this.#open.set(alert.alertId, alert);
  }

  level(skuId: string): ItemLevel | undefined {
    return this.#levels.get(skuId);
  }

  /** True: somebody did something about the item, as a new size of its pool, a stop or a new beginning (AL-15). */
  put(level: ItemLevel): boolean {
    const known = this.#levels.get(level.skuId);
    this.#levels.set(level.skuId, level);
    if (known === undefined) return false;
    return known.allotted !== level.allotted || isStopped(known) !== isStopped(level);
  }

  plan(skuId: string): ItemPlan | null {
    return this.#rows.plans.get(skuId) ?? null;
  }

  /** The pool as the database has it stands in for a gate that has not answered yet. */
  picture(skuId: string): ItemPicture {
    const watch = this.#watch(skuId);
    return {
      plan: this.plan(skuId) ?? unplanned,
      originalEstimate: watch.originalEstimate,
      move: watch.move,
      level: this.#levels.get(skuId) ?? { allotted: 0, available: 0, held: 0, sold: 0, status: 'not_open' },
      supplier: this.supplierOf(this.#items.get(skuId)?.productId ?? ''),
    };
  }

  openAlerts(skuId?: string): readonly StoredAlert[] {
    return [...this.#open.values()].filter((alert) => skuId === undefined || alert.skuId === skuId);
  }

  openTier(skuId: string): AlertTier | null {
    return highest(this.openAlerts(skuId).map(({ tier }) => tier));
  }

  /** What this item needs now, in the order in which it has to be done. Tiers asked for count as fired until `forget`. */
  wishes(skuId: string, nowMs: number): readonly Wish[] {
    const level = this.#levels.get(skuId);
    if (level === undefined) return [];
    const picture = { ...this.picture(skuId), level: { ...level, status: this.#statusOf(level, nowMs) } };
    return [
      ...this.#opening(skuId, picture, nowMs),
      ...this.#moving(skuId, picture, nowMs),
      ...this.#crossings(skuId, picture),
      ...this.#clearings(skuId, picture, nowMs),
    ];
  }

  /** What was asked for could not be decided: ask again. */
  forget(crossing: NewCrossing): void {
    const fired = this.#fired.get(firedKey(crossing.skuId, crossing.basis));
    for (const tier of crossing.tiers) fired?.delete(tier);
  }

  #watch(skuId: string): Watch {
    return this.#rows.watches.get(skuId) ?? unwatched;
  }

  /** A sale that opens at its moment opens without a message from the gate. */
  #statusOf(level: ItemLevel, nowMs: number): ItemLevel['status'] {
    const opensAtMs = this.#items.get(level.skuId)?.opensAtMs ?? Number.POSITIVE_INFINITY;
    return effectiveStatus(level.status, level.available > 0, opensAtMs, nowMs);
  }

  #opening(skuId: string, { level }: ItemPicture, nowMs: number): readonly Wish[] {
    const onSale = level.status === 'on_sale' || level.status === 'sold_out';
    if (!onSale || this.#watch(skuId).openedAtMs !== null) return [];
    // Opened at a moment that this node was not there to see.
    const opensAtMs = this.#items.get(skuId)?.opensAtMs ?? 0;
    return [{ kind: 'open', skuId, atMs: opensAtMs > 0 ? Math.min(opensAtMs, nowMs) : nowMs }];
  }

  #moving(skuId: string, picture: ItemPicture, nowMs: number): readonly Wish[] {
    const { level, plan } = picture;
    if (level.status === 'ended' || !plan.dynamicLine) return [];
    const { openedAtMs, move: present } = this.#watch(skuId);
    const consumed = level.held + level.sold;
    const move = decideMove({ present, consumed, estimate: anchorOf(picture), openedAtMs, nowMs });
    return move === null ? [] : [{ kind: 'move', skuId, move }];
  }

  #crossings(skuId: string, picture: ItemPicture): readonly Wish[] {
    const now = assess(picture);
    return bases.flatMap((basis): readonly Wish[] => {
      const tier = now[basis];
      if (tier === null) return [];
      const key = firedKey(skuId, basis);
      const fired = this.#fired.get(key) ?? new Set();
      // Sold out has no lower tiers to pass through.
      const tiers = (basis === 'sold_out' ? [tier] : tiersUpTo(tier)).filter((one) => !fired.has(one));
      if (tiers.length === 0) return [];
      this.#fired.set(key, new Set([...fired, ...tiers]));
      return [{ kind: 'raise', crossing: this.#crossing({ skuId, basis, tier, tiers }, picture) }];
    });
  }

  #crossing(
    { skuId, basis, tier, tiers }: Pick<NewCrossing, 'skuId' | 'basis' | 'tiers'> & { readonly tier: AlertTier },
    picture: ItemPicture,
  ): NewCrossing {
    const reasons = reasonsOf(basis, tier, picture);
    const quantity = unitsToReplenish(picture);
    return {
      skuId,
      basis,
      generation: this.#watch(skuId).generations[basis],
      tiers,
      alertId: this.#newId(),
      facts: factsOf(picture),
      reasons,
      note: reasons[0]?.en ?? '',
      task: tiers.includes('yellow') ? { taskId: this.#newId(), quantity, note: reasons[0]?.zh ?? '' } : null,
    };
  }

  #clearings(skuId: string, picture: ItemPicture, nowMs: number): readonly Wish[] {
    return bases.flatMap((basis): readonly Wish[] => {
      const key = firedKey(skuId, basis);
      if ((this.#fired.get(key)?.size ?? 0) === 0 || !isClear(basis, picture)) {
        this.#clearSinceMs.delete(key);
        return [];
      }
      const sinceMs = this.#clearSinceMs.get(key) ?? nowMs;
      this.#clearSinceMs.set(key, sinceMs);
      if (nowMs - sinceMs < this.#clearAfterMs && !this.#wasRestocked(skuId, basis, picture)) return [];
      return [{ kind: 'clear', skuId, basis, generation: this.#watch(skuId).generations[basis] }];
    });
  }

  /** A larger pool is somebody's decision and no flapping: what it clears is over at once. */
  #wasRestocked(skuId: string, basis: AlertBasis, { level }: ItemPicture): boolean {
    const open = this.openAlerts(skuId).find((alert) => alert.basis === basis);
    return open !== undefined && level.allotted > (open.facts['allotted'] ?? Number.POSITIVE_INFINITY);
  }
}

const isStopped = ({ status }: ItemLevel): boolean => status === 'stopped';
