import assert from 'node:assert/strict';
import type { Clock } from '../lib/clock.ts';
import type {
  GateReading,
  GateSnapshot,
  ItemDefinition,
  ItemPool,
  ItemTerms,
  LevelChange,
  ReserveOutcome,
  ReserveRequest,
  StockEngine,
  StockEngineSettings,
} from './stock-engine.ts';

/** What the suites need to try an engine: small words for requests, items and snapshots. */

export const settings: StockEngineSettings = { pendingLeaseMs: 2_000, keyTtlMs: 100_000 };

/** Time that stands still until a test moves it. */
export class TestClock implements Clock {
  nowMs = 1_760_000_000_000;
  now(): number {
    return this.nowMs;
  }
}

export type EngineParts = {
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly newNonce: () => string;
};
/** Gives an engine without any livestream of the given ids. */
export type EngineFactory = (parts: EngineParts) => Promise<StockEngine>;

type Terms = Partial<Omit<ItemTerms, 'limits'>> & Partial<ItemTerms['limits']>;
type Item = Partial<ItemPool> &
  Terms & { readonly sold?: number; readonly poolRev?: number; readonly termsRev?: number };

/** An item on sale, of which 10 units are allotted, without limits. */
export function item(skuId: string, options: Item = {}): ItemDefinition & { readonly sold: number } {
  const { perOrder = null, perBuyer = null, perDevice = null } = options;
  const { sale = 'open', opensAtMs = 0, salePolicy = { kind: 'deduct_on_order' } } = options;
  const { rev = 1, poolRev = rev, termsRev = rev, allotted = 10, returned = 0, sold = 0 } = options;
  return {
    skuId,
    pool: { rev: poolRev, allotted, returned },
    terms: { rev: termsRev, sale, opensAtMs, salePolicy, limits: { perOrder, perBuyer, perDevice } },
    sold,
  };
}

export const snapshot = (parts: Partial<GateSnapshot> = {}): GateSnapshot => ({
  epoch: 1,
  infoRev: 1,
  items: [],
  holds: [],
  counted: [],
  keys: [],
  ...parts,
});

type Request = Partial<Omit<ReserveRequest, 'lines'>> & { readonly units?: Readonly<Record<string, number>> };

let requestsMade = 0;

/** A new attempt of a new buyer for one unit of `tea`, under a new key. */
export function request({ units = { tea: 1 }, ...parts }: Request = {}): ReserveRequest {
  requestsMade += 1;
  const { rid = `r${requestsMade}`, buyerId = `buyer${requestsMade}` } = parts;
  const lines = Object.entries(units).map(([skuId, quantity]) => ({ skuId, quantity }));
  const key = parts.key === undefined ? `${buyerId}/key${requestsMade}` : parts.key;
  return { bodyHash: 'hash', deviceId: null, reacquires: null, ...parts, rid, buyerId, key, lines };
}

/** One livestream on an engine, with its clock and the messages that were heard. */
export class Stage {
  readonly engine: StockEngine;
  readonly id: string;
  readonly clock: TestClock;
  readonly heard: LevelChange[] = [];
  interruptions = 0;

  constructor(engine: StockEngine, id: string, clock: TestClock) {
    this.engine = engine;
    this.id = id;
    this.clock = clock;
  }

  async begin(force = false): Promise<string> {
    const outcome = await this.engine.begin(this.id, { force });
    assert(outcome.kind === 'closed', 'begin found an open gate');
    return outcome.nonce;
  }

  /** Opens the gate with these items, under epoch 1 unless said otherwise. */
  async open(...items: readonly (ItemDefinition & { sold: number })[]): Promise<this> {
    return this.load({ items });
  }

  async load(parts: Partial<GateSnapshot>): Promise<this> {
    assert((await this.engine.load(this.id, await this.begin(true), snapshot(parts))) === 'loaded');
    return this;
  }

  async follow(): Promise<() => Promise<void>> {
    return this.engine.follow(this.id, {
      change: (change) => this.heard.push(change),
      interrupted: () => {
        this.interruptions += 1;
      },
    });
  }

  async reserve(parts: Request = {}): Promise<ReserveOutcome> {
    return this.reserveRequest(request(parts));
  }

  async reserveRequest(one: ReserveRequest): Promise<ReserveOutcome> {
    const [outcome] = await this.engine.reserve(this.id, [one]);
    assert(outcome !== undefined);
    return outcome;
  }

  confirm(rid: string, expiresAtMs = this.clock.now() + 600_000): Promise<void> {
    return this.engine.confirm(this.id, [{ rid, expiresAtMs }]);
  }

  settle(rid: string): Promise<void> {
    return this.engine.settle(this.id, [rid]);
  }

  release(rid: string, unbind = false): Promise<void> {
    return this.engine.release(this.id, [{ rid, unbind }]);
  }

  put(...items: readonly ItemDefinition[]): Promise<void> {
    return this.engine.putItems(this.id, items, 1);
  }

  async read(): Promise<GateReading> {
    const reading = await this.engine.read(this.id);
    assert(reading !== null, 'the gate is missing or closed');
    return reading;
  }

  /** An item's numbers in one line: `allotted held sold available`. */
  async units(skuId = 'tea'): Promise<string> {
    const found = (await this.read()).items.find((one) => one.skuId === skuId);
    assert(found !== undefined, `no ${skuId}`);
    return `${found.allotted} held ${found.held} sold ${found.sold} available ${found.available}`;
  }

  async status(skuId = 'tea'): Promise<string | undefined> {
    return (await this.read()).items.find((one) => one.skuId === skuId)?.status;
  }
}

/** Waits until `check` holds; messages come soon, not at once. */
export async function soon(check: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!(await check())) {
    assert(Date.now() < endMs, `not within ${withinMs} ms: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
