import type { ItemLevel } from '../stock/stock-engine.ts';

/** `older`: what arrived is not news. Otherwise the level that it replaced, null for an item seen for the first time. */
export type PutOutcome = { readonly kind: 'older' } | { readonly kind: 'newer'; readonly previous: ItemLevel | null };

const older: PutOutcome = { kind: 'older' };

/**
 * The newest level of each item, by (epoch, version) and not by arrival (V1): messages may come twice, late or in another order.
 * Whoever passes levels on takes a dirty set: the items that changed since it last looked. Memory is O(items).
 */
export class Conflator {
  readonly #newest = new Map<string, ItemLevel>();
  readonly #dirtySets: Set<string>[] = [];
  #epoch = -1;
  #revision = 0;

  get epoch(): number {
    return this.#epoch;
  }

  /** Raised by everything that changes what is in here. */
  get revision(): number {
    return this.#revision;
  }

  /** A set that from now on collects every changed item; its owner deletes what it has passed on. */
  dirtySet(): Set<string> {
    const dirty = new Set<string>();
    this.#dirtySets.push(dirty);
    return dirty;
  }

  /** A level of a newer epoch makes everything of the older one void: the new history starts empty. */
  put(epoch: number, level: ItemLevel): PutOutcome {
    if (epoch < this.#epoch) return older;
    if (epoch > this.#epoch) this.restart(epoch);
    const previous = this.#newest.get(level.skuId) ?? null;
    if (previous !== null && previous.version >= level.version) return older;
    this.#newest.set(level.skuId, level);
    this.#revision += 1;
    for (const dirty of this.#dirtySets) dirty.add(level.skuId);
    return { kind: 'newer', previous };
  }

  /** Forgets everything of older epochs, also what was dirty. */
  restart(epoch: number): void {
    this.#epoch = epoch;
    this.#revision += 1;
    this.#newest.clear();
    for (const dirty of this.#dirtySets) dirty.clear();
  }

  level(skuId: string): ItemLevel | undefined {
    return this.#newest.get(skuId);
  }

  levels(): IterableIterator<ItemLevel> {
    return this.#newest.values();
  }

  /** Marks items as changed although their versions stayed: their index has just become known. */
  touch(skuIds: Iterable<string>): void {
    for (const skuId of skuIds) {
      for (const dirty of this.#dirtySets) dirty.add(skuId);
    }
  }
}
