import type { StockSnapshot } from '../../contract/events.ts';
import type { StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import { FrameAcks } from '../../public/lib/frame-acks.ts';
import { ResyncPolicy } from '../../public/lib/freshness.ts';
import { LevelStore } from '../../public/lib/level-store.ts';
import type { LaneEvent } from '../../server/fanout/segment.ts';
import type { Membership, StockFanout } from '../../server/fanout/stock-fanout.ts';
import type { Chance } from './chance.ts';
import type { SimulatedNode } from './node.ts';
import { livestreamId } from './shop.ts';
import type { World } from './world.ts';

const tickMs = 200;

export type Store = Pick<
  LevelStore,
  'applyFrame' | 'applySnapshot' | 'expectSnapshot' | 'isBehind' | 'level' | 'resume'
>;

/** A page that shows levels: the page's own store, acknowledgements and rule for asking, behind a connection that comes and goes. */
export class Viewer {
  readonly id: string;
  readonly store: Store;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #nodes: readonly SimulatedNode[];
  readonly #items: number;
  readonly #acks = new FrameAcks();
  readonly #resync: ResyncPolicy;
  readonly #seen = new Map<number, { epoch: number; version: number }>();
  #node: SimulatedNode | null = null;
  #actorAlive: () => boolean = () => false;
  #membership: Membership | null = null;
  #joining = false;
  #unread: [LaneEvent, object][] = [];
  /** False: frames pile up in the connection. */
  reading = true;

  constructor(parts: {
    id: string;
    world: World;
    chance: Chance;
    nodes: readonly SimulatedNode[];
    items: number;
    store?: Store;
  }) {
    this.id = parts.id;
    this.#world = parts.world;
    this.#chance = parts.chance;
    this.#nodes = parts.nodes;
    this.#items = parts.items;
    this.store = parts.store ?? new LevelStore();
    this.#resync = new ResyncPolicy(() => parts.chance.next());
  }

  start(): void {
    this.#tick();
  }

  /** The connection is gone, as far as this page can tell. */
  disconnect(): void {
    this.#membership?.leave();
    this.#forget();
  }

  get connectedTo(): string | null {
    return this.#membership === null ? null : (this.#node?.name ?? null);
  }

  /** What another node than the present one sends goes to a connection that is gone. */
  deliver(from: string, event: LaneEvent, payload: object): void {
    if (this.#node?.name !== from) return;
    this.#unread.push([event, payload]);
    if (this.reading) this.read();
  }

  read(): void {
    this.reading = true;
    for (let next = this.#unread.shift(); next !== undefined; next = this.#unread.shift()) this.#take(...next);
  }

  #tick(): void {
    this.#world.schedule(tickMs, null, `${this.id} looks`, () => this.#tick(), 'timer');
    if (this.#node !== null && !this.#actorAlive()) this.#forget();
    if (this.#membership === null) {
      this.#connect();
      return;
    }
    if (!this.reading) return;
    this.#acknowledge(this.#acks.due(this.#world.nowMs));
    if (!this.#resync.due((target) => this.store.isBehind(target), this.#world.nowMs)) return;
    void this.#membership.resync(this.store.resume ?? undefined).catch(() => {});
  }

  #connect(): void {
    if (this.#joining) return;
    const node = this.#chance.oneOf(this.#nodes);
    const { running } = node;
    if (running === null) return;
    this.#joining = true;
    this.#node = node;
    this.#actorAlive = () => running.actor.alive;
    this.store.expectSnapshot();
    this.#acks.reset();
    this.#resync.reset();
    void this.#join(node, running.fanout);
  }

  async #join(node: SimulatedNode, fanout: StockFanout): Promise<void> {
    try {
      const resume = this.store.resume ?? undefined;
      const membership = await fanout.join({ livestreamId, lane: 'anchor', socket: { id: this.id }, resume });
      if (this.#node !== node || !this.#joining) {
        membership?.leave();
        return;
      }
      this.#joining = false;
      this.#membership = membership;
    } catch {
      // The gate cannot be followed just now: the page tries another node.
      this.#forget();
    }
  }

  #forget(): void {
    this.#node = null;
    this.#membership = null;
    this.#joining = false;
    this.#unread = [];
    this.reading = true;
  }

  #take(event: LaneEvent, payload: object): void {
    if (event === 'stock:heartbeat') {
      const { epoch, upTo } = payload as StockHeartbeat;
      if (this.store.isBehind({ epoch, upTo })) this.#resync.behind({ epoch, upTo }, this.#world.nowMs);
      return;
    }
    if (event === 'stock:snapshot') {
      const snapshot = payload as StockSnapshot;
      this.#resync.reset();
      this.#afterLevels(snapshot, this.store.applySnapshot(snapshot).needs === 'full_snapshot');
    } else if (event === 'stock:levels') {
      const frame = payload as StockLevels;
      this.#afterLevels(frame, this.store.applyFrame(frame).needs === 'full_snapshot');
    }
  }

  #afterLevels(frame: { frame: number; epoch: number; upTo?: number | undefined }, needsAll: boolean): void {
    if (needsAll) this.#resync.behind({ epoch: frame.epoch, upTo: frame.upTo ?? 0 }, this.#world.nowMs);
    this.#acknowledge(this.#acks.worked(frame.frame, this.#world.nowMs));
    for (let index = 0; index < this.#items; index += 1) this.#checkForward(index);
  }

  #acknowledge(frame: number | null): void {
    if (frame !== null) this.#membership?.acknowledge(frame);
  }

  /** V1: what is shown never goes backwards. */
  #checkForward(index: number): void {
    const level = this.store.level(index);
    if (level === undefined) return;
    const before = this.#seen.get(index);
    const { epoch, version } = level;
    if (before !== undefined && (epoch < before.epoch || (epoch === before.epoch && version < before.version))) {
      const [was, is] = [`${before.epoch}/${before.version}`, `${epoch}/${version}`];
      this.#world.violate('V1', `${this.id} saw item ${index} at ${was} and then at ${is}`);
    }
    this.#seen.set(index, { epoch, version });
  }
}
