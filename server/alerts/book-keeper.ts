import type { Logger } from 'pino';
import type { AlertTier, Supplier } from '../../contract/alerts.ts';
import type { Lease } from '../db/lease.ts';
import type { Clock } from '../lib/clock.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import { AlertBook, type Wish } from './alert-book.ts';
import type { WatchedLevels } from './level-watch.ts';
import type { AlertStore, NewCrossing, StoredAlert } from './prisma-alert-store.ts';
import type { PlanStore } from './prisma-plan-store.ts';
import { coverageLineOf } from './rules/coverage-line.ts';
import type { LineMove } from './rules/dynamic-line.ts';

export type KeeperDeps = {
  readonly store: AlertStore;
  readonly plans: PlanStore;
  readonly catalogue: Pick<LivestreamCatalogue, 'info' | 'active'>;
  readonly suppliersOf: (livestreamId: string) => Promise<readonly Supplier[]>;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly clearAfterMs: number;
  /** Levels are heard and crossings decided on the node that holds it. */
  readonly lease: Pick<Lease, 'isHeld'>;
  readonly hooks: {
    /** This node raised tiers (`won`), or the alert changed with another one's raise. */
    raised(book: AlertBook, alert: StoredAlert, won: readonly AlertTier[]): void;
    changed(alert: StoredAlert): void;
    lineMoved(book: AlertBook, skuId: string, move: LineMove): void;
  };
};

type Entry = {
  readonly book: AlertBook;
  readonly dirty: Set<string>;
  rev: number;
  /** Nothing is decided before plans and crossings are known. */
  loaded: boolean;
  loading: Promise<void> | null;
  working: Promise<void> | null;
  /** The database refused: the next second tries again, not the next order. */
  resting: boolean;
  describedAtMs: number;
};

/** A description that nobody has asked anew for this long is read again: titles, suppliers, opening moments. */
const describeEveryMs = 5_000;

/**
 * Books of all active livestreams, on the node that holds the lease. A changed level is looked at at once; what has to happen is one statement for all items of
 * the livestream that are waiting, and items that change meanwhile wait for the next one (one of a livestream at a time, newest levels).
 */
export class BookKeeper {
  readonly #deps: KeeperDeps;
  readonly #entries = new Map<string, Entry>();

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
  }

  /** null: not active, or not read yet. */
  book(livestreamId: string): AlertBook | null {
    const entry = this.#entries.get(livestreamId);
    return entry?.loaded === true ? entry.book : null;
  }

  /** Of any livestream, draft and archived ones too: these are read and not kept. */
  async readBook(livestreamId: string): Promise<AlertBook> {
    const kept = this.book(livestreamId);
    if (kept !== null) return kept;
    const entry = this.#newEntry(livestreamId);
    await this.#load(entry, 0);
    return entry.book;
  }

  hear({ livestreamId, items }: WatchedLevels): void {
    // A process that was stopped for a while hears now what happened then.
    if (!this.#deps.lease.isHeld()) return;
    const entry = this.#entryOf(livestreamId);
    for (const level of items) {
      const acted = entry.book.put(level);
      entry.dirty.add(level.skuId);
      // An item that was added since: its description comes with the next look.
      if (entry.book.item(level.skuId) === undefined) entry.describedAtMs = Number.NEGATIVE_INFINITY;
      if (acted && entry.book.openAlerts(level.skuId).some(({ state }) => state === 'acknowledged')) {
        void this.#noteAction(livestreamId, level.skuId);
      }
    }
    if (entry.loaded) void this.#work(entry);
    else if (entry.loading === null) void this.#meet(entry);
  }

  /** Once a second: livestreams that came and went, books that other nodes changed, and what only time brings. */
  async refresh(): Promise<void> {
    const { catalogue, plans } = this.#deps;
    const active = (await catalogue.active()).map(({ livestreamId }) => livestreamId);
    for (const livestreamId of this.#entries.keys()) {
      if (!active.includes(livestreamId)) this.#entries.delete(livestreamId);
    }
    const revs = await plans.revs(active);
    await Promise.all(
      active.map(async (livestreamId) => {
        const entry = this.#entryOf(livestreamId);
        const rev = revs.get(livestreamId) ?? 0;
        if (!entry.loaded || entry.rev !== rev) await this.#load(entry, rev);
        else if (this.#deps.clock.now() - entry.describedAtMs >= describeEveryMs) await this.#describe(entry);
        await this.#workAll(entry);
      }),
    );
  }

  /** After a change by this node: what it means is decided before the caller goes on. */
  async reread(livestreamId: string): Promise<void> {
    const entry = this.#entries.get(livestreamId);
    if (entry === undefined) return;
    const rev = (await this.#deps.plans.revs([livestreamId])).get(livestreamId) ?? 0;
    await this.#load(entry, rev);
    await this.#workAll(entry);
  }

  get activeIds(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Waits for statements under way, then forgets every book: what other nodes do from now on is not heard here. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { working } of entries) await working;
  }

  #entryOf(livestreamId: string): Entry {
    const known = this.#entries.get(livestreamId);
    if (known !== undefined) return known;
    const entry = this.#newEntry(livestreamId);
    this.#entries.set(livestreamId, entry);
    return entry;
  }

  #newEntry(livestreamId: string): Entry {
    const { clearAfterMs, newId } = this.#deps;
    const book = new AlertBook({ livestreamId, clearAfterMs, newId });
    return {
      book,
      dirty: new Set(),
      rev: 0,
      loaded: false,
      loading: null,
      working: null,
      resting: false,
      describedAtMs: 0,
    };
  }

  /** One reading at a time, each begun after it was asked for. */
  async #load(entry: Entry, rev: number): Promise<void> {
    await entry.loading?.catch(() => undefined);
    const { store, plans } = this.#deps;
    const { livestreamId } = entry.book;
    const read = async () => {
      const [rows, open] = await Promise.all([plans.readBook(livestreamId), store.list(livestreamId, 'open')]);
      if (!entry.loaded) await this.#describe(entry);
      entry.book.adopt(rows, open);
      entry.rev = rev;
      entry.loaded = true;
    };
    entry.loading = read().finally(() => {
      entry.loading = null;
    });
    await entry.loading;
  }

  async #describe(entry: Entry): Promise<void> {
    const { catalogue, suppliersOf, clock, log } = this.#deps;
    const { livestreamId } = entry.book;
    const info = await catalogue.info(livestreamId);
    if (info !== null) entry.book.describe(info);
    entry.describedAtMs = clock.now();
    try {
      const suppliers = await suppliersOf(livestreamId);
      const byProduct = new Map(
        suppliers.flatMap((one) => one.productIds.map((productId) => [productId, one] as const)),
      );
      entry.book.supplierOf = (productId) => byProduct.get(productId) ?? null;
    } catch (error) {
      log.warn({ err: error, livestreamId }, 'suppliers could not be read; alerts go without them');
    }
  }

  /** A livestream that has just become active is read at once and not with the next second. */
  async #meet(entry: Entry): Promise<void> {
    try {
      await this.#load(entry, 0);
      await this.#workAll(entry);
    } catch (error) {
      this.#deps.log.warn({ err: error, livestreamId: entry.book.livestreamId }, 'plans could not be read yet');
    }
  }

  #workAll(entry: Entry): Promise<void> {
    entry.resting = false;
    for (const skuId of entry.book.skuIds) entry.dirty.add(skuId);
    return this.#work(entry);
  }

  /** Never rejects. Resolves when nothing of this livestream waits any longer. */
  #work(entry: Entry): Promise<void> {
    if (!entry.loaded || entry.resting) return Promise.resolve();
    entry.working ??= this.#decide(entry).then(() => {
      entry.working = null;
      // A level that came in between the last look and here.
      return entry.dirty.size > 0 && this.#deps.lease.isHeld() ? this.#work(entry) : undefined;
    });
    return entry.working;
  }

  async #decide(entry: Entry): Promise<void> {
    // Without the lease nothing is decided here; with a new one the books are new ones.
    while (entry.dirty.size > 0 && this.#deps.lease.isHeld()) {
      const skuIds = [...entry.dirty];
      entry.dirty.clear();
      const nowMs = this.#deps.clock.now();
      const wishes = skuIds.flatMap((skuId) => entry.book.wishes(skuId, nowMs));
      if (wishes.length === 0) continue;
      try {
        await this.#fulfil(entry, wishes, nowMs);
      } catch (error) {
        // The next second asks again: no crossing is lost, it is late.
        this.#deps.log.warn({ err: error, livestreamId: entry.book.livestreamId }, 'alerts could not be decided');
        for (const wish of wishes) if (wish.kind === 'raise') entry.book.forget(wish.crossing);
        entry.resting = true;
        return;
      }
    }
  }

  async #fulfil(entry: Entry, wishes: readonly Wish[], nowMs: number): Promise<void> {
    const crossings = wishes.flatMap((wish) => (wish.kind === 'raise' ? [wish.crossing] : []));
    const others = wishes.filter((wish) => wish.kind !== 'raise');
    // Raises first: people wait for them.
    const behind = crossings.length > 0 && (await this.#raise(entry, crossings, nowMs));
    for (const wish of others) await this.#note(entry, wish, nowMs);
    if (!behind && others.length === 0) return;
    const { livestreamId } = entry.book;
    const rev = (await this.#deps.plans.revs([livestreamId])).get(livestreamId) ?? 0;
    await this.#load(entry, rev);
    for (const wish of wishes) entry.dirty.add(wish.kind === 'raise' ? wish.crossing.skuId : wish.skuId);
  }

  /** True: another node was first with some of them, so that this node's book is behind. */
  async #raise(entry: Entry, crossings: readonly NewCrossing[], nowMs: number): Promise<boolean> {
    const { store, hooks } = this.#deps;
    let known = 0;
    for (const { won, alert } of await store.raise(entry.book.livestreamId, nowMs, crossings)) {
      if (won.length > 0) known += 1;
      if (alert === null) continue;
      const before = entry.book.openAlerts(alert.skuId).find((one) => one.alertId === alert.alertId);
      entry.book.keep(alert);
      if (won.length > 0) hooks.raised(entry.book, alert, won);
      else if (before !== undefined && before.muted !== alert.muted) hooks.changed(alert);
    }
    return known < crossings.length;
  }

  async #note(entry: Entry, wish: Exclude<Wish, { kind: 'raise' }>, nowMs: number): Promise<void> {
    const { store, plans, hooks } = this.#deps;
    const { book } = entry;
    const at = { livestreamId: book.livestreamId, skuId: wish.skuId, atMs: nowMs };
    if (wish.kind === 'open') await plans.openWatch(at.livestreamId, at.skuId, wish.atMs);
    else if (wish.kind === 'clear') {
      const note = wish.basis === 'sold_out' ? 'back in stock' : 'covered again';
      const changed = await store.clear({ ...at, basis: wish.basis, generation: wish.generation, note });
      for (const alert of changed) hooks.changed(alert);
    } else {
      const { plan } = book.picture(wish.skuId);
      const reasons = coverageLineOf(plan, wish.move)?.reasons.slice(-1) ?? [];
      const moved = await plans.moveLine({ ...at, move: wish.move, actor: 'rule', plan, reasons });
      if (moved && wish.move !== 'kept') hooks.lineMoved(book, wish.skuId, wish.move);
    }
  }

  async #noteAction(livestreamId: string, skuId: string): Promise<void> {
    const { store, clock, log } = this.#deps;
    try {
      await store.noteAction(livestreamId, skuId, clock.now());
    } catch (error) {
      log.warn({ err: error, livestreamId, skuId }, 'an action could not be noted');
    }
  }
}
