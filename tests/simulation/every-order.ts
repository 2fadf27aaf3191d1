import { createHash } from 'node:crypto';
import { Chance } from './chance.ts';
import { Judge } from './judge.ts';
import type { LivestreamRow } from './ledger-state.ts';
import { noFaults } from './links.ts';
import { intervals, SimulatedNode } from './node.ts';
import { type Defect, livestreamId, Shop } from './shop.ts';
import { Shoppers } from './shoppers.ts';
import { type Happening, type Violation, World } from './world.ts';

export type SmallWorld = {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly livestream: () => LivestreamRow;
  /** What people do, all at the same moment; later steps in `afterwards`, one after the other, once everything before has been answered. */
  readonly begin: (shoppers: Shoppers) => void;
  readonly afterwards?: readonly ((shoppers: Shoppers, scene: Scene) => void)[];
  /** Things that may happen once each, at any moment. */
  readonly strikes?: readonly ((scene: Scene) => void)[];
  /** Answers that may get lost, in all. */
  readonly lostAnswers?: number;
  /** Timers that may fire although messages are under way, in all: what is slow meets the end of its lease. */
  readonly earlyTimers?: number;
  /** Jobs of the nodes while every order is tried; without it they only run afterwards. */
  readonly tailMs?: number;
  readonly sweepMs?: number;
  /** Virtual time in which every order is tried; afterwards everything comes to rest in its own order. */
  readonly horizonMs: number;
};

export type Scene = { readonly shop: Shop; readonly nodes: readonly SimulatedNode[]; readonly world: World };

export type SearchOutcome = {
  readonly runs: number;
  readonly states: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
};

const never = 1_000_000_000;
const restMs = 5_600;

/** Decisions of one run: first those that are given, then the first alternative of each. */
class Decisions {
  readonly taken: { chosen: number; of: number }[] = [];
  readonly #given: readonly number[];

  constructor(given: readonly number[]) {
    this.#given = given;
  }

  get replaying(): boolean {
    return this.taken.length < this.#given.length;
  }

  choose(of: number): number {
    const chosen = this.#given[this.taken.length] ?? 0;
    this.taken.push({ chosen, of });
    return chosen;
  }
}

/** No chance at all: the shortest delay, the first of the list. Whether an answer is lost, or a dying node's message sent, is a decision. */
class NoChance extends Chance {
  readonly #decide: (what: 'lost' | 'sent') => boolean;

  constructor(decide: (what: 'lost' | 'sent') => boolean) {
    super(1);
    this.#decide = decide;
  }

  override next(): number {
    return 0;
  }

  override happens(probability: number): boolean {
    if (probability === 0.5) return this.#decide('sent');
    return probability > 0.5 || (probability > 0 && this.#decide('lost'));
  }
}

/**
 * Depth first through every decision of a small world: which message arrives next, whether a timer is faster, whether an answer is lost,
 * when somebody strikes. A state that was met before is not entered again; two states are the same when each part has heard the same
 * things in the same order, whatever the order between parts.
 */
export async function tryEveryOrder(
  world: SmallWorld,
  options: { defect?: Defect; runsMax: number },
): Promise<SearchOutcome> {
  const seen = new Set<string>();
  let given: number[] = [];
  for (let runs = 1; ; runs += 1) {
    if (runs > options.runsMax)
      throw new Error(`${world.name}: not done after ${options.runsMax} runs and ${seen.size} states`);
    const decisions = new Decisions(given);
    const run = new Run(world, decisions, { seen, defect: options.defect ?? {} });
    await run.play();
    if (run.world.violations.length > 0) {
      const again = new Run(world, new Decisions(decisions.taken.map(({ chosen }) => chosen)), {
        seen: null,
        defect: options.defect ?? {},
      });
      await again.play();
      return { runs, states: seen.size, violations: again.world.violations, trace: again.world.trace };
    }
    const { taken } = decisions;
    while (taken.length > 0 && (taken.at(-1)?.chosen ?? 0) + 1 >= (taken.at(-1)?.of ?? 0)) taken.pop();
    const last = taken.at(-1);
    if (last === undefined) return { runs, states: seen.size, violations: [], trace: [] };
    given = taken.map(({ chosen }) => chosen);
    given[given.length - 1] = last.chosen + 1;
  }
}

class Run {
  readonly world: World;
  readonly #small: SmallWorld;
  readonly #decisions: Decisions;
  readonly #seen: Set<string> | null;
  readonly #shop: Shop;
  readonly #judge: Judge;
  readonly #nodes: SimulatedNode[];
  readonly #shoppers: Shoppers;
  readonly #heard = new Map<string, string>();
  #lostLeft: number;
  #earlyLeft: number;
  #strikes: ((scene: Scene) => void)[];
  #steps: ((shoppers: Shoppers, scene: Scene) => void)[];
  #exploring = false;

  constructor(small: SmallWorld, decisions: Decisions, { seen, defect }: { seen: Set<string> | null; defect: Defect }) {
    this.#small = small;
    this.#decisions = decisions;
    this.#seen = seen;
    this.#lostLeft = small.lostAnswers ?? 0;
    this.#earlyLeft = small.earlyTimers ?? 0;
    this.#strikes = [...(small.strikes ?? [])];
    this.#steps = [...(small.afterwards ?? [])];
    this.world = new World({ tracing: seen === null, exact: true });
    const chance = new NoChance((what) => this.#decide(what));
    this.#shop = new Shop({ world: this.world, chance, livestream: small.livestream(), ledgerSkewMs: 0, defect });
    this.#judge = new Judge(this.#shop);
    this.#nodes = [...small.nodes, 'z'].map((name) => this.#node(name));
    const atNodes = this.#nodes.slice(0, -1);
    this.#shoppers = new Shoppers({
      shop: this.#shop,
      chance,
      judge: this.#judge,
      nodes: atNodes,
      // Whoever has an even number goes to the second node.
      nodeFor: (label) => atNodes[(Number(/\d+/.exec(label)?.[0] ?? 1) - 1) % atNodes.length],
    });
  }

  async play(): Promise<void> {
    const { world } = this;
    const first = this.#nodes.slice(0, -1);
    for (const node of first) node.start();
    await world.run(world.nowMs + 50);
    const horizonMs = world.nowMs + this.#small.horizonMs;
    this.#small.begin(this.#shoppers);
    if (this.#small.lostAnswers !== undefined) {
      const faults = { ...noFaults, unanswered: 0.1 };
      this.#shop.faults(faults, faults, { lost: 0, late: 0, twice: 0 });
    }
    this.#exploring = true;
    const isKnown = !(await world.runChoosing((pending) => this.#next(pending, horizonMs)));
    this.#exploring = false;
    if (isKnown || world.violations.length > 0) return;
    world.tell(() => '--- from here on everything comes to rest in its own order');
    this.#shop.heal();
    // A3: any node makes up for what others have left.
    for (const node of this.#nodes) node.start();
    await world.run(world.nowMs + restMs);
    while (this.#judge.anyJustDue() && world.violations.length === 0) await world.run(world.nowMs + 250);
    if (world.violations.length === 0) this.#judge.atRest();
    for (const name of this.#shoppers.open.values()) world.violate('OR-3', `${name} has no answer at rest`);
  }

  /** `end`: nothing more to try · `known`: this state has been tried before. */
  #next(pending: readonly Happening[], horizonMs: number): Happening | (() => void) | 'end' | 'known' {
    const { world } = this;
    const timers = pending.filter(({ kind }) => kind === 'timer').sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    // The rest of a node's own turn comes before everything else.
    const [soon] = timers;
    if (soon !== undefined && soon.atMs <= world.nowMs) return this.#hears(soon);
    const messages = pending.filter(({ kind }) => kind === 'message');
    const alternatives: (Happening | (() => void))[] = [...messages];
    const timer = soon !== undefined && soon.atMs <= horizonMs ? soon : undefined;
    if (timer !== undefined && messages.length > 0 && this.#earlyLeft > 0) {
      alternatives.push(() => {
        this.#earlyLeft -= 1;
        world.take(timer);
        this.#hears(timer).run();
      });
    }
    for (const strike of this.#strikes) alternatives.push(() => this.#strike(strike));
    if (messages.length === 0) {
      const [step] = this.#steps;
      if (step !== undefined && this.#shoppers.open.size === 0) alternatives.push(() => this.#step(step));
      else if (timer !== undefined) alternatives.push(timer);
    }
    if (alternatives.length === 0) return 'end';
    if (!this.#decisions.replaying && this.#seen !== null) {
      const state = this.#state(pending);
      if (this.#seen.has(state)) return 'known';
      this.#seen.add(state);
    }
    // Nobody has to strike.
    const mayEnd = alternatives.length === this.#strikes.length;
    const chosen = this.#decisions.choose(alternatives.length + (mayEnd ? 1 : 0));
    const next = alternatives[chosen];
    if (next === undefined) return 'end';
    return typeof next === 'function' ? next : this.#hears(next);
  }

  #strike(strike: (scene: Scene) => void): void {
    this.#strikes = this.#strikes.filter((one) => one !== strike);
    this.#note('people', `strike ${this.#strikes.length}`);
    strike({ shop: this.#shop, nodes: this.#nodes, world: this.world });
  }

  #step(step: (shoppers: Shoppers, scene: Scene) => void): void {
    this.#steps.shift();
    step(this.#shoppers, { shop: this.#shop, nodes: this.#nodes, world: this.world });
  }

  #decide(what: 'lost' | 'sent'): boolean {
    if (!this.#exploring) return what === 'sent';
    if (what === 'sent') return this.#decisions.choose(2) === 0;
    if (this.#lostLeft === 0) return false;
    const isLost = this.#decisions.choose(2) === 1;
    if (isLost) this.#lostLeft -= 1;
    return isLost;
  }

  #hears(happening: Happening): Happening {
    const { actor, label } = happening;
    if (actor !== null) this.#note(actor.name, label);
    else if (label.includes('→ gate ')) {
      if (!/→ gate (read|peek|holds|overdue)/.test(label)) this.#note('gate', label);
    } else if (!label.includes('→ ledger ')) this.#note('people', label);
    return happening;
  }

  #note(part: string, text: string): void {
    const before = this.#heard.get(part) ?? '';
    this.#heard.set(part, createHash('md5').update(`${before}\n${this.world.nowMs} ${text}`).digest('base64'));
  }

  #state(pending: readonly Happening[]): string {
    const { tables } = this.#shop.ledger;
    const parts = [
      this.world.nowMs,
      this.#lostLeft,
      this.#earlyLeft,
      this.#strikes.length,
      this.#steps.length,
      [...this.#heard].sort(([a], [b]) => (a < b ? -1 : 1)),
      [...tables.orders.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      [...tables.payments.values()],
      tables.livestreams.get(livestreamId),
      pending.map(({ label, atMs, kind }) => (kind === 'timer' ? `${atMs} ${label}` : label)).sort(),
    ];
    return createHash('md5').update(JSON.stringify(parts)).digest('base64');
  }

  #node(name: string): SimulatedNode {
    const { tailMs = never, sweepMs = never } = this.#small;
    return new SimulatedNode(this.#shop, name, 0, {
      ordersInFlightMax: 100,
      intervals: name === 'z' ? intervals : { tailMs, sweepMs, driftMs: never },
      onDrift: () => {
        this.#judge.drifts += 1;
      },
      writer: { write: () => {} },
    });
  }
}
