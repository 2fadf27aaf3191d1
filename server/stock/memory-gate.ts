import assert from 'node:assert/strict';
import { availableOf } from '../../contract/levels.ts';
import { addUp, decideOrder, type GateRefusal, type ItemForOrder } from './decide-order.ts';
import { compareText, levelOf, type StoredLevel, soldOf } from './level-of.ts';
import type {
  AttemptState,
  GateHold,
  GateReading,
  GateSnapshot,
  ItemDefinition,
  ItemTerms,
  LevelChange,
  Line,
  ReserveOutcome,
  ReserveRequest,
  StockEngineSettings,
  Takes,
} from './stock-engine.ts';

type Item = {
  readonly skuId: string;
  allotted: number;
  /** Refunded units that are sellable again; `soldEver` keeps counting them. */
  returned: number;
  soldEver: number;
  held: number;
  version: number;
  poolRev: number;
  terms: ItemTerms;
};

type Hold = GateHold & {
  /** The key whose record follows this attempt. */
  readonly key: string | null;
  /** A4: the placed attempt whose place this one has taken over; it gets it back if this one comes to nothing. */
  readonly replaces: Pick<GateHold, 'rid' | 'leaseEndsAtMs'> | null;
};

type KeyRecord = {
  readonly rid: string;
  readonly bodyHash: string;
  readonly takes: Takes;
  /** Used once the attempt has left the gate; before, the hold knows better. */
  state: AttemptState;
  readonly refusal: GateRefusal | null;
  expiresAtMs: number;
};

/**
 * One open gate of one livestream, one history of versions (`epoch`). Every method is one atomic step: it runs to its end without waiting.
 * Changes collect until `takeChange` gives them as one message.
 */
export class MemoryGate {
  readonly epoch: number;
  readonly #settings: StockEngineSettings;
  readonly #items = new Map<string, Item>();
  readonly #holds = new Map<string, Hold>();
  readonly #keys = new Map<string, KeyRecord>();
  /** Units that count towards the limits (G4), by `b <sku> <buyer>` and `d <sku> <device>`. */
  readonly #counted = new Map<string, number>();
  readonly #changed = new Set<string>();
  #infoRev: number;
  #version = 0;
  #publishedVersion = 0;
  /** No lease ends before this moment: spares the sweep a look at every hold. */
  #noLeaseBeforeMs = Number.POSITIVE_INFINITY;

  constructor(snapshot: GateSnapshot, settings: StockEngineSettings, nowMs: number) {
    this.epoch = snapshot.epoch;
    this.#infoRev = snapshot.infoRev;
    this.#settings = settings;
    for (const { skuId, pool, terms, sold } of snapshot.items) this.#addItem({ skuId, pool, terms }, sold);
    this.#version = Math.max(1, this.#version);
    const keyOfRid = new Map(snapshot.keys.map(({ rid, key }) => [rid, key]));
    for (const hold of snapshot.holds) {
      this.#putHold({ ...hold, key: keyOfRid.get(hold.rid) ?? null, replaces: null });
      for (const { skuId, quantity } of hold.takes === 'hold' ? hold.lines : []) this.#item(skuId).held += quantity;
      this.#count(hold, 1);
    }
    for (const { skuId, quantity, ...who } of snapshot.counted)
      this.#count({ ...who, lines: [{ skuId, quantity }] }, 1);
    for (const { key, ...record } of snapshot.keys) {
      this.#keys.set(key, { ...record, refusal: null, expiresAtMs: nowMs + settings.keyTtlMs });
    }
  }

  get position(): { epoch: number; version: number; infoRev: number } {
    return { epoch: this.epoch, version: this.#version, infoRev: this.#infoRev };
  }

  reserve(request: ReserveRequest, nowMs: number): ReserveOutcome {
    const { rid, key, bodyHash, buyerId, deviceId } = request;
    const repeated = this.#holds.get(rid);
    if (repeated !== undefined) return { kind: 'reserved', takes: repeated.takes, epoch: this.epoch };
    const record = key === null ? undefined : this.#keys.get(key);
    if (record !== undefined) return this.#answerAgain(record, bodyHash);

    const lines = addUp(request.lines);
    const older = request.reacquires === null ? undefined : this.#holds.get(request.reacquires);
    const order = { lines, deviceId, reacquires: request.reacquires !== null, countsMove: older !== undefined };
    const verdict = decideOrder(order, (skuId) => this.#itemForOrder(skuId, request, older), nowMs);
    const takes = verdict.kind === 'takes' ? verdict.takes : 'hold';
    const refusal = verdict.kind === 'takes' ? null : verdict;
    if (key !== null) {
      const expiresAtMs = nowMs + this.#settings.keyTtlMs;
      this.#keys.set(key, { rid, bodyHash, takes, state: 'pending', refusal, expiresAtMs });
    }
    if (refusal !== null) return refusal;

    const leaseEndsAtMs = nowMs + this.#settings.pendingLeaseMs;
    // The older attempt's key goes on to follow the units under their new rid; its record keeps the buyer's order, the older rid.
    const followedKey = older === undefined ? key : older.key;
    const replaces = older?.takes === 'pay' ? { rid: older.rid, leaseEndsAtMs: older.leaseEndsAtMs } : null;
    const hold: Hold = {
      rid,
      state: 'pending',
      takes,
      buyerId,
      deviceId,
      lines,
      leaseEndsAtMs,
      key: followedKey,
      replaces,
    };
    this.#take(hold, older);
    return { kind: 'reserved', takes, epoch: this.epoch };
  }

  confirm(rid: string, expiresAtMs: number): void {
    const hold = this.#holds.get(rid);
    if (hold?.state !== 'pending') return;
    this.#putHold({ ...hold, state: hold.takes === 'hold' ? 'held' : 'placed', leaseEndsAtMs: expiresAtMs });
  }

  settle(rid: string): void {
    const hold = this.#holds.get(rid);
    if (hold?.takes !== 'hold') return;
    for (const { skuId, quantity } of hold.lines) {
      const item = this.#item(skuId);
      item.held -= quantity;
      item.soldEver += quantity;
      this.#bump(item);
    }
    this.#holds.delete(rid);
    this.#recordState(hold, 'settled');
  }

  release(rid: string, unbind: boolean): void {
    const hold = this.#holds.get(rid);
    if (hold === undefined) return;
    for (const { skuId, quantity } of hold.takes === 'hold' ? hold.lines : []) {
      const item = this.#item(skuId);
      item.held -= quantity;
      this.#bump(item);
    }
    this.#count(hold, -1);
    this.#holds.delete(rid);
    // A key that only follows a re-acquisition belongs to an order in the ledger: it stays bound.
    if (unbind && hold.key !== null && this.#keys.get(hold.key)?.rid === rid) this.#keys.delete(hold.key);
    else this.#recordState(hold, 'closed');
    this.#giveBackPlace(hold);
  }

  putItems(items: readonly ItemDefinition[], infoRev: number): void {
    for (const definition of items) {
      const item = this.#items.get(definition.skuId);
      if (item === undefined) this.#addItem(definition, 0);
      else this.#updateItem(item, definition);
    }
    if (infoRev <= this.#infoRev) return;
    this.#infoRev = infoRev;
    // Without a row of its own, the rise still needs a version: readers find a lost message by the gap (V2).
    if (this.#version === this.#publishedVersion) this.#version += 1;
  }

  read(nowMs: number): GateReading {
    const items = [...this.#items.values()].map((item) => {
      const { poolRev, terms, returned } = item;
      return Object.assign(levelOf(storedOf(item), nowMs), { poolRev, termsRev: terms.rev, returned });
    });
    return { ...this.position, items: items.sort((a, b) => compareText(a.skuId, b.skuId)) };
  }

  holds(): readonly GateHold[] {
    return [...this.#holds.values()].map(publicHold).sort((a, b) => compareText(a.rid, b.rid));
  }

  overdue(limit: number, nowMs: number): readonly Pick<GateHold, 'rid' | 'state'>[] {
    if (nowMs < this.#noLeaseBeforeMs) return [];
    const ended: Hold[] = [];
    this.#noLeaseBeforeMs = Number.POSITIVE_INFINITY;
    for (const hold of this.#holds.values()) {
      this.#noLeaseBeforeMs = Math.min(this.#noLeaseBeforeMs, hold.leaseEndsAtMs);
      if (hold.leaseEndsAtMs <= nowMs) ended.push(hold);
    }
    return ended
      .sort((a, b) => a.leaseEndsAtMs - b.leaseEndsAtMs || compareText(a.rid, b.rid))
      .slice(0, limit)
      .map(({ rid, state }) => ({ rid, state }));
  }

  prune(limit: number, nowMs: number): number {
    let seen = 0;
    let forgotten = 0;
    for (const [key, record] of this.#keys) {
      // Keys stand in order of their expiry, because each new one expires later than all before it.
      if (record.expiresAtMs > nowMs || seen === limit) break;
      seen += 1;
      this.#keys.delete(key);
      // Forgetting the key of a live attempt would let a retry order twice.
      if (this.#holds.has(record.rid)) {
        this.#keys.set(key, { ...record, expiresAtMs: nowMs + this.#settings.keyTtlMs });
      } else forgotten += 1;
    }
    return forgotten;
  }

  /** What has changed since the last call, newest row of each item; null if nothing has. */
  takeChange(nowMs: number): LevelChange | null {
    if (this.#version === this.#publishedVersion) return null;
    const previousVersion = this.#publishedVersion;
    this.#publishedVersion = this.#version;
    const rows = [...this.#changed].map((skuId) => levelOf(storedOf(this.#item(skuId)), nowMs));
    this.#changed.clear();
    return { ...this.position, previousVersion, rows };
  }

  #answerAgain(record: KeyRecord, bodyHash: string): ReserveOutcome {
    if (record.bodyHash !== bodyHash) return { kind: 'idempotency_mismatch' };
    if (record.refusal !== null) return record.refusal;
    const state = this.#holds.get(record.rid)?.state ?? record.state;
    return { kind: 'known', rid: record.rid, state, takes: record.takes };
  }

  #itemForOrder(skuId: string, request: ReserveRequest, older: Hold | undefined): ItemForOrder | undefined {
    const item = this.#items.get(skuId);
    if (item === undefined) return undefined;
    const moving = older?.takes === 'hold' ? (older.lines.find((line) => line.skuId === skuId)?.quantity ?? 0) : 0;
    return {
      terms: item.terms,
      available: availableOf({ allotted: item.allotted, held: item.held - moving, sold: soldOf(item) }),
      countedForBuyer: this.#counted.get(`b ${skuId} ${request.buyerId}`) ?? 0,
      countedForDevice: this.#counted.get(`d ${skuId} ${request.deviceId}`) ?? 0,
    };
  }

  /** Puts the new attempt in the place of the older one, if there is one; an item changes only if its units do. */
  #take(hold: Hold, older: Hold | undefined): void {
    const changes = new Map<string, number>();
    if (older !== undefined) {
      for (const { skuId, quantity } of older.takes === 'hold' ? older.lines : []) changes.set(skuId, -quantity);
      this.#count(older, -1);
      this.#holds.delete(older.rid);
      this.#recordState(older, 'placed');
    }
    for (const { skuId, quantity } of hold.takes === 'hold' ? hold.lines : []) {
      changes.set(skuId, (changes.get(skuId) ?? 0) + quantity);
    }
    for (const [skuId, change] of changes) {
      if (change === 0) continue;
      const item = this.#item(skuId);
      item.held += change;
      this.#bump(item);
    }
    this.#count(hold, 1);
    this.#putHold(hold);
  }

  /** The ledger still has the placed order: without its place it would not count towards the limits any more (G4). */
  #giveBackPlace(hold: Hold): void {
    if (hold.replaces === null || this.#holds.has(hold.replaces.rid)) return;
    const placed: Hold = { ...hold, ...hold.replaces, state: 'placed', takes: 'pay', replaces: null };
    this.#count(placed, 1);
    this.#putHold(placed);
    this.#recordState(placed, 'placed');
  }

  #putHold(hold: Hold): void {
    this.#holds.set(hold.rid, hold);
    this.#noLeaseBeforeMs = Math.min(this.#noLeaseBeforeMs, hold.leaseEndsAtMs);
  }

  #recordState(hold: Hold, state: AttemptState): void {
    const record = hold.key === null ? undefined : this.#keys.get(hold.key);
    if (record !== undefined) record.state = state;
  }

  #count(who: { buyerId: string; deviceId: string | null; lines: readonly Line[] }, sign: 1 | -1): void {
    for (const { skuId, quantity } of who.lines) {
      const fields = [`b ${skuId} ${who.buyerId}`, ...(who.deviceId === null ? [] : [`d ${skuId} ${who.deviceId}`])];
      for (const field of fields) {
        const counted = (this.#counted.get(field) ?? 0) + sign * quantity;
        assert(counted >= 0, `${field} counts ${counted} units`);
        if (counted === 0) this.#counted.delete(field);
        else this.#counted.set(field, counted);
      }
    }
  }

  #addItem({ skuId, pool, terms }: ItemDefinition, sold: number): void {
    const { allotted, returned, rev: poolRev } = pool;
    const item = { skuId, allotted, returned, soldEver: sold + returned, held: 0, version: 0, poolRev, terms };
    this.#items.set(skuId, item);
    this.#bump(item);
  }

  #updateItem(item: Item, { pool, terms }: ItemDefinition): void {
    const poolIsNewer = pool.rev > item.poolRev;
    const termsAreNewer = terms.rev > item.terms.rev;
    if (poolIsNewer) {
      item.poolRev = pool.rev;
      item.allotted = pool.allotted;
      item.returned = pool.returned;
    }
    if (termsAreNewer) item.terms = terms;
    if (poolIsNewer || termsAreNewer) this.#bump(item);
  }

  #item(skuId: string): Item {
    const item = this.#items.get(skuId);
    assert(item !== undefined, `an attempt names ${skuId}, which the gate does not have`);
    return item;
  }

  #bump(item: Item): void {
    assert(item.held >= 0, `${item.skuId} holds ${item.held} units`);
    this.#version += 1;
    item.version = this.#version;
    this.#changed.add(item.skuId);
  }
}

const storedOf = (item: Item): StoredLevel =>
  Object.assign({ sale: item.terms.sale, opensAtMs: item.terms.opensAtMs }, item);

function publicHold({ rid, state, takes, buyerId, deviceId, lines, leaseEndsAtMs }: Hold): GateHold {
  return { rid, state, takes, buyerId, deviceId, lines, leaseEndsAtMs };
}
