import { StatementRefused } from '../../server/orders/ledger-errors.ts';
import {
  type AppendOutcome,
  LedgerRefused,
  LedgerUnknown,
  type NewOrder,
  type OrderLedger,
} from '../../server/orders/order-ledger.ts';
import {
  GateUnavailable,
  type LevelChange,
  type StockEngine,
  type StockEngineSettings,
} from '../../server/stock/stock-engine.ts';
import { CatalogueModel } from './catalogue-model.ts';
import type { Chance } from './chance.ts';
import { GateServer } from './gate-server.ts';
import { LedgerModel } from './ledger-model.ts';
import type { LivestreamRow } from './ledger-state.ts';
import { CallLink, type LinkFaults, noFaults } from './links.ts';
import type { Actor, World } from './world.ts';

export const livestreamId = 'night';

/** What a test plants: another server, another model, or something between a node and them. The product's code is never touched. */
export type Defect = {
  readonly gateServer?: (identity: string, settings: StockEngineSettings) => GateServer;
  readonly ledgerModel?: () => LedgerModel;
  readonly engine?: (
    engine: StockEngine,
    node: { readonly clock: { now(): number }; readonly shop: Shop },
  ) => StockEngine;
  readonly ledger?: (
    ledger: OrderLedger,
    node: { readonly engine: StockEngine; readonly clock: { now(): number }; readonly shop: Shop },
  ) => OrderLedger;
};

export type Follower = {
  readonly actor: Actor;
  server: GateServer;
  readonly hear: (change: LevelChange) => void;
  readonly interrupted: () => void;
};

export const gateSettings: StockEngineSettings = { pendingLeaseMs: 2_000, keyTtlMs: 3_600_000 };
const gateTimeoutMs = 300;
/** Less than the patience of a group commit, so that what a lost answer means is decided where the ledger is asked. */
const ledgerTimeoutMs = 1_400;

/** Everything outside the nodes: the ledger, the gate's server or servers, and the links to them. */
export class Shop {
  readonly world: World;
  readonly chance: Chance;
  readonly defect: Defect;
  readonly ledger: LedgerModel;
  readonly catalogue: CatalogueModel;
  readonly ledgerSkewMs: number;
  readonly gateLink: CallLink;
  readonly ledgerLink: CallLink;
  /** Probability that a published change is lost, late or told twice. */
  messageFaults = { lost: 0, late: 0, twice: 0 };
  gate: GateServer;
  /** After a failover that not everybody has noticed: the old server, and the nodes that still talk to it. */
  split: { readonly server: GateServer; readonly nodes: ReadonlySet<string> } | null = null;
  ledgerUp = true;
  gateUp = true;
  #gateGeneration = 0;
  #ledgerGeneration = 0;
  #servers = 0;
  #nonces = 0;
  readonly #followers = new Set<Follower>();
  /** Called after each change of the ledger or of a gate. */
  onLedger: () => void = () => {};
  onGate: () => void = () => {};
  onAppend: (orders: readonly NewOrder[], outcomes: readonly AppendOutcome[]) => void = () => {};

  constructor(parts: {
    world: World;
    chance: Chance;
    livestream: LivestreamRow;
    ledgerSkewMs: number;
    defect: Defect;
  }) {
    this.world = parts.world;
    this.chance = parts.chance;
    this.defect = parts.defect;
    this.ledgerSkewMs = parts.ledgerSkewMs;
    this.ledger = parts.defect.ledgerModel?.() ?? new LedgerModel();
    this.ledger.tables.livestreams.set(parts.livestream.livestreamId, parts.livestream);
    this.catalogue = new CatalogueModel(this.ledger.tables);
    this.gate = this.newServer();
    const { world, chance } = parts;
    this.gateLink = new CallLink({
      world,
      chance,
      server: { name: 'gate', isUp: () => this.gateUp, generation: () => this.#gateGeneration },
      timeoutMs: gateTimeoutMs,
      errors: {
        refused: (text) => new GateUnavailable(text),
        neverSent: (text) => new GateUnavailable(text),
        unknown: (text) => new GateUnavailable(text),
      },
    });
    this.ledgerLink = new CallLink({
      world,
      chance,
      server: { name: 'ledger', isUp: () => this.ledgerUp, generation: () => this.#ledgerGeneration },
      timeoutMs: ledgerTimeoutMs,
      errors: {
        refused: (text) => new StatementRefused('55P03', text, null),
        neverSent: (text) => new LedgerRefused(text),
        unknown: (text) => new LedgerUnknown(text),
      },
    });
  }

  /** The database's clock. */
  get ledgerNowMs(): number {
    return this.world.nowMs + this.ledgerSkewMs;
  }

  serverOf(actor: Actor): GateServer {
    return this.split?.nodes.has(actor.name) === true ? this.split.server : this.gate;
  }

  newNonce(): string {
    this.#nonces += 1;
    return `nonce${this.#nonces}`;
  }

  faults(gate: LinkFaults, ledger: LinkFaults, messages: Shop['messageFaults']): void {
    this.gateLink.faults = gate;
    this.ledgerLink.faults = ledger;
    this.messageFaults = messages;
  }

  heal(): void {
    this.faults(noFaults, noFaults, { lost: 0, late: 0, twice: 0 });
    this.ledgerUp = true;
    this.gateUp = true;
    if (this.split !== null) this.endSplit();
  }

  /** Connections break and what is under way with it; what it has stays. */
  setGateUp(up: boolean): void {
    this.gateUp = up;
    if (up) this.#reconnectAll();
    else this.#gateGeneration += 1;
  }

  setLedgerUp(up: boolean): void {
    this.ledgerUp = up;
    if (!up) this.#ledgerGeneration += 1;
  }

  /** The same data in a new process: another identity. */
  restartGate(): void {
    this.promote(this.gate.changes);
  }

  /** A replica that has heard only so many of the changes becomes the server. */
  promote(changes: number, forWhom: 'all' | ReadonlySet<string> = 'all'): void {
    const old = this.gate;
    const replica = this.newServer();
    const { onChange } = replica;
    replica.onChange = () => {};
    old.replicateTo(replica, changes);
    replica.onChange = onChange;
    this.gate = replica;
    this.#gateGeneration += 1;
    this.split = forWhom === 'all' ? null : { server: old, nodes: forWhom };
    this.#reconnectAll();
    this.onGate();
  }

  endSplit(): void {
    this.split = null;
    this.#gateGeneration += 1;
    this.#reconnectAll();
  }

  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  protected newServer(): GateServer {
    this.#servers += 1;
    const make = this.defect.gateServer ?? ((identity, settings) => new GateServer(identity, settings));
    const server = make(`server${this.#servers}`, gateSettings);
    server.onChange = (_, change) => this.#publish(server, change);
    return server;
  }

  #publish(server: GateServer, change: LevelChange): void {
    this.onGate();
    for (const follower of this.#followers) {
      if (follower.server !== server || !follower.actor.alive) continue;
      const { lost, late, twice } = this.messageFaults;
      if (this.chance.happens(lost)) continue;
      const delayMs = this.chance.happens(late) ? this.chance.between(5, 900) : this.chance.between(0, 2);
      this.world.schedule(delayMs, follower.actor, 'change', () => follower.hear(change));
      if (!this.chance.happens(twice)) continue;
      this.world.schedule(delayMs + this.chance.between(0, 500), follower.actor, 'change again', () =>
        follower.hear(change),
      );
    }
  }

  /** Subscribers notice after a while, subscribe again, and know that they may have missed something. */
  #reconnectAll(): void {
    for (const follower of this.#followers) {
      this.world.schedule(this.chance.between(1, 200), follower.actor, 'subscribes again', () => {
        follower.server = this.serverOf(follower.actor);
        follower.interrupted();
      });
    }
  }
}
