import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Script } from '../../redis/define-script.ts';
import { RedisConnection, type RedisConnectionOptions, RedisUnavailable } from '../../redis/redis-connection.ts';
import { RedisSubscriber } from '../../redis/redis-subscriber.ts';
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
import { scripts } from './scripts.ts';
import * as text from './text.ts';

export type RedisStockEngineOptions = {
  readonly connection: RedisConnection;
  readonly subscriber: RedisSubscriber;
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly newNonce?: () => string;
};

/** Attempts in one script call: longer lists become several calls, so that none of them keeps buyers waiting. */
const attemptsPerCallMax = 500;

/** Opens its own two connections; rejects with `GateUnavailable` if Redis does not answer within `timeoutMs`. `close` closes them. */
export async function connectRedisEngine(
  redis: RedisConnectionOptions & { readonly timeoutMs: number },
  rest: Omit<RedisStockEngineOptions, 'connection' | 'subscriber'>,
): Promise<RedisStockEngine> {
  const engine = new RedisStockEngine({
    connection: new RedisConnection(redis),
    subscriber: new RedisSubscriber(redis),
    ...rest,
  });
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
  readonly #connection: RedisConnection;
  readonly #subscriber: RedisSubscriber;
  readonly #clock: Clock;
  readonly #settings: StockEngineSettings;
  readonly #newNonce: () => string;

  constructor({ connection, subscriber, clock, settings, newNonce = randomUUID }: RedisStockEngineOptions) {
    this.#connection = connection;
    this.#subscriber = subscriber;
    this.#clock = clock;
    this.#settings = settings;
    this.#newNonce = newNonce;
  }

  /** Rejects with `GateUnavailable` if Redis cannot be asked within `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    await translated(Promise.all([this.#connection.ready(timeoutMs), this.#subscriber.ready(timeoutMs)]));
  }

  async reserve(livestreamId: string, requests: readonly ReserveRequest[]): Promise<readonly ReserveOutcome[]> {
    if (requests.length === 0) return [];
    const requestTexts = requests.map((request) => text.requestText(request, addUp(request.lines)));
    const [epoch = '', ...outcomes] = await this.#run(scripts.reserve, livestreamId, {
      ...this.#settings,
      requests: requestTexts.join('\n'),
    });
    if (epoch === 'rebuilding') return requests.map(() => ({ kind: 'rebuilding' }));
    return outcomes.map((outcome) => text.parseOutcome(outcome, Number(epoch)));
  }

  async confirm(livestreamId: string, attempts: readonly { rid: string; expiresAtMs: number }[]): Promise<void> {
    const texts = attempts.map(({ rid, expiresAtMs }) => text.pairText(rid, expiresAtMs));
    for (const attempts of inCalls(texts)) await this.#run(scripts.confirm, livestreamId, { attempts });
  }

  async settle(livestreamId: string, rids: readonly string[]): Promise<void> {
    for (const part of inCalls(rids.map(text.ridText))) await this.#run(scripts.settle, livestreamId, { rids: part });
  }

  async release(livestreamId: string, attempts: readonly { rid: string; unbind: boolean }[]): Promise<void> {
    const texts = attempts.map(({ rid, unbind }) => text.pairText(rid, unbind ? 1 : 0));
    for (const attempts of inCalls(texts)) await this.#run(scripts.release, livestreamId, { attempts });
  }

  async putItems(livestreamId: string, items: readonly ItemDefinition[], infoRev: number): Promise<void> {
    await this.#run(scripts.putItems, livestreamId, { infoRev, items: items.map(text.itemText).join('\n') });
  }

  async read(livestreamId: string): Promise<GateReading | null> {
    const reply = await this.#run(scripts.read, livestreamId, {});
    if (reply === null) return null;
    const [epoch, version, infoRev, levels, terms] = reply;
    const items = text.parseItems(levels, terms, this.#clock.now());
    return { epoch: Number(epoch), version, infoRev, items: items.sort((a, b) => compareText(a.skuId, b.skuId)) };
  }

  async peek(livestreamId: string): Promise<{ epoch: number; version: number; infoRev: number } | null> {
    const reply = await this.#run(scripts.peek, livestreamId, {});
    if (reply === null) return null;
    const [epoch, version, infoRev] = reply;
    return { epoch: Number(epoch), version, infoRev };
  }

  async holds(livestreamId: string): Promise<readonly GateHold[]> {
    const holds = text.parseHolds(await this.#run(scripts.holds, livestreamId, {}));
    return holds.sort((a, b) => compareText(a.rid, b.rid));
  }

  async overdue(livestreamId: string, limit: number): Promise<readonly Pick<GateHold, 'rid' | 'state'>[]> {
    return text.parseOverdue(await this.#run(scripts.overdue, livestreamId, { limit }));
  }

  async begin(livestreamId: string, options?: { force: boolean }): Promise<BeginOutcome> {
    const force = options?.force === true ? 1 : 0;
    const [kind, value] = await this.#run(scripts.begin, livestreamId, { newNonce: this.#newNonce(), force });
    return kind === 'open' ? { kind, epoch: Number(value) } : { kind, nonce: value };
  }

  async load(livestreamId: string, nonce: string, snapshot: GateSnapshot): Promise<'loaded' | 'superseded'> {
    const { epoch, infoRev } = snapshot;
    const { keyTtlMs } = this.#settings;
    const texts = text.snapshotTexts(snapshot);
    return this.#run(scripts.load, livestreamId, { nonce, epoch, infoRev, keyTtlMs, ...texts });
  }

  async prune(livestreamId: string, limit: number): Promise<number> {
    const { keyTtlMs } = this.#settings;
    return this.#run(scripts.prune, livestreamId, { keyTtlMs, limit });
  }

  async archive(livestreamId: string): Promise<void> {
    await this.#run(scripts.archive, livestreamId, {});
  }

  async follow(livestreamId: string, listener: FollowListener): Promise<() => Promise<void>> {
    return translated(
      this.#subscriber.subscribe(channelOf(livestreamId), {
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
    await Promise.all([this.#connection.close(), this.#subscriber.close()]);
  }

  #run<Arg extends string, Reply>(
    script: Script<(typeof keyNames)[number], Arg | 'nowMs' | 'channel', Reply>,
    livestreamId: string,
    args: Readonly<Record<Exclude<Arg, 'nowMs' | 'channel'>, string | number>>,
  ): Promise<Reply> {
    const common = { nowMs: this.#clock.now(), channel: channelOf(livestreamId) };
    const all = { ...common, ...args } as Readonly<Record<Arg | 'nowMs' | 'channel', string | number>>;
    return translated(script.run(this.#connection, keysOf(livestreamId), all));
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
