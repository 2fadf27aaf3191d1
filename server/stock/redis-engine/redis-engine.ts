import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Script } from '../../redis/define-script.ts';
import { openRedis, type RedisOptions } from '../../redis/open-redis.ts';
import { type RedisLink, RedisUnavailable } from '../../redis/redis-link.ts';
import { addUp } from '../decide-order.ts';
import { compareText } from '../level-of.ts';
import {
  type BeginOutcome,
  type FollowListener,
  type GateHold,
  type GateReading,
  type GateSnapshot,
  GateUnavailable,
  type ItemDefinition,
  type ReserveOutcome,
  type ReserveRequest,
  type StockEngine,
  type StockEngineSettings,
} from '../stock-engine.ts';
import { channelOf, type keyNames, keysOf } from './keys-of.ts';
import { scripts, shardedScripts } from './scripts.ts';
import * as text from './text.ts';

export type RedisStockEngineOptions = {
  /** Closed with the engine. */
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly newNonce?: () => string;
};

/** Attempts in one script call: longer lists become several calls, so that none of them keeps buyers waiting. */
const attemptsPerCallMax = 500;

/** Over a link of its own; rejects with `GateUnavailable` if Redis does not answer within `timeoutMs`. */
export async function connectRedisEngine(
  redis: RedisOptions & { readonly timeoutMs: number },
  rest: Omit<RedisStockEngineOptions, 'link'>,
): Promise<RedisStockEngine> {
  const link = openRedis(redis);
  const engine = new RedisStockEngine({ link, ...rest });
  try {
    await engine.ready(redis.timeoutMs);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** The gate in Redis, for clusters. Redis decides, this only translates: no rule about stock lives on this side of the wire. */
export class RedisStockEngine implements StockEngine {
  readonly #link: RedisLink;
  readonly #scripts: typeof scripts;
  readonly #clock: Clock;
  readonly #settings: StockEngineSettings;
  readonly #newNonce: () => string;

  constructor({ link, clock, settings, newNonce = randomUUID }: RedisStockEngineOptions) {
    this.#link = link;
    this.#scripts = link.shape === 'cluster' ? shardedScripts : scripts;
    this.#clock = clock;
    this.#settings = settings;
    this.#newNonce = newNonce;
  }

  /** Rejects with `GateUnavailable` if Redis cannot be asked within `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    await translated(this.#link.ready(timeoutMs));
  }

  async reserve(livestreamId: string, requests: readonly ReserveRequest[]): Promise<readonly ReserveOutcome[]> {
    if (requests.length === 0) return [];
    const requestTexts = requests.map((request) => text.requestText(request, addUp(request.lines)));
    const [epoch = '', ...outcomes] = await this.#run(this.#scripts.reserve, livestreamId, {
      ...this.#settings,
      requests: requestTexts.join('\n'),
    });
    if (epoch === 'rebuilding') return requests.map(() => ({ kind: 'rebuilding' }));
    return outcomes.map((outcome) => text.parseOutcome(outcome, Number(epoch)));
  }

  async confirm(livestreamId: string, attempts: readonly { rid: string; expiresAtMs: number }[]): Promise<void> {
    const texts = attempts.map(({ rid, expiresAtMs }) => text.pairText(rid, expiresAtMs));
    for (const attempts of inCalls(texts)) await this.#run(this.#scripts.confirm, livestreamId, { attempts });
  }

  async settle(livestreamId: string, rids: readonly string[]): Promise<void> {
    for (const part of inCalls(rids.map(text.ridText)))
      await this.#run(this.#scripts.settle, livestreamId, { rids: part });
  }

  async release(livestreamId: string, attempts: readonly { rid: string; unbind: boolean }[]): Promise<void> {
    const texts = attempts.map(({ rid, unbind }) => text.pairText(rid, unbind ? 1 : 0));
    for (const attempts of inCalls(texts)) await this.#run(this.#scripts.release, livestreamId, { attempts });
  }

  async putItems(livestreamId: string, items: readonly ItemDefinition[], infoRev: number): Promise<void> {
    await this.#run(this.#scripts.putItems, livestreamId, { infoRev, items: items.map(text.itemText).join('\n') });
  }

  async read(livestreamId: string): Promise<GateReading | null> {
    const reply = await this.#run(this.#scripts.read, livestreamId, {});
    if (reply === null) return null;
    const [epoch, version, infoRev, levels, terms] = reply;
    const items = text.parseItems(levels, terms, this.#clock.now());
    return { epoch: Number(epoch), version, infoRev, items: items.sort((a, b) => compareText(a.skuId, b.skuId)) };
  }

  async peek(livestreamId: string): Promise<{ epoch: number; version: number; infoRev: number } | null> {
    const reply = await this.#run(this.#scripts.peek, livestreamId, {});
    if (reply === null) return null;
    const [epoch, version, infoRev] = reply;
    return { epoch: Number(epoch), version, infoRev };
  }

  async holds(livestreamId: string): Promise<readonly GateHold[]> {
    const holds = text.parseHolds(await this.#run(this.#scripts.holds, livestreamId, {}));
    return holds.sort((a, b) => compareText(a.rid, b.rid));
  }

  async overdue(livestreamId: string, limit: number): Promise<readonly Pick<GateHold, 'rid' | 'state'>[]> {
    return text.parseOverdue(await this.#run(this.#scripts.overdue, livestreamId, { limit }));
  }

  async begin(livestreamId: string, options?: { force: boolean }): Promise<BeginOutcome> {
    const force = options?.force === true ? 1 : 0;
    const [kind, value] = await this.#run(this.#scripts.begin, livestreamId, { newNonce: this.#newNonce(), force });
    return kind === 'open' ? { kind, epoch: Number(value) } : { kind, nonce: value };
  }

  async load(livestreamId: string, nonce: string, snapshot: GateSnapshot): Promise<'loaded' | 'superseded'> {
    const { epoch, infoRev } = snapshot;
    const { keyTtlMs } = this.#settings;
    const texts = text.snapshotTexts(snapshot);
    return this.#run(this.#scripts.load, livestreamId, { nonce, epoch, infoRev, keyTtlMs, ...texts });
  }

  async prune(livestreamId: string, limit: number): Promise<number> {
    const { keyTtlMs } = this.#settings;
    return this.#run(this.#scripts.prune, livestreamId, { keyTtlMs, limit });
  }

  async archive(livestreamId: string): Promise<void> {
    await this.#run(this.#scripts.archive, livestreamId, {});
  }

  async follow(livestreamId: string, listener: FollowListener): Promise<() => Promise<void>> {
    return translated(
      this.#link.subscribe(channelOf(livestreamId), {
        message: (message) => {
          const change = text.parseChange(message);
          // A message that no script wrote says nothing; reading the gate does.
          if (change === null) listener.interrupted();
          else listener.change(change);
        },
        interrupted: () => listener.interrupted(),
      }),
    );
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  #run<Arg extends string, Reply>(
    script: Script<(typeof keyNames)[number], Arg | 'nowMs' | 'channel', Reply>,
    livestreamId: string,
    args: Readonly<Record<Exclude<Arg, 'nowMs' | 'channel'>, string | number>>,
  ): Promise<Reply> {
    const common = { nowMs: this.#clock.now(), channel: channelOf(livestreamId) };
    const all = { ...common, ...args } as Readonly<Record<Arg | 'nowMs' | 'channel', string | number>>;
    return translated(script.run(this.#link, keysOf(livestreamId), all));
  }
}

/** Domain code knows the gate, not Redis. */
async function translated<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof RedisUnavailable) throw new GateUnavailable(error.message, { cause: error });
    throw error;
  }
}

function* inCalls(texts: readonly string[]): Generator<string> {
  for (let first = 0; first < texts.length; first += attemptsPerCallMax) {
    yield texts.slice(first, first + attemptsPerCallMax).join('\n');
  }
}
