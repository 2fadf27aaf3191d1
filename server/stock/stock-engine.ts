import type { DefiniteRefusal } from '../../contract/errors.ts';
import type { ItemStatus, SaleState } from '../../contract/levels.ts';
import type { PurchaseLimits, SalePolicy } from '../../contract/livestreams.ts';

/**
 * The gate: decides atomically who gets a unit. Two engines, one contract (`stock-engine.contract.ts`):
 * `memory-engine.ts` is the embedded default and the reference model, `redis-engine/` is for clusters.
 * Rule numbers (G, O, A, B, V) are those of `docs/spec/order-protocol.md`.
 */

export type Line = { readonly skuId: string; readonly quantity: number };

/** When an order's units leave `available`: at reserve (`hold`) or when its payment arrives (`pay`). */
export type Takes = 'hold' | 'pay';

/** What an operator decides about an item. `rev` comes from the ledger; the gate takes only a greater one. */
export type ItemTerms = {
  readonly rev: number;
  readonly sale: SaleState;
  /** The sale opens at this instant if `sale` is `open`; 0 = at once. */
  readonly opensAtMs: number;
  readonly salePolicy: SalePolicy;
  readonly limits: PurchaseLimits;
};

/** The size of an item's pool, absolute (A5). `returned`: refunded units that are sellable again, counted since the item was added. */
export type ItemPool = { readonly rev: number; readonly allotted: number; readonly returned: number };

export type ItemDefinition = { readonly skuId: string; readonly pool: ItemPool; readonly terms: ItemTerms };

export type ReserveRequest = {
  /** One per attempt, made by the server; every gate operation is idempotent by it. */
  readonly rid: string;
  /** `<buyerId>/<idempotencyKey>`: one effect and one answer for each. null: a re-acquisition (A4), which has no key of its own. */
  readonly key: string | null;
  /** Digest of the order's content; the same key with another digest is `idempotency_mismatch`. */
  readonly bodyHash: string;
  readonly buyerId: string;
  readonly deviceId: string | null;
  /** 1…20; the engine adds up equal SKUs before it checks anything. */
  readonly lines: readonly Line[];
  /**
   * A4: this attempt takes units for a payment of that older attempt. Always takes `hold`; skips the sale's state and window and the
   * limit per order (the buyer ordered while they allowed it). If the gate still has the older attempt, placed or held, its place,
   * its units and its counts move to this rid without a check of the limits: an expiry that the gate has not heard of yet must not
   * stand in the way of its own order. Else the limits per buyer and device are checked anew.
   */
  readonly reacquires: string | null;
};

/** Where an attempt stands. `closed`: released, expired or cancelled with its key still bound. */
export type AttemptState = 'pending' | 'held' | 'placed' | 'settled' | 'closed';

/** Every way a reservation can end, in order of precedence: the first that applies is returned. */
export type ReserveOutcome =
  /** No gate for this livestream, another server identity, a missing sentinel, or closed (G1, G2). Nothing has changed. */
  | { readonly kind: 'rebuilding' }
  /** The key was used before, by attempt `rid`, with this content (O7 decides the answer). */
  | { readonly kind: 'known'; readonly rid: string; readonly state: AttemptState; readonly takes: Takes }
  | { readonly kind: 'idempotency_mismatch' }
  /**
   * A definite refusal; it stays bound to the key for the retry window, and the same key gets it again.
   * `limit` and `counted` (units that counted already) come with the two limits.
   */
  | { readonly kind: DefiniteRefusal; readonly skuId: string; readonly limit?: number; readonly counted?: number }
  /** The same rid gets the same answer again. */
  | { readonly kind: 'reserved'; readonly takes: Takes; readonly epoch: number };

/** One item as the gate knows it. */
export type ItemLevel = {
  readonly skuId: string;
  readonly version: number;
  readonly allotted: number;
  readonly available: number;
  readonly held: number;
  readonly sold: number;
  readonly status: ItemStatus;
};

/** What one script changed, in one message: V1 (epoch, version), V2 (`previousVersion` shows a gap). */
export type LevelChange = {
  readonly epoch: number;
  readonly previousVersion: number;
  readonly version: number;
  /** Greater than the reader's: the livestream's public description has changed, read it again. */
  readonly infoRev: number;
  readonly rows: readonly ItemLevel[];
};

export type GateReading = {
  readonly epoch: number;
  readonly version: number;
  readonly infoRev: number;
  readonly items: readonly (ItemLevel & {
    readonly poolRev: number;
    readonly termsRev: number;
    readonly returned: number;
  })[];
};

export type GateHold = {
  readonly rid: string;
  readonly state: 'pending' | 'held' | 'placed';
  readonly takes: Takes;
  readonly buyerId: string;
  readonly deviceId: string | null;
  readonly lines: readonly Line[];
  /** pending: end of the short lease; held and placed: the expiry as a hint (A1: PostgreSQL's clock decides). */
  readonly leaseEndsAtMs: number;
};

/** Everything the ledger knows of a livestream, read in one transaction that fenced older epochs (B2). */
export type GateSnapshot = {
  readonly epoch: number;
  readonly infoRev: number;
  readonly items: readonly (ItemDefinition & { readonly sold: number })[];
  /** Orders in state held and placed: their units (`held` of an item is their sum) and their places. */
  readonly holds: readonly GateHold[];
  /** Units that count towards the limits and are in no hold above: paid and refunded. */
  readonly counted: readonly {
    readonly skuId: string;
    readonly buyerId: string;
    readonly deviceId: string | null;
    readonly quantity: number;
  }[];
  /** Keys of the retry window with the attempt that they are bound to. */
  readonly keys: readonly {
    readonly key: string;
    readonly rid: string;
    readonly bodyHash: string;
    readonly state: AttemptState;
    readonly takes: Takes;
  }[];
};

/** `adopted`: the gate is open and of this identity. `closed`: load is needed, under this nonce (B1). */
export type BeginOutcome =
  | { readonly kind: 'open'; readonly epoch: number }
  | { readonly kind: 'closed'; readonly nonce: string };

export type FollowListener = {
  change(change: LevelChange): void;
  /** Messages may have been lost (the subscriber reconnected): read the gate again. */
  interrupted(): void;
};

/** Thrown when the gate could not be asked or did not answer: for a reserve, its outcome is unknown. */
export class GateUnavailable extends Error {
  override readonly name = 'GateUnavailable';
}

/**
 * All methods reject with `GateUnavailable` when the gate cannot be reached. Operations on an absent rid, or on a livestream that
 * is missing or closed, do nothing. Every change of a level publishes in the same atomic step. No method uses a clock of its own
 * except the injected one.
 */
export type StockEngine = {
  /**
   * Decides a batch of one livestream in order, atomically, ≤ 50 requests; the whole batch is validated before its first write (G3).
   * Never expires holds. Duplicate keys inside the batch behave as if sent one after the other.
   */
  reserve(livestreamId: string, requests: readonly ReserveRequest[]): Promise<readonly ReserveOutcome[]>;

  /** pending → held (or placed, for takes `pay`), with the full lease. */
  confirm(livestreamId: string, attempts: readonly { rid: string; expiresAtMs: number }[]): Promise<void>;

  /** pending or held → sold; its key stays bound, its units keep counting towards the limits. */
  settle(livestreamId: string, rids: readonly string[]): Promise<void>;

  /** pending, held or placed → units, place and limit counts given back. `unbind`: the key may be used for a new attempt. */
  release(livestreamId: string, attempts: readonly { rid: string; unbind: boolean }[]): Promise<void>;

  /** Adds items, and takes pools and terms whose `rev` is newer; raises the gate's `infoRev` (never lowers it); publishes. */
  putItems(livestreamId: string, items: readonly ItemDefinition[], infoRev: number): Promise<void>;

  /** null: missing, closed, or of another identity: rebuild. */
  read(livestreamId: string): Promise<GateReading | null>;

  /** Cheap look for the poll of each room: newest version without the items. null as in `read`. */
  peek(livestreamId: string): Promise<{ epoch: number; version: number; infoRev: number } | null>;

  /** All holds, for drift checks and for the comparison when a node starts. */
  holds(livestreamId: string): Promise<readonly GateHold[]>;

  /** Attempts whose lease ended before now (pending: resolve; held, placed: look at the ledger), oldest first, at most `limit`. */
  overdue(
    livestreamId: string,
    limit: number,
  ): Promise<readonly { rid: string; state: 'pending' | 'held' | 'placed' }[]>;

  /** B1. A missing gate or one of another identity is closed under a new nonce; an existing nonce is adopted. `force` closes an open gate. */
  begin(livestreamId: string, options?: { force: boolean }): Promise<BeginOutcome>;

  /** B3. Loads only if nonce and identity are unchanged and the epoch is newer; then open, and everything is published. */
  load(livestreamId: string, nonce: string, snapshot: GateSnapshot): Promise<'loaded' | 'superseded'>;

  /** Forgets keys past the retry window, at most `limit`; returns how many. Called by the sweep. */
  prune(livestreamId: string, limit: number): Promise<number>;

  /** Removes everything of an ended livestream. */
  archive(livestreamId: string): Promise<void>;

  /** Resolves once the subscription stands (V2): read after it. Returns how to stop. */
  follow(livestreamId: string, listener: FollowListener): Promise<() => Promise<void>>;

  close(): Promise<void>;
};

export type StockEngineSettings = {
  /** Lease of a pending attempt: 2–3 s. */
  readonly pendingLeaseMs: number;
  /** Retry window of an idempotency key; outlives the longest hold. */
  readonly keyTtlMs: number;
};
