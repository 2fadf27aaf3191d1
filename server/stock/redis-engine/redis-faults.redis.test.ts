import assert from 'node:assert/strict';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startRedisServer, type TestRedis } from '../../../tests/services/redis-server.ts';
import { systemClock } from '../../lib/clock.ts';
import { item, request, Stage, settings, snapshot, soon, TestClock } from '../stock-engine.fixtures.ts';
import { GateUnavailable } from '../stock-engine.ts';
import { channelOf, keyNames, keysOf } from './keys-of.ts';
import { connectRedisEngine, type RedisStockEngine } from './redis-engine.ts';

const commandTimeoutMs = 500;
let redis: TestRedis;
let engine: RedisStockEngine;
let stage: Stage;
let livestreams = 0;
beforeAll(async () => {
  redis = await startRedisServer({ aof: true });
  engine = await connect();
});
afterAll(async () => {
  await engine.close();
  await redis.stop();
});
beforeEach(async () => {
  stage = await newStage().open(item('tea'));
});

const clock = new TestClock();
const connect = (options = {}): Promise<RedisStockEngine> =>
  connectRedisEngine(
    { url: redis.url, timeoutMs: 10_000, commandTimeoutMs, ...options },
    { clock, settings, newNonce: () => `nonce-${(livestreams += 1)}` },
  );
const newStage = (): Stage => new Stage(engine, `live-${(livestreams += 1)}`, clock);

/** Everything that Redis has of a livestream, to see that nothing was written. */
async function dump(id: string): Promise<string> {
  const keys = keysOf(id);
  const read = [
    ...[keys.meta, keys.levels, keys.terms, keys.holds, keys.counted, keys.keys].map((key) => `HGETALL ${key}`),
    ...[keys.leases, keys.keyExpiry].map((key) => `ZRANGE ${key} 0 -1 WITHSCORES`),
  ];
  const replies: string[] = [];
  for (const line of read) replies.push(await redis.command(line));
  return replies.join('\n');
}

/** Every verb once; those that answer say that there is no gate. */
async function expectRefusedWithoutAWrite(): Promise<void> {
  const { id } = stage;
  const before = await dump(id);
  expect(await stage.reserve()).toEqual({ kind: 'rebuilding' });
  await stage.confirm('one');
  await stage.settle('one');
  await stage.release('one', true);
  await stage.put(item('tea', { rev: 9 }), item('mug'));
  expect(await engine.load(id, 'some-nonce', snapshot({ epoch: 99 }))).toBe('superseded');
  expect(await engine.read(id)).toBeNull();
  expect(await engine.peek(id)).toBeNull();
  expect(await engine.holds(id)).toEqual([]);
  expect(await engine.overdue(id, 9)).toEqual([]);
  expect(await engine.prune(id, 9)).toBe(0);
  expect(await dump(id)).toBe(before);
}

describe('lost and foreign memory', () => {
  test('[ST-44] a flushed Redis answers rebuilding until it is loaded again', async () => {
    await stage.reserve({ rid: 'one' });
    await redis.flush();
    await expectRefusedWithoutAWrite();
    expect(await engine.begin(stage.id)).toMatchObject({ kind: 'closed' });
    await stage.load({ epoch: 2, items: [item('tea', { sold: 1 })] });
    expect(await stage.units()).toBe('10 held 0 sold 1 available 9');
  });

  test.each(keyNames)('[ST-44] the loss of the key %s alone closes the gate', async (name) => {
    await stage.reserve({ rid: 'one', key: 'ann/key', deviceId: 'phone' });
    expect(await redis.command(`DEL ${keysOf(stage.id)[name]}`)).toContain(':1');
    await expectRefusedWithoutAWrite();
    const outcome = await engine.begin(stage.id);
    assert(outcome.kind === 'closed');
    const older = await engine.load(stage.id, outcome.nonce, snapshot({ epoch: 1 }));
    // Only the loss of meta takes the memory of the epoch with it.
    expect(older).toBe(name === 'meta' ? 'loaded' : 'superseded');
    await stage.load({ epoch: 2, items: [item('tea')] });
    expect(await stage.reserve()).toEqual({ kind: 'reserved', takes: 'hold', epoch: 2 });
  });

  test('[ST-44] a key that is left of another history closes the gate', async () => {
    await redis.command(`HSET ${keysOf(stage.id).holds} ! 7`);
    await expectRefusedWithoutAWrite();
  });

  test('[ST-45] a restarted server has its data but another identity: no script writes until it is loaded anew', async () => {
    await stage.reserve({ rid: 'one' });
    await redis.restart();
    await soon(() => isBack());
    await expectRefusedWithoutAWrite();
    const outcome = await engine.begin(stage.id);
    assert(outcome.kind === 'closed');
    expect(await engine.begin(stage.id)).toEqual(outcome);
    expect(await engine.load(stage.id, outcome.nonce, snapshot({ epoch: 1 }))).toBe('superseded');
    expect(await engine.load(stage.id, outcome.nonce, snapshot({ epoch: 2, items: [item('tea')] }))).toBe('loaded');
    expect(await stage.units()).toBe('10 held 0 sold 0 available 10');
  });

  test('[ST-45] a nonce from before the change of servers does not load', async () => {
    const nonce = await stage.begin(true);
    await redis.restart();
    await soon(() => isBack());
    expect(await engine.load(stage.id, nonce, snapshot({ epoch: 5 }))).toBe('superseded');
    expect(await engine.begin(stage.id)).toMatchObject({ kind: 'closed', nonce: expect.not.stringMatching(nonce) });
  });

  test('[ST-45] a server that has become a replica is not asked under its old identity', async () => {
    await redis.command('REPLICAOF 127.0.0.1 1');
    await expect(stage.reserve()).rejects.toThrow(GateUnavailable);
    await redis.command('REPLICAOF NO ONE');
    await soon(() => isBack());
    await expectRefusedWithoutAWrite();
  });

  test('[ST-42] archiving leaves no key', async () => {
    await stage.reserve({ deviceId: 'phone' });
    expect(await redis.command(`KEYS *{${stage.id}}*`)).toMatch(/^\*8\r/);
    await engine.archive(stage.id);
    expect(await redis.command(`KEYS *{${stage.id}}*`)).toMatch(/^\*0\r/);
  });

  test('[ST-48] a Redis without memory refuses a reservation as a whole, and goes on when it has some', async () => {
    const before = await dump(stage.id);
    await redis.command('CONFIG SET maxmemory 1');
    await expect(stage.reserve({ units: { tea: 2 } })).rejects.toThrow(/OOM/);
    await redis.command('CONFIG SET maxmemory 0');
    expect(await dump(stage.id)).toBe(before);
    expect(await stage.reserve({ units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-51] a server that has forgotten the scripts gets them again', async () => {
    await stage.reserve();
    await redis.command('SCRIPT FLUSH');
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    expect(await stage.units()).toBe('10 held 3 sold 0 available 7');
  });
});

describe('lost connections', () => {
  test('[ST-46] without a server every call is rejected at once, and works again when it is back', async () => {
    await redis.kill();
    await soon(async () =>
      engine
        .peek(stage.id)
        .then(() => false)
        .catch(() => true),
    );
    const startMs = systemClock.now();
    const calls = [
      stage.reserve(),
      stage.confirm('one'),
      stage.settle('one'),
      stage.release('one'),
      stage.put(item('tea')),
      engine.read(stage.id),
      engine.begin(stage.id),
      engine.archive(stage.id),
      stage.follow(),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(GateUnavailable) });
    }
    expect(systemClock.now() - startMs).toBeLessThan(commandTimeoutMs);
    await redis.restart();
    await soon(() => isBack());
    await stage.load({ epoch: 2, items: [item('tea')] });
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-46] a server that hangs is given up in time, and an order of which nobody knows the outcome is taken once', async () => {
    const one = request();
    redis.pause();
    const startMs = systemClock.now();
    await expect(stage.reserveRequest(one)).rejects.toThrow(GateUnavailable);
    expect(systemClock.now() - startMs).toBeLessThan(5_000);
    redis.resume();
    await soon(async () => (await isBack()) && (await stage.units()) === '10 held 1 sold 0 available 9');
    expect(await stage.reserveRequest(one)).toEqual({ kind: 'reserved', takes: 'hold', epoch: 1 });
    expect(await stage.units()).toBe('10 held 1 sold 0 available 9');
  });

  test('[ST-46] a connection that is cut in the middle of a burst sends nothing again', async () => {
    await stage.load({ epoch: 2, items: [item('tea', { allotted: 5_000 })] });
    const burst = Promise.allSettled(Array.from({ length: 1_000 }, () => stage.reserve()));
    await redis.command('CLIENT KILL TYPE normal');
    const settled = await burst;
    const answered = settled.filter(({ status }) => status === 'fulfilled').length;
    await soon(() => isBack());
    const held = (await engine.holds(stage.id)).length;
    // Those that were not answered may have been decided, each once.
    expect(held).toBeGreaterThanOrEqual(answered);
    expect(await stage.units()).toBe(`5000 held ${held} sold 0 available ${5_000 - held}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await engine.holds(stage.id)).toHaveLength(held);
  });

  test('[ST-47] a follower is told to read again after its subscription was lost, and hears on', async () => {
    const stop = await stage.follow();
    await stage.reserve();
    await soon(() => stage.heard.length === 1);
    await redis.command('CLIENT KILL TYPE pubsub');
    await soon(() => stage.interruptions === 1);
    await stage.reserve();
    await soon(() => stage.heard.length === 2);
    await stop();
  });

  test('[ST-47] a message that no script wrote is taken as one that was lost', async () => {
    const stop = await stage.follow();
    await redis.command(`PUBLISH ${channelOf(stage.id)} nonsense`);
    await soon(() => stage.interruptions === 1);
    expect(stage.heard).toEqual([]);
    await stop();
  });

  test('[ST-52] more commands under way than the bound are refused at once', async () => {
    const narrow = await connect({ inFlightMax: 3 });
    try {
      redis.pause();
      const calls = Array.from({ length: 5 }, () => narrow.peek(stage.id));
      const last = calls.slice(3).map((call) => expect(call).rejects.toThrow('3 commands wait'));
      await Promise.all(last);
      redis.resume();
      await Promise.allSettled(calls);
    } finally {
      redis.resume();
      await narrow.close();
    }
  });

  test('[ST-46] an engine is not given out before Redis answers', async () => {
    const attempt = connectRedisEngine({ url: 'redis://127.0.0.1:1', timeoutMs: 200 }, { clock, settings });
    await expect(attempt).rejects.toThrow(GateUnavailable);
  });
});

describe('names', () => {
  test('[ST-49] all keys and the channel of a livestream share one hash tag', () => {
    const names = [...keyNames.map((name) => keysOf('live-1')[name]), channelOf('live-1')];
    expect(new Set(names).size).toBe(9);
    expect(new Set(names.map((name) => /\{(.+)\}/.exec(name)?.[1]))).toEqual(new Set(['live-1']));
    expect(Object.keys(keysOf('x')).sort()).toEqual([...keyNames].sort());
  });
});

/** True once commands are answered again. */
async function isBack(): Promise<boolean> {
  return engine
    .peek(stage.id)
    .then(() => true)
    .catch(() => false);
}
