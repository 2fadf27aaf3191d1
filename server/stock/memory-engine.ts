import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { MemoryGate } from './memory-gate.ts';
import type {
  BeginOutcome,
  FollowListener,
  GateHold,
  GateReading,
  GateSnapshot,
  ItemDefinition,
  LevelChange,
  ReserveOutcome,
  ReserveRequest,
  StockEngine,
  StockEngineSettings,
} from './stock-engine.ts';

export type MemoryStockEngineOptions = {
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly newNonce?: () => string;
};

/** `gate` is null while closed; `epoch` stays, so that a late load of an older history cannot win (B3). */
type Place = { nonce: string; epoch: number; gate: MemoryGate | null };

/**
 * The gate inside the process: embedded default, and the reference model that the Lua scripts are compared with.
 * Every method does its work before it returns, so a call is one atomic step. After a restart nothing is left: `begin` and `load`
 * rebuild it from the ledger. Followers hear of changes in a microtask, in order; their listeners must not throw.
 */
export class MemoryStockEngine implements StockEngine {
  readonly #clock: Clock;
  readonly #settings: StockEngineSettings;
  readonly #newNonce: () => string;
  readonly #places = new Map<string, Place>();
  readonly #followers = new Map<string, Set<{ readonly listener: FollowListener }>>();
  #unheard: { livestreamId: string; change: LevelChange }[] = [];

  constructor({ clock, settings, newNonce = randomUUID }: MemoryStockEngineOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#newNonce = newNonce;
  }

  async reserve(livestreamId: string, requests: readonly ReserveRequest[]): Promise<readonly ReserveOutcome[]> {
    const gate = this.#openGate(livestreamId);
    if (gate === null) return requests.map(() => ({ kind: 'rebuilding' }));
    const nowMs = this.#clock.now();
    const outcomes = requests.map((request) => gate.reserve(request, nowMs));
    this.#publish(livestreamId, gate, nowMs);
    return outcomes;
  }

  async confirm(livestreamId: string, attempts: readonly { rid: string; expiresAtMs: number }[]): Promise<void> {
    this.#change(livestreamId, (gate) => {
      for (const { rid, expiresAtMs } of attempts) gate.confirm(rid, expiresAtMs);
    });
  }

  async settle(livestreamId: string, rids: readonly string[]): Promise<void> {
    this.#change(livestreamId, (gate) => {
      for (const rid of rids) gate.settle(rid);
    });
  }

  async release(livestreamId: string, attempts: readonly { rid: string; unbind: boolean }[]): Promise<void> {
    this.#change(livestreamId, (gate) => {
      for (const { rid, unbind } of attempts) gate.release(rid, unbind);
    });
  }

  async putItems(livestreamId: string, items: readonly ItemDefinition[], infoRev: number): Promise<void> {
    this.#change(livestreamId, (gate) => gate.putItems(items, infoRev));
  }

  async read(livestreamId: string): Promise<GateReading | null> {
    return this.#openGate(livestreamId)?.read(this.#clock.now()) ?? null;
  }

  async peek(livestreamId: string): Promise<{ epoch: number; version: number; infoRev: number } | null> {
    return this.#openGate(livestreamId)?.position ?? null;
  }

  async holds(livestreamId: string): Promise<readonly GateHold[]> {
    return this.#openGate(livestreamId)?.holds() ?? [];
  }

  async overdue(livestreamId: string, limit: number): Promise<readonly Pick<GateHold, 'rid' | 'state'>[]> {
    return this.#openGate(livestreamId)?.overdue(limit, this.#clock.now()) ?? [];
  }

  async begin(livestreamId: string, options?: { force: boolean }): Promise<BeginOutcome> {
    const place = this.#places.get(livestreamId);
    if (place === undefined || (place.gate !== null && options?.force === true)) {
      const nonce = this.#newNonce();
      this.#places.set(livestreamId, { nonce, epoch: place?.epoch ?? -1, gate: null });
      return { kind: 'closed', nonce };
    }
    return place.gate === null ? { kind: 'closed', nonce: place.nonce } : { kind: 'open', epoch: place.epoch };
  }

  async load(livestreamId: string, nonce: string, snapshot: GateSnapshot): Promise<'loaded' | 'superseded'> {
    const place = this.#places.get(livestreamId);
    // Also into an open gate: the ledger has fenced its epoch already, so nothing that it decided since can commit.
    if (place === undefined || place.nonce !== nonce || snapshot.epoch <= place.epoch) return 'superseded';
    const nowMs = this.#clock.now();
    const gate = new MemoryGate(snapshot, this.#settings, nowMs);
    this.#places.set(livestreamId, { nonce, epoch: snapshot.epoch, gate });
    this.#publish(livestreamId, gate, nowMs);
    return 'loaded';
  }

  async prune(livestreamId: string, limit: number): Promise<number> {
    return this.#openGate(livestreamId)?.prune(limit, this.#clock.now()) ?? 0;
  }

  async archive(livestreamId: string): Promise<void> {
    this.#places.delete(livestreamId);
  }

  async follow(livestreamId: string, listener: FollowListener): Promise<() => Promise<void>> {
    const followers = this.#followers.get(livestreamId) ?? new Set();
    // An entry of its own for each call, so that one listener may follow twice and stop once.
    const follower = { listener };
    this.#followers.set(livestreamId, followers.add(follower));
    return async () => {
      followers.delete(follower);
      if (followers.size === 0 && this.#followers.get(livestreamId) === followers) this.#followers.delete(livestreamId);
    };
  }

  async close(): Promise<void> {
    this.#followers.clear();
    this.#places.clear();
  }

  #openGate(livestreamId: string): MemoryGate | null {
    return this.#places.get(livestreamId)?.gate ?? null;
  }

  #change(livestreamId: string, change: (gate: MemoryGate) => void): void {
    const gate = this.#openGate(livestreamId);
    if (gate === null) return;
    change(gate);
    this.#publish(livestreamId, gate, this.#clock.now());
  }

  #publish(livestreamId: string, gate: MemoryGate, nowMs: number): void {
    const change = gate.takeChange(nowMs);
    if (change === null || !this.#followers.has(livestreamId)) return;
    // In a microtask: a listener that calls the engine again must not do so in the middle of a step.
    if (this.#unheard.push({ livestreamId, change }) === 1) queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    const heard = this.#unheard;
    this.#unheard = [];
    for (const { livestreamId, change } of heard) {
      for (const { listener } of this.#followers.get(livestreamId) ?? []) listener.change(change);
    }
  }
}
