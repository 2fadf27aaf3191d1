import { routes } from '../../contract/routes.ts';
import { paymentWebhookSecret } from '../../tests/services/server-process.ts';
import { delay } from '../lib/limiter.ts';
import { type Random, seededRandom } from '../lib/random.ts';
import { tellMomentsFrom, type Violation } from './check/violation.ts';
import { shop } from './clients/buyers.ts';
import { keepAuditing, operate } from './clients/operators.ts';
import { probe } from './clients/probes.ts';
import { Watchers } from './clients/watchers.ts';
import { type Door, openDoor, type World } from './clients/world.ts';
import { History } from './history.ts';
import { judgeRound } from './judge-round.ts';
import { runNemesis } from './nemesis/nemesis.ts';
import type { PlannedFault } from './nemesis/schedule.ts';
import { comeToRest, type ShowAtRest } from './rest.ts';
import type { Rig } from './rig/rig.ts';
import { openShows, type Show } from './show.ts';

export type RoundReport = {
  readonly violations: readonly Violation[];
  readonly injected: ReadonlyMap<string, number>;
  readonly skipped: number;
  /** How orders ended, by what their buyers were told last. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly orders: number;
  readonly restMs: number;
  readonly expiryLagsMs: readonly number[];
  readonly probes: number;
};

export type RoundOptions = {
  readonly rig: Rig;
  readonly name: string;
  readonly seed: number;
  readonly plan: readonly PlannedFault[];
  readonly roundMs: number;
  readonly buyers: number;
  readonly stopping: AbortSignal;
  readonly tell: (text: string) => void;
};

/** After everything is whole, clients and product have so long to settle what is open: far more than any rule allows. */
const patienceMs = 45_000;
const restPatienceMs = 20_000;

/** Sells on new livestreams while the plan's faults come and go, lets everything settle, and judges. */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { rig, seed, stopping } = options;
  const now = () => Date.now();
  tellMomentsFrom(now());
  const history = new History();
  const doors = rig.nodes.map(openDoor);
  const random = seededRandom(seed);
  let watchers: Watchers | undefined;
  try {
    const shows = await prepare(options, doors, history, now);
    const over = new AbortController();
    const world: World = {
      doors,
      shows,
      history,
      random,
      now,
      over: over.signal,
      patienceEndsAtMs: Number.POSITIVE_INFINITY,
      unsettled: [],
      paymentSecret: paymentWebhookSecret,
      expiryLagsMs: [],
    };
    watchers = await Watchers.start(world);
    const stop = () => over.abort();
    stopping.addEventListener('abort', stop, { once: true });
    const busy = clientsOf(world, options.buyers, random);
    const nemesis = runNemesis({
      rig,
      plan: options.plan,
      windows: history.faults,
      over: over.signal,
      stopping,
      now,
      tell: options.tell,
    });
    await delay(options.roundMs, stopping);
    over.abort();
    const { injected, skipped } = await nemesis;
    world.patienceEndsAtMs = now() + (stopping.aborted ? 0 : patienceMs);
    await Promise.all(busy);
    const rests = await restOf(world, watchers, stopping);
    const violations = stopping.aborted ? [] : judgeRound(history, rests, watchers, world.unsettled);
    await endShows(doors, shows, stopping);
    return {
      violations,
      injected,
      skipped,
      outcomes: outcomesOf(history),
      orders: history.intents.length,
      restMs: Math.max(...rests.map(({ restMs }) => restMs ?? restPatienceMs), 0),
      expiryLagsMs: world.expiryLagsMs,
      probes: history.probes.length,
    };
  } finally {
    watchers?.stop();
    for (const { api } of doors) api.close();
  }
}

async function prepare(
  { rig, name }: RoundOptions,
  doors: readonly Door[],
  history: History,
  now: () => number,
): Promise<Show[]> {
  const [first] = rig.nodes;
  const [door] = doors;
  if (first === undefined || door === undefined) throw new Error('there are no nodes');
  return openShows({
    api: door.api,
    adminToken: await first.server.token({ role: 'admin' }),
    round: name,
    tokenOf: (grant) => first.server.token({ role: 'viewer', ...grant }),
    allotments: history.allotments,
    now,
  });
}

/** Everybody has chance of their own, so that how fast one is answered does not change what another does. */
function clientsOf(world: World, buyers: number, random: Random): Promise<void>[] {
  const own = (): World =>
    Object.create(world, { random: { value: seededRandom(Math.floor(random() * 2 ** 32)) } }) as World;
  return [
    ...Array.from({ length: buyers }, (_, number) => shop(own(), number)),
    ...world.shows.map((show) => operate(own(), show)),
    keepAuditing(own()),
    probe(own()),
  ];
}

function restOf(world: World, watchers: Watchers, stopping: AbortSignal): Promise<ShowAtRest[]> {
  if (stopping.aborted) return Promise.resolve([]);
  return Promise.all(world.shows.map((show) => comeToRest(world, watchers, show, restPatienceMs)));
}

/** An ended livestream is archived when its last hold is gone; the next round does not wait for it. */
async function endShows(doors: readonly Door[], shows: readonly Show[], stopping: AbortSignal): Promise<void> {
  const [door] = doors;
  if (door === undefined || stopping.aborted) return;
  for (const { livestreamId, operatorToken: token } of shows) {
    await door.api.call(routes.endLivestream, { token, params: { livestreamId } }).catch(() => undefined);
  }
}

function outcomesOf(history: History): Map<string, number> {
  const outcomes = new Map<string, number>();
  for (const { exchanges } of history.intents) {
    const last = exchanges.at(-1)?.outcome;
    const name =
      last === undefined
        ? 'unanswered'
        : last.kind === 'refused'
          ? last.code
          : last.kind === 'done'
            ? last.answer
            : last.kind;
    outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
  }
  return outcomes;
}
