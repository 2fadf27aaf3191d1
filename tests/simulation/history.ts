import { Chance } from './chance.ts';
import { Judge } from './judge.ts';
import { noFaults } from './links.ts';
import { intervals, SimulatedNode } from './node.ts';
import { type FaultName, type Plan, planOf, termsOf } from './plan.ts';
import { type Defect, Shop } from './shop.ts';
import { Shoppers } from './shoppers.ts';
import { type Store, Viewer } from './viewer.ts';
import { beginningMs, type Violation, World } from './world.ts';

/** Virtual time without faults until everything must be at rest: a pending lease, and what I3 allows after it. */
const restMs = 6_500;

export type HistoryOutcome = {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  readonly happenings: number;
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
};

export type HistoryOptions = {
  readonly tracing?: boolean;
  readonly defect?: Defect & { readonly store?: () => Store };
  /** Fewer operations and faults than the seed makes: for a shorter history with the same beginning. */
  readonly operationsMax?: number;
  readonly faultsMax?: number;
};

/** One whole history from one seed: the same seed and options give the same history. */
export async function runHistory(seed: number, options: HistoryOptions = {}): Promise<HistoryOutcome> {
  return new History(seed, options).run();
}

class History {
  readonly #seed: number;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #plan: Plan;
  readonly #shop: Shop;
  readonly #judge: Judge;
  readonly #nodes: SimulatedNode[];
  readonly #viewers: Viewer[];
  readonly #shoppers: Shoppers;
  readonly #operations: number;
  readonly #faultsMax: number;
  readonly #faults: Record<string, number> = {};
  #keys = 0;

  constructor(
    seed: number,
    { tracing = false, defect = {}, operationsMax = Infinity, faultsMax = Infinity }: HistoryOptions,
  ) {
    this.#seed = seed;
    this.#chance = new Chance(seed);
    this.#plan = planOf(new Chance(seed ^ 0x5bd1e995));
    this.#world = new World({ tracing });
    const { livestream, ledgerSkewMs, nodes, skewsMs, operations, faults } = this.#plan;
    this.#operations = Math.min(operations, operationsMax);
    this.#faultsMax = Math.min(this.#plan.faultKinds.length === 0 ? 0 : faults, faultsMax);
    this.#shop = new Shop({ world: this.#world, chance: this.#chance, livestream, ledgerSkewMs, defect });
    this.#judge = new Judge(this.#shop);
    this.#nodes = ['a', 'b', 'c'].slice(0, nodes).map(
      (name, index) =>
        new SimulatedNode(this.#shop, name, skewsMs[index] ?? 0, {
          ordersInFlightMax: 100,
          intervals,
          onDrift: () => {
            this.#judge.drifts += 1;
          },
          writer: {
            write: (sockets, event, payload) => {
              for (const { id } of sockets)
                this.#viewers.find((viewer) => viewer.id === id)?.deliver(name, event, payload);
            },
          },
        }),
    );
    this.#viewers = ['v1', 'v2'].map((id) => {
      const parts = {
        id,
        world: this.#world,
        chance: this.#chance,
        nodes: this.#nodes,
        items: livestream.items.length,
      };
      return new Viewer(defect.store === undefined ? parts : { ...parts, store: defect.store() });
    });
    this.#shoppers = new Shoppers({ shop: this.#shop, chance: this.#chance, judge: this.#judge, nodes: this.#nodes });
  }

  async run(): Promise<HistoryOutcome> {
    const { activeMs, gateFaults, ledgerFaults, clientFaults, messageFaults } = this.#plan;
    const world = this.#world;
    for (const node of this.#nodes) node.start();
    for (const viewer of this.#viewers) viewer.start();
    this.#shop.faults(gateFaults, ledgerFaults, messageFaults);
    this.#shoppers.faults = clientFaults;
    for (let n = 0; n < this.#operations; n += 1) {
      world.schedule(this.#chance.between(5, activeMs), null, 'operation', () => this.#operate());
    }
    for (let n = 0; n < this.#faultsMax; n += 1) {
      world.schedule(this.#chance.between(5, activeMs), null, 'fault', () => this.#fault());
    }
    await world.run(beginningMs + activeMs);
    world.tell(() => '--- from here on nothing fails any more');
    this.#heal();
    await world.run(beginningMs + activeMs + restMs);
    // I6: what has just become due has a second.
    while (this.#judge.anyJustDue() && world.violations.length === 0) await world.run(world.nowMs + 250);
    if (world.violations.length === 0) this.#atRest();
    for (const node of this.#nodes) node.crash();
    const { violations, trace, happenings } = world;
    return { seed: this.#seed, violations, trace, happenings, operations: this.#operations, faults: this.#faults };
  }

  #heal(): void {
    this.#shop.heal();
    this.#shoppers.faults = noFaults;
    for (const node of this.#nodes) node.start();
    for (const viewer of this.#viewers) viewer.read();
  }

  #atRest(): void {
    this.#judge.atRest();
    const gate = this.#shop.gate.read({ identity: this.#shop.gate.identity, nowMs: this.#world.nowMs }, 'night');
    for (const viewer of this.#viewers) {
      for (const [index, { skuId }] of this.#plan.livestream.items.entries()) {
        const item = gate?.items.find((one) => one.skuId === skuId);
        const level = viewer.store.level(index);
        const shown = `${level?.epoch}: ${level?.shown} left ${level?.held} held ${level?.sold} sold`;
        const truth = `${gate?.epoch}: ${item?.available} left ${item?.held} held ${item?.sold} sold`;
        if (shown !== truth)
          this.#world.violate('I5', `${viewer.id} at ${viewer.connectedTo} sees ${skuId} as ${shown}, it is ${truth}`);
      }
    }
    for (const name of this.#shoppers.open.values()) this.#world.violate('OR-3', `${name} has no answer at rest`);
  }

  #operate(): void {
    const chance = this.#chance;
    const { orders } = this.#shoppers;
    const kind = chance.weighted({
      buy: 10,
      burst: 1,
      again: 3,
      pay: 5,
      odd_payment: 1,
      cancel: 2,
      refund: 1,
      manage: this.#plan.managing ? 2 : 0,
    });
    if (kind === 'buy' || orders.length === 0) this.#buy();
    else if (kind === 'burst') this.#burst();
    else if (kind === 'again') this.#shoppers.buy(chance.oneOf(this.#shoppers.wishes));
    else if (kind === 'manage') this.#manage();
    else {
      // Of the newest mostly: what is old has been settled.
      const { order } = chance.happens(0.6) ? (orders.at(-1) ?? chance.oneOf(orders)) : chance.oneOf(orders);
      if (kind === 'pay') this.#payWhenever(order);
      else if (kind === 'odd_payment') this.#shoppers.pay(order, chance.happens(0.5) ? 1 : order.totalMinor);
      else if (kind === 'cancel') this.#shoppers.cancel(order);
      else this.#shoppers.refund(order);
    }
  }

  /** Many at once; and sometimes the pool gets smaller while they are on their way. */
  #burst(): void {
    for (let n = this.#chance.between(3, 8); n > 0; n -= 1) this.#buy();
    if (!this.#plan.managing || this.#chance.happens(0.5)) return;
    this.#world.schedule(this.#chance.between(0, 6), null, 'squeezes', () => this.#manage('allot'));
  }

  #buy(): void {
    const chance = this.#chance;
    const buyer = chance.between(1, this.#plan.buyers);
    const skus = this.#plan.livestream.items.map(({ skuId }) => skuId).filter(() => chance.happens(0.6));
    const lines = (skus.length === 0 ? ['tea'] : skus).map((skuId) => ({
      skuId,
      quantity: chance.happens(0.75) ? 1 : 2,
    }));
    const wish = {
      key: `buyer${buyer}/key-${(this.#keys += 1)}`,
      buyerId: `buyer${buyer}`,
      // Some buyers share a device, some have none.
      deviceId: chance.happens(0.3) ? null : `device${buyer % 3}`,
      lines,
    };
    this.#shoppers.buy(wish);
    // A double click, over another node perhaps.
    if (chance.happens(0.2)) this.#shoppers.buy(wish);
  }

  /** At once, or so late that the hold has run out. */
  #payWhenever(order: Parameters<Shoppers['pay']>[0]): void {
    const waitMs = this.#chance.happens(0.3) ? this.#plan.livestream.holdTtlMs + this.#chance.between(-100, 600) : 0;
    this.#world.schedule(waitMs, null, 'pays', () => {
      this.#shoppers.pay(order);
      if (this.#chance.happens(0.1)) this.#shoppers.cancel(order);
    });
  }

  #manage(only?: 'allot'): void {
    const chance = this.#chance;
    const { skuId, allotted } = chance.oneOf(this.#shop.ledger.tables.livestreams.get('night')?.items ?? []);
    const { catalogue } = this.#shop;
    const kind = only ?? chance.weighted({ allot: 5, sale: 2, terms: 2 });
    if (kind === 'allot') {
      const units = Math.max(0, allotted + chance.between(-2, 3));
      this.#shoppers.manage(`allot ${units} ${skuId}`, () => catalogue.allotItem('night', skuId, units));
    } else if (kind === 'sale') {
      const action = chance.happens(0.4) ? 'stop' : 'resume';
      this.#shoppers.manage(`${action} ${skuId}`, () => catalogue.changeSale('night', skuId, action));
    } else {
      const terms = termsOf(chance);
      this.#shoppers.manage(`terms of ${skuId}`, () => catalogue.changeTerms('night', skuId, terms));
    }
  }

  #fault(): void {
    const kind = this.#chance.oneOf(this.#plan.faultKinds);
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
    this.#world.tell(() => `*** ${kind}`);
    faults[kind]({
      shop: this.#shop,
      nodes: this.#nodes,
      viewers: this.#viewers,
      chance: this.#chance,
      world: this.#world,
    });
  }
}

type Scene = { shop: Shop; nodes: readonly SimulatedNode[]; viewers: readonly Viewer[]; chance: Chance; world: World };

const faults: Readonly<Record<FaultName, (scene: Scene) => void>> = {
  crash({ nodes, chance, world }) {
    const node = chance.oneOf(nodes);
    node.crash();
    world.schedule(chance.between(50, 2_500), null, `${node.name} comes back`, () => node.start(), 'timer');
  },
  flush: ({ shop }) => shop.gate.flush(),
  lose_key: ({ shop }) => shop.gate.loseKey('night'),
  gate_restart: ({ shop }) => shop.restartGate(),
  stale_promotion: ({ shop, chance }) => shop.promote(Math.max(0, shop.gate.changes - chance.between(1, 25))),
  split({ shop, nodes, chance, world }) {
    if (shop.split !== null) return;
    const deceived = new Set(nodes.filter(() => chance.happens(0.5)).map(({ name }) => name));
    shop.promote(Math.max(0, shop.gate.changes - chance.between(0, 10)), deceived);
    const mine = shop.split;
    world.schedule(
      chance.between(100, 2_000),
      null,
      'the split ends',
      () => shop.split === mine && shop.endSplit(),
      'timer',
    );
  },
  gate_away({ shop, chance, world }) {
    shop.setGateUp(false);
    world.schedule(chance.between(50, 1_500), null, 'the gate is back', () => shop.setGateUp(true), 'timer');
  },
  ledger_restart({ shop, chance, world }) {
    shop.setLedgerUp(false);
    world.schedule(chance.between(50, 1_500), null, 'the ledger is back', () => shop.setLedgerUp(true), 'timer');
  },
  rebuild({ nodes }) {
    for (const node of nodes) node.running?.path.rebuildGate('night');
  },
  stall({ viewers, chance, world }) {
    const viewer = chance.oneOf(viewers);
    viewer.reading = false;
    world.schedule(chance.between(100, 3_000), null, 'reads again', () => viewer.read(), 'timer');
  },
};
