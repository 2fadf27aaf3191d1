import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startRedisSentinel, type TestSentinel } from '../../../tests/services/redis-sentinel.ts';
import { startTcpProxy } from '../../../tests/services/tcp-proxy.ts';
import { item, Stage, settings, snapshot, soon, TestClock } from '../stock-engine.fixtures.ts';
import { GateUnavailable } from '../stock-engine.ts';
import { keysOf } from './keys-of.ts';
import { connectRedisEngine, type RedisStockEngine } from './redis-engine.ts';

const slowly = 60_000;
let sentinel: TestSentinel;
let engine: RedisStockEngine;
let stage: Stage;
let made = 0;
const clock = new TestClock();
const connect = (url = sentinel.url, commandTimeoutMs = 1_500) =>
  connectRedisEngine({ url, timeoutMs: 30_000, commandTimeoutMs }, { clock, settings });
beforeAll(async () => {
  sentinel = await startRedisSentinel();
  engine = await connect();
});
afterAll(async () => {
  await engine.close();
  await sentinel.stop();
});
beforeEach(async () => {
  await soon(() => stageOpens(), slowly);
});
afterEach(() => sentinel.heal());

const answers = (asked: RedisStockEngine): Promise<boolean> =>
  asked.peek(stage.id).then(
    () => true,
    () => false,
  );

async function stageOpens(): Promise<boolean> {
  stage = new Stage(engine, `live-${(made += 1)}`, clock);
  return stage.open(item('tea')).then(
    () => true,
    () => false,
  );
}

/** Orders until the new primary asks for a rebuild; no answer before that may say that units were taken. */
async function untilRebuilding(): Promise<void> {
  const answers: string[] = [];
  await soon(async () => {
    const answer = await stage.reserve().then(
      ({ kind }) => kind,
      (error: unknown) => (error instanceof GateUnavailable ? 'away' : String(error)),
    );
    answers.push(answer);
    return answer === 'rebuilding';
  }, slowly);
  expect(new Set(answers.slice(0, -1))).toEqual(answers.length === 1 ? new Set() : new Set(['away']));
}

async function rebuild(epoch: number): Promise<void> {
  await soon(async () => {
    const outcome = await engine.begin(stage.id).catch(() => null);
    if (outcome?.kind !== 'closed') return false;
    const parts = { epoch, items: [item('tea')] };
    return (await engine.load(stage.id, outcome.nonce, snapshot(parts)).catch(() => null)) === 'loaded';
  }, slowly);
}

describe('a primary that sentinels watch', () => {
  test('[RD-6] it dies: its successor is found through the sentinels, refuses the first order, and sells on after a rebuild', async () => {
    const stop = await stage.follow();
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    const promoted = await sentinel.failOver('kill');
    await untilRebuilding();
    await rebuild(2);
    expect(await stage.reserve()).toEqual({ kind: 'reserved', takes: 'hold', epoch: 2 });
    expect(await promoted.lines(`HGET ${keysOf(stage.id).meta} epoch`)).toEqual(['2']);
    // What was sold before the subscription stood again is not heard, the interruption says so; what is sold after it is heard.
    await soon(() => stage.interruptions >= 1, slowly);
    await soon(async () => {
      await stage.reserve({ rid: 'told' });
      await stage.release('told');
      return stage.heard.some(({ epoch, rows }) => epoch === 2 && rows[0]?.held === 2);
    }, slowly);
    await stop();
  });

  test('[RD-6] it hangs with all its connections open: the sentinels say so, and nobody waits for it', async () => {
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    await sentinel.failOver('hang');
    await untilRebuilding();
    await rebuild(2);
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved', epoch: 2 });
  });

  test('[RD-6] the failover is heard while a client asks a sentinel for the primary: it asks again', async () => {
    const [first, second] = sentinel.sentinels;
    if (first === undefined || second === undefined) throw new Error('no sentinels');
    const link = await startTcpProxy({ target: { host: '127.0.0.1', port: first.port } });
    const other = await connect(sentinel.url.replace(`:${first.port}`, `:${link.port}`), 60_000);
    try {
      const before = await sentinel.primary();
      const open = link.connections();
      link.stall('replies');
      await before.lines('CLIENT KILL TYPE normal');
      await before.lines('CLIENT KILL TYPE pubsub');
      // Both of its clients ask, and get no answer yet.
      await soon(async () => link.connections() >= open + 2, slowly);
      await second.lines('SENTINEL FAILOVER mymaster');
      await soon(async () => (await sentinel.primary()) !== before, slowly);
      await sentinel.heal();
      link.resume();
      await soon(() => answers(other), slowly);
    } finally {
      link.resume();
      await other.close();
      await link.stop();
    }
  });

  test('[RD-7] a stale replica that is promoted is found by the first script, before it decides anything', async () => {
    const primary = await sentinel.primary();
    await stage.reserve({ rid: 'copied' });
    await primary.lines('WAIT 2 10000');
    await sentinel.freezeReplicas();
    for (let n = 0; n < 9; n += 1) expect((await stage.reserve()).kind).toBe('reserved');
    const promoted = await sentinel.failOver('kill');
    expect(await promoted.lines(`HKEYS ${keysOf(stage.id).holds}`)).toEqual(['!', 'copied']);
    await untilRebuilding();
    await rebuild(2);
    expect(await stage.units()).toBe('10 held 0 sold 0 available 10');
  });

  test('[RD-6] one sentinel of three, and one replica, may be missing', async () => {
    const [first] = sentinel.sentinels;
    const [replica] = await sentinel.replicas();
    await first?.kill();
    await replica?.kill();
    const other = await connect();
    try {
      expect(await other.peek(stage.id)).toMatchObject({ epoch: 1 });
      expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    } finally {
      await other.close();
    }
  });

  test('[RD-2] a wrong password of the sentinels, or of the servers, is said', async () => {
    const wrong = async (url: string) =>
      connectRedisEngine({ url, timeoutMs: 1_500 }, { clock, settings }).then(
        async (opened) => {
          await opened.close();
          return 'connected';
        },
        (error: unknown) => String(error),
      );
    expect(await wrong(sentinel.url.replace('of-the-servers', 'wrong'))).toMatch(/WRONGPASS/);
    expect(await wrong(sentinel.url.replace('of-the-sentinels', 'wrong'))).toMatch(/WRONGPASS|unreachable/);
  });
});
