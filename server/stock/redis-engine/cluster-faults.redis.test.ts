import assert from 'node:assert/strict';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ClusterServer, startRedisCluster, type TestCluster } from '../../../tests/services/redis-cluster.ts';
import { slotOf } from '../../redis/hash-slot.ts';
import { item, request, Stage, settings, snapshot, soon, TestClock } from '../stock-engine.fixtures.ts';
import { GateUnavailable, type ReserveOutcome } from '../stock-engine.ts';
import { channelOf, keyNames, keysOf } from './keys-of.ts';
import { connectRedisEngine, type RedisStockEngine } from './redis-engine.ts';

/** Faults that only a cluster has: slots that move, one shard of several that dies. */

const slowly = 60_000;
let cluster: TestCluster;
let engine: RedisStockEngine;
let stage: Stage;
let made = 0;
const clock = new TestClock();
beforeAll(async () => {
  cluster = await startRedisCluster();
  engine = await connectRedisEngine(
    { url: cluster.url, timeoutMs: 30_000, commandTimeoutMs: 3_000 },
    { clock, settings, newNonce: () => `nonce-${(made += 1)}` },
  );
});
afterAll(async () => {
  await engine.close();
  await cluster.stop();
});
beforeEach(async () => {
  stage = await new Stage(engine, `live-${(made += 1)}`, clock).open(item('tea', { allotted: 100_000 }));
});
afterEach(() => cluster.heal());

const metaOf = (id: string): string => keysOf(id).meta;

/** A livestream whose shard is another than `than`'s. */
async function elsewhere(than: ClusterServer): Promise<Stage> {
  for (;;) {
    const other = new Stage(engine, `live-${(made += 1)}`, clock);
    if ((await cluster.primaryOf(metaOf(other.id))).id !== than.id) return other.open(item('tea'));
  }
}

/** Whoever serves the slot now does not know the livestream as it is in the ledger. */
const untilRebuilding = (of: Stage): Promise<void> =>
  soon(
    async () =>
      of.reserve().then(
        ({ kind }) => kind === 'rebuilding',
        () => false,
      ),
    slowly,
  );

/** Orders one after the other until `stop`; every rid with its outcome, null where nobody knows. */
function keepOrdering(of: Stage) {
  const outcomes = new Map<string, ReserveOutcome['kind'] | null>();
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      const one = request();
      const kind = await of.reserveRequest(one).then(
        (outcome) => outcome.kind,
        (error: unknown) => {
          assert(error instanceof GateUnavailable, String(error));
          return null;
        },
      );
      outcomes.set(one.rid, kind);
      if (kind !== 'reserved') await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const of_ = (kind: ReserveOutcome['kind'] | null) =>
    [...outcomes].filter(([, each]) => each === kind).map(([rid]) => rid);
  return {
    of: of_,
    stop: async () => {
      isOver = true;
      await running;
    },
  };
}

/** What the ledger would tell after these reservations: a rebuild under a newer epoch. */
async function rebuild(one: Stage, epoch: number, held: readonly string[] = []): Promise<void> {
  await soon(async () => {
    const outcome = await engine.begin(one.id).catch(() => null);
    if (outcome?.kind !== 'closed') return false;
    const holds = held.map((rid) => ({
      rid,
      state: 'held' as const,
      takes: 'hold' as const,
      buyerId: `b-${rid}`,
      deviceId: null,
      lines: [{ skuId: 'tea', quantity: 1 }],
      leaseEndsAtMs: clock.now() + 600_000,
    }));
    const parts = { epoch, items: [item('tea', { allotted: 100_000 })], holds };
    return (await engine.load(one.id, outcome.nonce, snapshot(parts)).catch(() => null)) === 'loaded';
  }, slowly);
}

describe('slots', () => {
  test('[RD-4] the slot of a key is computed as the cluster does, and livestreams are spread over its servers', async () => {
    const owners = new Set<string>();
    for (let index = 0; index < 12; index += 1) {
      const one = await new Stage(engine, `spread-${index}`, clock).open(item('tea'));
      expect(slotOf(metaOf(one.id))).toBe(await cluster.slotOf(metaOf(one.id)));
      const owner = await cluster.primaryOf(metaOf(one.id));
      expect(await owner.process.command(`EXISTS ${metaOf(one.id)}`)).toContain(':1');
      owners.add(owner.id);
      expect(await one.reserve()).toMatchObject({ kind: 'reserved' });
    }
    expect(owners.size).toBe(3);
  });

  test('[RD-5] a slot that moves while orders run: none is lost, none is taken twice, and the new owner asks for a rebuild', async () => {
    const from = await cluster.primaryOf(metaOf(stage.id));
    const to = await cluster.otherThan(from);
    const orders = keepOrdering(stage);
    await soon(() => orders.of('reserved').length >= 50, slowly);
    await cluster.moveSlot(slotOf(metaOf(stage.id)), to);
    await soon(() => orders.of('rebuilding').length >= 1, slowly);
    await orders.stop();
    expect((await cluster.primaryOf(metaOf(stage.id))).id).toBe(to.id);
    // Under the identity of its old owner the gate is closed (G2), and its keys are all there.
    expect(await engine.read(stage.id)).toBeNull();
    const holds = await to.process.lines(`HKEYS ${keysOf(stage.id).holds}`);
    const [reserved, unknown] = [orders.of('reserved'), orders.of(null)];
    expect(holds).toEqual(expect.arrayContaining([...reserved]));
    expect(holds.filter((rid) => rid !== '!' && !reserved.includes(rid) && !unknown.includes(rid))).toEqual([]);
    await rebuild(stage, 2, reserved);
    expect(await stage.units()).toBe(`100000 held ${reserved.length} sold 0 available ${100_000 - reserved.length}`);
    expect(await stage.reserve()).toEqual({ kind: 'reserved', takes: 'hold', epoch: 2 });
  });

  test('[RD-5] while keys are between two owners an order waits for them or is refused, and never sees half of them', async () => {
    const from = await cluster.primaryOf(metaOf(stage.id));
    const to = await cluster.otherThan(from);
    const during: string[] = [];
    await cluster.moveSlot(slotOf(metaOf(stage.id)), to, async (step) => {
      if (step === 'between') expect((await stage.reserve()).kind).toBe('reserved');
      else if (step !== 'moved' && during.length < 3) {
        // Some keys here, some there: TRYAGAIN until the time for a command is over.
        const outcome = await stage.reserve().then(
          ({ kind }) => kind,
          () => 'refused',
        );
        during.push(outcome);
      }
    });
    expect(during.length).toBeGreaterThan(0);
    expect(during.every((kind) => kind === 'refused' || kind === 'rebuilding')).toBe(true);
    await rebuild(stage, 2);
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved', epoch: 2 });
  });

  test('[RD-5] when all keys have arrived and the slot has not, orders go to where the keys are (ASK), and stay there', async () => {
    const from = await cluster.primaryOf(metaOf(stage.id));
    const to = await cluster.otherThan(from);
    let moved = 0;
    await cluster.moveSlot(slotOf(metaOf(stage.id)), to, async (step) => {
      if (!step.startsWith('sc:') || (moved += 1) < keyNames.length) return;
      expect(await stage.reserve()).toEqual({ kind: 'rebuilding' });
      await rebuild(stage, 2);
      expect(await stage.reserve()).toMatchObject({ kind: 'reserved', epoch: 2 });
      expect(await from.process.command(`EXISTS ${metaOf(stage.id)}`)).toMatch(/^-ASK /);
    });
    expect(moved).toBe(keyNames.length);
    // It was rebuilt under the new owner's identity before that was the owner: nothing more has to be done.
    expect(await stage.units()).toBe('100000 held 1 sold 0 available 99999');
  });

  test('[RD-8] a subscription follows the slot, its listener is told to read again, and hears on', async () => {
    const from = await cluster.primaryOf(metaOf(stage.id));
    const to = await cluster.otherThan(from);
    const stop = await stage.follow();
    await stage.reserve();
    await soon(() => stage.heard.length === 1, slowly);
    expect(await from.process.lines(`PUBSUB SHARDNUMSUB ${channelOf(stage.id)}`)).toContain(':1');
    await cluster.moveSlot(slotOf(metaOf(stage.id)), to);
    await soon(() => stage.interruptions >= 1, slowly);
    await rebuild(stage, 2);
    await stage.reserve();
    await soon(() => stage.heard.some(({ epoch, rows }) => epoch === 2 && rows[0]?.held === 1), slowly);
    expect(await to.process.lines(`PUBSUB SHARDNUMSUB ${channelOf(stage.id)}`)).toContain(':1');
    await stop();
    await soon(async () => (await to.process.lines(`PUBSUB SHARDNUMSUB ${channelOf(stage.id)}`)).includes(':0'));
  });
});

describe('shards', () => {
  test('[RD-6] [RD-8] a primary that dies: its livestreams are refused until its replica serves them, the others sell on', async () => {
    const primary = await cluster.primaryOf(metaOf(stage.id));
    const other = await elsewhere(primary);
    const stop = await stage.follow();
    const promoted = cluster.failOver(primary);
    await soon(
      async () =>
        stage.reserve().then(
          () => false,
          (error) => error instanceof GateUnavailable,
        ),
      slowly,
    );
    // While nobody serves the slot an order is refused; one that waited for the replica would be told that it rebuilds. The other shard
    // has not noticed.
    await expect(stage.reserve()).rejects.toThrow(GateUnavailable);
    expect(await other.reserve()).toMatchObject({ kind: 'reserved' });
    await promoted;
    await untilRebuilding(stage);
    expect(await other.units()).toBe('10 held 1 sold 0 available 9');
    await rebuild(stage, 2);
    expect(await stage.reserve()).toEqual({ kind: 'reserved', takes: 'hold', epoch: 2 });
    await soon(() => stage.interruptions >= 1, slowly);
    await soon(async () => {
      await stage.reserve();
      return stage.heard.some(({ epoch, rows }) => epoch === 2 && (rows[0]?.held ?? 0) > 0);
    }, slowly);
    await stop();
  });

  test('[RD-7] a stale replica that is promoted is found by the first script, before it decides anything', async () => {
    const primary = await cluster.primaryOf(metaOf(stage.id));
    await stage.reserve({ rid: `${stage.id}-copied` });
    await soon(async () => {
      const [replica] = await cluster.replicasOf(primary);
      return (
        replica?.process.command('INFO replication').then((info) => info.includes('master_link_status:up')) ?? false
      );
    }, slowly);
    await primary.process.lines('WAIT 1 10000');
    await cluster.freezeReplicas(primary);
    for (let n = 0; n < 20; n += 1) await stage.reserve({ rid: `${stage.id}-lost-${n}` });
    const promoted = await cluster.failOver(primary);
    // It remembers one of 21 holds, and would sell 20 units a second time.
    expect(await promoted.process.lines(`HKEYS ${keysOf(stage.id).holds}`)).toEqual(['!', `${stage.id}-copied`]);
    const answers: string[] = [];
    await soon(async () => {
      const answer = await stage.reserve().then(
        ({ kind }) => kind,
        () => 'refused',
      );
      answers.push(answer);
      return answer === 'rebuilding';
    }, slowly);
    expect(answers).not.toContain('reserved');
    await rebuild(
      stage,
      2,
      Array.from({ length: 21 }, (_, n) => `kept-${n}`),
    );
    expect(await stage.units()).toBe('100000 held 21 sold 0 available 99979');
  });

  test('[RD-10] a primary that hands over and takes back without closing a connection is asked again who it is', async () => {
    const primary = await cluster.primaryOf(metaOf(stage.id));
    const [replica] = await cluster.replicasOf(primary);
    assert(replica !== undefined);
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    await cluster.handOver(primary, replica);
    await cluster.handOver(replica, primary);
    // Its memory says that it is ours, its new replication id says that something was between.
    await untilRebuilding(stage);
  });

  test('[ST-51] a promoted server that never saw the scripts gets them', async () => {
    const primary = await cluster.primaryOf(metaOf(stage.id));
    for (const { process } of cluster.servers) await process.command('SCRIPT FLUSH');
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved' });
    const promoted = await cluster.failOver(primary);
    await promoted.process.command('SCRIPT FLUSH');
    await rebuild(stage, 2);
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved', epoch: 2 });
  });

  test('[RD-6] [ST-44] one server that is emptied closes its own gates and no other', async () => {
    const primary = await cluster.primaryOf(metaOf(stage.id));
    const other = await elsewhere(primary);
    await primary.process.command('FLUSHALL');
    expect(await stage.reserve()).toEqual({ kind: 'rebuilding' });
    expect(await other.reserve()).toMatchObject({ kind: 'reserved' });
    await rebuild(stage, 2);
    expect(await stage.reserve()).toMatchObject({ kind: 'reserved', epoch: 2 });
  });

  test('[RD-4] an engine finds a cluster of which it was told one server only, and none that is no cluster', async () => {
    const [first] = cluster.servers;
    const url = `redis+cluster://127.0.0.1:${first?.process.port}`;
    const other = await connectRedisEngine({ url, timeoutMs: 30_000 }, { clock, settings });
    try {
      expect(await other.peek(stage.id)).toMatchObject({ epoch: 1 });
    } finally {
      await other.close();
    }
    const nowhere = connectRedisEngine({ url: 'redis+cluster://127.0.0.1:1', timeoutMs: 300 }, { clock, settings });
    await expect(nowhere).rejects.toThrow(/127\.0\.0\.1:1.*ECONNREFUSED/);
  });
});
