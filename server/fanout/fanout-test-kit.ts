import { pino } from 'pino';
import type { StockSnapshot } from '../../contract/events.ts';
import {
  type DisplayPolicy,
  type Lane,
  type StockHeartbeat,
  type StockLevels,
  shownOf,
} from '../../contract/levels.ts';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import { FrameAcks } from '../../public/lib/frame-acks.ts';
import { LevelStore } from '../../public/lib/level-store.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import { item, Stage, settings, TestClock } from '../stock/stock-engine.fixtures.ts';
import { type FollowListener, GateUnavailable, type LevelChange, type StockEngine } from '../stock/stock-engine.ts';
import { memoryPresence, type Presence } from './presence.ts';
import type { FanoutSettings, Resume } from './room.ts';
import type { LaneEvent, LevelWriter } from './segment.ts';
import { type Membership, StockFanout } from './stock-fanout.ts';
import { TestTimers } from './timers-kit.ts';

/** What tests of fan-out share: time that is moved by hand, a gate whose messages can be lost, clients that keep the page's own rules. */

type Fate = 'deliver' | 'drop' | 'twice' | 'late';

/** One node's way to the gate: counts what it asks, loses or shuffles messages, and breaks when told to. */
export class NodeEngine {
  readonly #engine: StockEngine;
  readonly listeners = new Set<FollowListener>();
  readonly calls: string[] = [];
  late: LevelChange[] = [];
  broken = false;
  /** Held back until the test lets it go. */
  readGate: Promise<void> = Promise.resolve();
  fateOf: (change: LevelChange) => Fate = () => 'deliver';

  constructor(engine: StockEngine) {
    this.#engine = engine;
  }

  asEngine(): StockEngine {
    const own: Partial<StockEngine> = {
      read: (id) => this.#read(id),
      peek: (id) => this.#ask('peek', () => this.#engine.peek(id)),
      follow: (id, listener) => this.#follow(id, listener),
    };
    return new Proxy(this.#engine, {
      get: (engine, name) => Reflect.get(own, name) ?? (Reflect.get(engine, name, engine) as unknown),
    });
  }

  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }

  /** What was late arrives now, newest first. */
  deliverLate(): void {
    for (const change of this.late.splice(0).toReversed()) {
      for (const listener of this.listeners) listener.change(change);
    }
  }

  interrupt(): void {
    for (const listener of this.listeners) listener.interrupted();
  }

  async #read(id: string) {
    return this.#ask('read', async () => {
      const reading = await this.#engine.read(id);
      // The answer is what the gate was when it was asked, however long it is on its way.
      await this.readGate;
      return reading;
    });
  }

  async #ask<Answer>(name: string, ask: () => Promise<Answer>): Promise<Answer> {
    this.calls.push(name);
    if (this.broken) throw new GateUnavailable(name);
    return ask();
  }

  async #follow(id: string, listener: FollowListener): Promise<() => Promise<void>> {
    return this.#ask('follow', async () => {
      const unfollow = await this.#engine.follow(id, {
        change: (change) => this.#pass(change, listener),
        interrupted: () => listener.interrupted(),
      });
      this.listeners.add(listener);
      this.calls.push('following');
      return async () => {
        this.calls.push('unfollow');
        this.listeners.delete(listener);
        await unfollow();
      };
    });
  }

  #pass(change: LevelChange, listener: FollowListener): void {
    const fate = this.fateOf(change);
    if (fate === 'drop') return;
    if (fate === 'late') this.late.push(change);
    else listener.change(change);
    if (fate === 'twice') listener.change(change);
  }
}

export type Received = { readonly event: LaneEvent; readonly payload: Record<string, unknown>; readonly atMs: number };

/** A client as the page's: the page's own store of levels and its own rule for acknowledgements. */
export class TestClient {
  readonly id: string;
  readonly received: Received[] = [];
  readonly store = new LevelStore();
  /** False: nothing is read from the socket, so that frames pile up in it. */
  reading = true;
  acknowledges = true;
  membership: Membership | null = null;
  readonly #acks = new FrameAcks();
  readonly #clock: TestClock;
  #unread: Received[] = [];
  #taking = false;

  constructor(id: string, clock: TestClock) {
    this.id = id;
    this.#clock = clock;
  }

  deliver(event: LaneEvent, payload: object): void {
    this.#unread.push({ event, payload: payload as Record<string, unknown>, atMs: this.#clock.nowMs });
    if (this.reading) this.read();
  }

  get unread(): readonly Received[] {
    return this.#unread;
  }

  read(): void {
    this.reading = true;
    if (this.#taking) return;
    this.#taking = true;
    // What an acknowledgement brings comes after what is there already.
    for (let next = this.#unread.shift(); next !== undefined; next = this.#unread.shift()) this.#take(next);
    this.#taking = false;
  }

  /** The page's own timer: acknowledges what is due. */
  tick(): void {
    const frame = this.#acks.due(this.#clock.nowMs);
    if (frame !== null && this.acknowledges) this.membership?.acknowledge(frame);
  }

  disconnect(): void {
    this.membership?.leave();
    this.membership = null;
    this.#unread = [];
    this.reading = true;
    this.store.expectSnapshot();
    this.#acks.reset();
  }

  frames(): readonly StockLevels[] {
    return this.#payloads('stock:levels') as unknown as StockLevels[];
  }

  snapshots(): readonly StockSnapshot[] {
    return this.#payloads('stock:snapshot') as unknown as StockSnapshot[];
  }

  heartbeats(): readonly StockHeartbeat[] {
    return this.#payloads('stock:heartbeat') as unknown as StockHeartbeat[];
  }

  changes(): readonly LivestreamInfo[] {
    return this.#payloads('livestream:changed') as unknown as LivestreamInfo[];
  }

  shown(index: number): number | string | undefined {
    return this.store.level(index)?.shown;
  }

  forget(): void {
    this.received.length = 0;
  }

  #payloads(event: LaneEvent): readonly Record<string, unknown>[] {
    return this.received.filter((message) => message.event === event).map(({ payload }) => payload);
  }

  #take(message: Received): void {
    this.received.push(message);
    const { event, payload } = message;
    if (event === 'stock:snapshot') this.store.applySnapshot(payload as unknown as StockSnapshot);
    if (event === 'stock:levels') this.store.applyFrame(payload as unknown as StockLevels);
    if (event !== 'stock:snapshot' && event !== 'stock:levels') return;
    const frame = this.#acks.worked(payload['frame'] as number, this.#clock.nowMs);
    if (frame !== null && this.acknowledges) this.membership?.acknowledge(frame);
  }
}

export const livestreamId = 'show';

export function itemInfo(index: number, skuId: string, display: DisplayPolicy = { kind: 'exact' }): ItemInfo {
  return {
    index,
    skuId,
    productId: skuId,
    title: { zh: skuId, en: skuId },
    spec: [],
    imageUrl: null,
    unitPriceMinor: 100,
    currency: 'CNY',
    limits: { perOrder: null, perBuyer: null, perDevice: null },
    salePolicy: { kind: 'deduct_on_order' },
    display,
    sale: 'open',
    opensAtMs: 0,
  };
}

export function livestreamInfo(items: readonly ItemInfo[], parts: Partial<LivestreamInfo> = {}): LivestreamInfo {
  return {
    livestreamId,
    title: { zh: '直播', en: 'Show' },
    state: 'live',
    scheduledAtMs: null,
    startedAtMs: 1,
    endedAtMs: null,
    holdTtlMs: 600_000,
    pinnedSkuId: null,
    infoRev: 1,
    items: [...items],
    ...parts,
  };
}

/** A catalogue is only asked for the public description here; the real one needs a database and is used by the tests of the whole server. */
export class TestCatalogue {
  current: LivestreamInfo | null;
  loads = 0;

  constructor(info: LivestreamInfo | null) {
    this.current = info;
  }

  async info(id: string): Promise<LivestreamInfo | null> {
    this.loads += 1;
    await Promise.resolve();
    return id === this.current?.livestreamId ? this.current : null;
  }
}

export type Node = {
  readonly engine: NodeEngine;
  readonly fanout: StockFanout;
  readonly written: { readonly ids: readonly string[]; readonly event: LaneEvent; readonly payload: object }[];
  readonly backwards: string[];
};

/** One gate, one catalogue, any number of nodes and clients. */
export class FanoutStage {
  readonly clock = new TestClock();
  readonly timers = new TestTimers(this.clock);
  readonly gate: Stage;
  readonly catalogue: TestCatalogue;
  readonly clients = new Map<string, TestClient>();
  /** Called for every write, before it is delivered. */
  onWrite: (event: LaneEvent, ids: readonly string[]) => void = () => {};

  constructor(items: readonly ItemInfo[], info: Partial<LivestreamInfo> = {}) {
    const engine = new MemoryStockEngine({ clock: this.clock, settings });
    this.gate = new Stage(engine, livestreamId, this.clock);
    this.catalogue = new TestCatalogue(livestreamInfo(items, info));
  }

  node(options: { presence?: Presence; settings?: Partial<FanoutSettings> } = {}): Node {
    const engine = new NodeEngine(this.gate.engine);
    const written: Node['written'] = [];
    const backwards: string[] = [];
    const writer: LevelWriter = {
      write: (sockets, event, payload) => {
        const ids = sockets.map(({ id }) => id);
        this.onWrite(event, ids);
        written.push({ ids, event, payload });
        for (const id of ids) this.clients.get(id)?.deliver(event, payload);
      },
    };
    const fanout = new StockFanout({
      engine: engine.asEngine(),
      catalogue: this.catalogue,
      presence: options.presence ?? memoryPresence({ clock: this.clock }),
      writer,
      clock: this.clock,
      timers: this.timers,
      metrics: createMetrics(),
      log: pino({ level: 'silent' }),
      onGateBackwards: (id) => backwards.push(id),
      ...(options.settings === undefined ? {} : { settings: options.settings }),
    });
    return { engine, fanout, written, backwards };
  }

  client(): TestClient {
    const client = new TestClient(`socket${this.clients.size}`, this.clock);
    this.clients.set(client.id, client);
    return client;
  }

  /** Joins and lets everything settle; fails if there is no such livestream. */
  async join(node: Node, lane: Lane = 'viewers', client = this.client(), resume?: Resume): Promise<TestClient> {
    const joining = { done: false };
    const joined = node.fanout.join({ livestreamId, lane, socket: { id: client.id }, resume }).finally(() => {
      joining.done = true;
    });
    joined.catch(() => {});
    await this.timers.settle();
    // A reading may have to wait for its turn.
    for (let tries = 0; !joining.done && tries < 100; tries += 1) await this.timers.advance(10);
    const membership = await joined;
    if (membership === null) throw new Error('there is no such livestream');
    client.membership = membership;
    return client;
  }

  /** Advances in steps of the page's timer, at which clients acknowledge. */
  async advance(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 200) {
      await this.timers.advance(Math.min(200, ms - passedMs));
      for (const client of this.clients.values()) if (client.reading) client.tick();
    }
    await this.timers.settle();
  }

  async sell(skuId: string, quantity = 1): Promise<void> {
    await this.gate.reserve({ units: { [skuId]: quantity } });
    await this.timers.settle();
  }

  /** What a viewer must be shown of an item now. */
  async truth(skuId: string): Promise<number | string> {
    const reading = await this.gate.engine.read(livestreamId);
    const level = reading?.items.find((one) => one.skuId === skuId);
    const info = this.catalogue.current?.items.find((one) => one.skuId === skuId);
    if (level === undefined || info === undefined) throw new Error(`nothing is known of ${skuId}`);
    return shownOf(level.available, info.display);
  }
}

export { item };
