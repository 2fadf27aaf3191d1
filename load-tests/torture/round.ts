import { setMaxListeners } from 'node:events';
import { routes } from '../../contract/routes.ts';
import { paymentWebhookSecret } from '../../tests/services/server-process.ts';
import { ApiClient } from '../lib/api-client.ts';
import { delay } from '../lib/limiter.ts';
import { type Random, seededRandom } from '../lib/random.ts';
import { tellMomentsFrom, type Violation } from './check/violation.ts';
import { shop } from './clients/buyers.ts';
import { keepAuditing, operate } from './clients/operators.ts';
import { probe } from './clients/probes.ts';
import { Watchers } from './clients/watchers.ts';
import { openDoor, type World } from './clients/world.ts';
import { History } from './history.ts';
import { judgeRound } from './judge-round.ts';
import { type NemesisReport, runNemesis } from './nemesis/nemesis.ts';
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
const now = (): number => Date.now();

/** Sells on new livestreams while the plan's faults come and go, lets everything settle, and judges. */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { rig, seed, stopping } = options;
  tellMomentsFrom(now());
  const history = new History();
  const doors = rig.nodes.map(openDoor);
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const stop = () => over.abort();
  stopping.addEventListener('abort', stop, { once: true });
  let world: World | undefined;
  let watchers: Watchers | undefined;
  try {
    world = {
      doors,
      shows: await prepare(options, history, now),
      history,
      random: seededRandom(seed),
      now,
      over: over.signal,
      patienceEndsAtMs: Number.POSITIVE_INFINITY,
      unsettled: [],
      paymentSecret: paymentWebhookSecret,
      expiryLagsMs: [],
    };
    watchers = await Watchers.start(world);
    const broken = await sell(options, world, stop);
    const rests = await restOf(world, watchers, stopping);
    const violations = stopping.aborted ? [] : judgeRound(history, rests, watchers, world.unsettled);
    await endShows(world, stopping);
    return {
      violations,
      ...broken,
      outcomes: outcomesOf(history),
      orders: history.intents.length,
      restMs: Math.max(...rests.map(({ restMs }) => restMs ?? restPatienceMs), 0),
      expiryLagsMs: world.expiryLagsMs,
      probes: history.probes.length,
    };
  } finally {
    // Also when something failed half-way: nobody goes on.
    stop();
    if (world !== undefined) world.patienceEndsAtMs = 0;
    stopping.removeEventListener('abort', stop);
    watchers?.stop();
    for (const { api } of doors) api.close();
  }
}

/** Clients and nemesis together, until the round is over, everything is whole again and every client knows where it stands. */
async function sell(options: RoundOptions, world: World, stop: () => void): Promise<NemesisReport> {
  const { rig, plan, stopping, tell } = options;
  const { history, over, now, random } = world;
  const busy = clientsOf(world, options.buyers, random);
  const [broken] = await Promise.all([
    runNemesis({ rig, plan, windows: history.faults, over, stopping, now, tell }),
    delay(options.roundMs, stopping).then(stop),
  ]);
  world.patienceEndsAtMs = now() + (stopping.aborted ? 0 : patienceMs);
  await Promise.all(busy);
  return broken;
}

async function prepare({ rig, name }: RoundOptions, history: History, now: () => number): Promise<Show[]> {
  const [first] = rig.nodes;
  if (first === undefined) throw new Error('there are no nodes');
  // Nothing is broken yet, so nothing has to be quick.
  const api = new ApiClient(first.url, { timeoutMs: 60_000 });
  try {
    return await openShows({
      api,
      adminToken: await first.server.token({ role: 'admin' }),
      round: name,
      tokenOf: (grant) => first.server.token({ role: 'viewer', ...grant }),
      allotments: history.allotments,
      now,
    });
  } finally {
    api.close();
  }
}

/** Everybody has chance of their own, so that how fast one is answered does not change what another does. None of them rejects. */
function clientsOf(world: World, buyers: number, random: Random): Promise<void>[] {
  const everybody: ((own: World) => Promise<void>)[] = [
    ...Array.from({ length: buyers }, (_, number) => (own: World) => shop(own, number)),
    ...world.shows.map((show) => (own: World) => operate(own, show)),
    keepAuditing,
    probe,
  ];
  return everybody.map(async (client) => {
    const own = Object.create(world, { random: { value: seededRandom(Math.floor(random() * 2 ** 32)) } }) as World;
    try {
      await client(own);
    } catch (error) {
      // An answer that no contract allows, say: it is a finding, and the others go on.
      world.unsettled.push(
        `a client failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  });
}

function restOf(world: World, watchers: Watchers, stopping: AbortSignal): Promise<ShowAtRest[]> {
  if (stopping.aborted) return Promise.resolve([]);
  return Promise.all(world.shows.map((show) => comeToRest(world, watchers, show, restPatienceMs)));
}

/** An ended livestream is archived when its last hold is gone; the next round does not wait for it. */
async function endShows({ doors, shows }: World, stopping: AbortSignal): Promise<void> {
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
