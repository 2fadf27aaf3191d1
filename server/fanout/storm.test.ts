import { expect, test } from 'vitest';
import { FanoutStage, item, itemInfo, livestreamId, type TestClient } from './fanout-test-kit.ts';
import { SharedPayloads } from './shared-payloads.ts';

/** Crowds that come back at once. */

async function stageWith(): Promise<FanoutStage> {
  const stage = new FanoutStage([itemInfo(0, 'tea'), itemInfo(1, 'mug')]);
  await stage.gate.open(item('tea', { allotted: 10_000 }), item('mug', { allotted: 10_000 }));
  return stage;
}

async function crowd(stage: FanoutStage, node: ReturnType<FanoutStage['node']>, size: number): Promise<TestClient[]> {
  const clients = Array.from({ length: size }, () => stage.client());
  await joinAll(stage, node, clients);
  return clients;
}

/** All at once, each from where it was. */
async function joinAll(
  stage: FanoutStage,
  node: ReturnType<FanoutStage['node']>,
  clients: readonly TestClient[],
): Promise<void> {
  const joining = clients.map(async (client) => {
    const resume = client.store.resume ?? undefined;
    client.membership = await node.fanout.join({ livestreamId, lane: 'viewers', socket: { id: client.id }, resume });
  });
  await stage.advance(1_000);
  await Promise.all(joining);
}

test('[FO-29] a crowd that comes to a node that was not in this room costs one reading, and one encoding of the snapshot', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const clients = await crowd(stage, node, 1_000);
  expect(node.engine.count('read')).toBe(1);
  expect(stage.catalogue.loads).toBe(1);
  const snapshots = node.written.filter(({ event }) => event === 'stock:snapshot');
  expect(snapshots).toHaveLength(1_000);
  expect(new Set(snapshots.map(({ payload }) => payload)).size).toBe(1);
  for (const client of clients) expect(client.shown(0)).toBe(10_000);
});

test('[FO-29] a crowd that comes back after a cut reads nothing here, gets newer rows only, and shares them', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const stays = await stage.join(node);
  const clients = await crowd(stage, node, 600);
  const [early, late] = [clients.slice(0, 300), clients.slice(300)];
  for (const client of early) client.disconnect();
  await stage.sell('tea', 3);
  await stage.advance(400);
  for (const client of late) client.disconnect();
  await stage.sell('mug', 2);
  await stage.advance(400);
  const reads = node.engine.count('read');
  node.written.length = 0;
  for (const client of clients) client.forget();
  await joinAll(stage, node, clients);
  expect(node.engine.count('read')).toBe(reads);
  const snapshots = node.written.filter(({ event }) => event === 'stock:snapshot');
  expect(new Set(snapshots.map(({ payload }) => payload)).size).toBe(2);
  expect(early[0]?.snapshots()[0]).toMatchObject({ complete: false, rows: [[0], [1]].map(() => expect.any(Array)) });
  expect(late[0]?.snapshots()[0]?.rows).toHaveLength(1);
  for (const client of clients) {
    expect([client.shown(0), client.shown(1)]).toEqual([9_997, 9_998]);
    expect(client.store.resume).toEqual(stays.store.resume);
  }
});

test('[FO-29] [FO-25] a crowd from a node that knew more makes this one read the gate once', async () => {
  const stage = await stageWith();
  const [ahead, behind] = [stage.node(), stage.node()];
  const clients = await crowd(stage, ahead, 300);
  await stage.join(behind);
  behind.engine.fateOf = () => 'drop';
  await stage.sell('tea', 7);
  await stage.timers.advance(30);
  const reads = behind.engine.count('read');
  for (const client of clients) client.disconnect();
  await joinAll(stage, behind, clients);
  expect(behind.engine.count('read') - reads).toBe(1);
  for (const client of clients) expect(client.shown(0)).toBe(9_993);
});

test('[FO-29] stalled clients that come back together share their merged frame', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const clients = await crowd(stage, node, 200);
  for (const client of clients) client.reading = false;
  for (let sold = 0; sold < 40; sold += 1) {
    await stage.sell('tea');
    await stage.advance(26);
  }
  node.written.length = 0;
  for (const client of clients) client.read();
  await stage.advance(1_200);
  const merged = node.written.filter(({ event, ids }) => event === 'stock:levels' && ids.length === 1);
  expect(merged.length).toBe(200);
  expect(new Set(merged.map(({ payload }) => payload)).size).toBe(1);
  for (const client of clients) expect(client.shown(0)).toBe(9_960);
});

test('[FO-29] a shared snapshot is 50 ms old at most, and never of another state', () => {
  const shared = new SharedPayloads();
  let made = 0;
  const take = (state: string, since: number, nowMs: number): object =>
    shared.take({ state, since, nowMs }, () => ({ payload: { made: (made += 1) }, point: { epoch: 1, upTo: 1 } }))
      .payload;
  const first = take('a', -1, 1_000);
  expect(take('a', -1, 1_050)).toBe(first);
  expect(take('a', 7, 1_050)).not.toBe(first);
  expect(take('b', -1, 1_050)).not.toBe(first);
  expect(take('a', -1, 1_050)).not.toBe(first);
  const last = take('a', -1, 1_060);
  expect(take('a', -1, 1_101)).not.toBe(last);
  // A clock that was set back makes nothing fresh for ever.
  expect(take('a', -1, 500)).not.toBe(last);
});
