import { MemoryGate } from '../../server/stock/memory-gate.ts';
import type {
  BeginOutcome,
  GateHold,
  GateReading,
  GateSnapshot,
  ItemDefinition,
  LevelChange,
  ReserveOutcome,
  ReserveRequest,
  StockEngineSettings,
} from '../../server/stock/stock-engine.ts';

/** What a script is told beside its own arguments: the server that the connection reaches, and the caller's clock (G2). */
export type At = { readonly identity: string; readonly nowMs: number };

type Place = { nonce: string; identity: string; epoch: number; gate: MemoryGate | null };

/**
 * A server as Redis is one, with the product's own gate in it: it has an identity, replicates by its log of commands, and what it keeps
 * can be lost as a whole, in part, or be older than what it has answered. What Redis keeps in keys beside the gate itself (meta and
 * sentinels) is here as the Lua scripts `begin` and `load` and their prelude have it.
 */
export class GateServer {
  readonly identity: string;
  protected readonly settings: StockEngineSettings;
  protected readonly places = new Map<string, Place>();
  /** Every change, so that a replica is a prefix of it. */
  readonly #log: ((replica: GateServer) => void)[] = [];
  onChange: (livestreamId: string, change: LevelChange) => void = () => {};

  constructor(identity: string, settings: StockEngineSettings) {
    this.identity = identity;
    this.settings = settings;
  }

  get changes(): number {
    return this.#log.length;
  }

  /** Makes `replica` what this server was after so many changes. */
  replicateTo(replica: GateServer, changes: number): void {
    for (const change of this.#log.slice(0, changes)) change(replica);
  }

  reserve(at: At, livestreamId: string, requests: readonly ReserveRequest[]): readonly ReserveOutcome[] {
    this.log((replica) => replica.reserve(at, livestreamId, requests));
    const gate = this.usable(at, livestreamId);
    if (gate === null) return requests.map(() => ({ kind: 'rebuilding' }));
    const outcomes = requests.map((request) => gate.reserve(request, at.nowMs));
    this.publish(livestreamId, gate, at.nowMs);
    return outcomes;
  }

  confirm(at: At, livestreamId: string, attempts: readonly { rid: string; expiresAtMs: number }[]): void {
    this.log((replica) => replica.confirm(at, livestreamId, attempts));
    this.change(at, livestreamId, (gate) => {
      for (const { rid, expiresAtMs } of attempts) gate.confirm(rid, expiresAtMs);
    });
  }

  settle(at: At, livestreamId: string, rids: readonly string[]): void {
    this.log((replica) => replica.settle(at, livestreamId, rids));
    this.change(at, livestreamId, (gate) => {
      for (const rid of rids) gate.settle(rid);
    });
  }

  release(at: At, livestreamId: string, attempts: readonly { rid: string; unbind: boolean }[]): void {
    this.log((replica) => replica.release(at, livestreamId, attempts));
    this.change(at, livestreamId, (gate) => {
      for (const { rid, unbind } of attempts) gate.release(rid, unbind);
    });
  }

  putItems(at: At, livestreamId: string, items: readonly ItemDefinition[], infoRev: number): void {
    this.log((replica) => replica.putItems(at, livestreamId, items, infoRev));
    this.change(at, livestreamId, (gate) => gate.putItems(items, infoRev));
  }

  read(at: At, livestreamId: string): GateReading | null {
    return this.usable(at, livestreamId)?.read(at.nowMs) ?? null;
  }

  peek(at: At, livestreamId: string): { epoch: number; version: number; infoRev: number } | null {
    return this.usable(at, livestreamId)?.position ?? null;
  }

  holds(at: At, livestreamId: string): readonly GateHold[] {
    return this.usable(at, livestreamId)?.holds() ?? [];
  }

  overdue(at: At, livestreamId: string, limit: number): readonly Pick<GateHold, 'rid' | 'state'>[] {
    return this.usable(at, livestreamId)?.overdue(limit, at.nowMs) ?? [];
  }

  begin(at: At, livestreamId: string, newNonce: string, force: boolean): BeginOutcome {
    this.log((replica) => replica.begin(at, livestreamId, newNonce, force));
    const place = this.places.get(livestreamId);
    if (place !== undefined && this.usable(at, livestreamId) !== null && !force)
      return { kind: 'open', epoch: place.epoch };
    if (place?.gate === null && place.identity === at.identity) return { kind: 'closed', nonce: place.nonce };
    // The epoch stays: a late load of an older history must not win (B3).
    this.places.set(livestreamId, { nonce: newNonce, identity: at.identity, epoch: place?.epoch ?? -1, gate: null });
    return { kind: 'closed', nonce: newNonce };
  }

  load(at: At, livestreamId: string, nonce: string, snapshot: GateSnapshot): 'loaded' | 'superseded' {
    this.log((replica) => replica.load(at, livestreamId, nonce, snapshot));
    const place = this.places.get(livestreamId);
    if (place?.nonce !== nonce || place.identity !== at.identity || snapshot.epoch <= place.epoch) return 'superseded';
    const gate = new MemoryGate(snapshot, this.settings, at.nowMs);
    this.places.set(livestreamId, { ...place, epoch: snapshot.epoch, gate });
    this.publish(livestreamId, gate, at.nowMs);
    return 'loaded';
  }

  prune(at: At, livestreamId: string, limit: number): number {
    this.log((replica) => replica.prune(at, livestreamId, limit));
    return this.usable(at, livestreamId)?.prune(limit, at.nowMs) ?? 0;
  }

  archive(livestreamId: string): void {
    this.log((replica) => replica.archive(livestreamId));
    this.places.delete(livestreamId);
  }

  flush(): void {
    this.log((replica) => replica.flush());
    this.places.clear();
  }

  /** One key of the livestream is gone. With it the sentinel in it: meta is all that is left to be believed (G1). */
  loseKey(livestreamId: string): void {
    this.log((replica) => replica.loseKey(livestreamId));
    const place = this.places.get(livestreamId);
    if (place !== undefined && place.gate !== null) place.identity = `${place.identity}, broken`;
  }

  /** G1, G2: the gate, if it is open, whole and of the server that the caller thinks it talks to. */
  protected usable(at: At, livestreamId: string): MemoryGate | null {
    const place = this.places.get(livestreamId);
    return place?.identity === at.identity ? place.gate : null;
  }

  protected change(at: At, livestreamId: string, change: (gate: MemoryGate) => void): void {
    const gate = this.usable(at, livestreamId);
    if (gate === null) return;
    change(gate);
    this.publish(livestreamId, gate, at.nowMs);
  }

  protected publish(livestreamId: string, gate: MemoryGate, nowMs: number): void {
    const change = gate.takeChange(nowMs);
    if (change !== null) this.onChange(livestreamId, change);
  }

  protected log(change: (replica: GateServer) => void): void {
    this.#log.push(change);
  }
}
