import { ApiClient, type CallResult, Unanswered } from '../../lib/api-client.ts';
import { delay } from '../../lib/limiter.ts';
import type { Random } from '../../lib/random.ts';
import type { Exchange, History } from '../history.ts';
import type { Show } from '../show.ts';

/** One node as clients know it: an address. */
export type Door = { readonly name: string; readonly url: string; readonly api: ApiClient };

/** What every client of a round shares. */
export type World = {
  readonly doors: readonly Door[];
  readonly shows: readonly Show[];
  readonly history: History;
  readonly random: Random;
  /** The clients' own clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Nothing new is begun after this; what was begun goes on until it has a definite answer. */
  readonly over: AbortSignal;
  /** After this moment, set once everything is whole again, nobody asks any more: what has no answer then never gets one. */
  patienceEndsAtMs: number;
  /** What no patience could settle although everything was whole. */
  readonly unsettled: string[];
  readonly paymentSecret: string;
  /** How late expiries were heard of by their buyers, in ms. */
  readonly expiryLagsMs: number[];
};

export const timeoutMs = 4_000;

export const openDoor = ({ name, url }: { name: string; url: string }): Door => ({
  name,
  url,
  api: new ApiClient(url, { connections: 64, timeoutMs }),
});

export const chance = (random: Random, probability: number): boolean => random() < probability;

export function choose<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to choose from');
  return value;
}

export const between = (random: Random, min: number, max: number): number => min + random() * (max - min);

/** Sends until the answer is definite, often to another node, and records every exchange. Returns the last; null: nobody knows. */
export async function insist<Answer extends object>(
  world: World,
  exchanges: Exchange<Answer>[],
  send: (door: Door) => Promise<CallResult<Answer>>,
  options: { readonly what: string; readonly givesUp?: boolean; readonly first?: Door },
): Promise<Exchange<Answer> | null> {
  const { random, now } = world;
  let door = options.first ?? choose(random, world.doors);
  for (let attempt = 1; ; attempt += 1) {
    const exchange = await exchangeWith(world, door, send);
    exchanges.push(exchange);
    const { outcome } = exchange;
    if (outcome.kind === 'done' || (outcome.kind === 'refused' && outcome.action !== 'retry')) return exchange;
    if (options.givesUp === true) return null;
    if (now() > world.patienceEndsAtMs) {
      world.unsettled.push(
        `${options.what}: ${outcome.kind === 'refused' ? outcome.code : outcome.reason} after ${attempt} attempts`,
      );
      return null;
    }
    await delay(Math.min(1_000, 60 * 2 ** attempt) * between(random, 0.5, 1.5));
    if (chance(random, 0.5)) door = choose(random, world.doors);
  }
}

async function exchangeWith<Answer extends object>(
  { now }: World,
  door: Door,
  send: (door: Door) => Promise<CallResult<Answer>>,
): Promise<Exchange<Answer>> {
  const invokedAtMs = now();
  const node = door.name;
  try {
    const result = await send(door);
    const returnedAtMs = now();
    if (result.ok) return { node, invokedAtMs, returnedAtMs, outcome: { ...result.answer, kind: 'done' } };
    const { code, action, skuId } = result.error;
    return { node, invokedAtMs, returnedAtMs, outcome: { kind: 'refused', code, action, skuId: skuId ?? null } };
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    return {
      node,
      invokedAtMs,
      returnedAtMs: now(),
      outcome: { kind: 'unanswered', reason: error.message.slice(0, 120) },
    };
  }
}
