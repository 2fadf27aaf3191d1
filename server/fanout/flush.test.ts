import { expect, test } from 'vitest';
import { FanoutStage, item, itemInfo, type TestClient } from './fanout-test-kit.ts';

/** Windows, critical edges, lanes and slices. */

async function stageWith(allotted = 1_000): Promise<FanoutStage> {
  const stage = new FanoutStage([itemInfo(0, 'tea'), itemInfo(1, 'mug')]);
  await stage.gate.open(item('tea', { allotted }), item('mug', { allotted }));
  return stage;
}

test('[FO-6] the first change after quiet goes out at once, all changes of one turn in one frame', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  const sentAtMs = stage.clock.nowMs;
  await Promise.all([stage.sell('tea'), stage.sell('mug'), stage.sell('tea')]);
  expect(client.frames()).toHaveLength(1);
  expect(client.frames()[0]?.rows).toHaveLength(2);
  expect(client.received.at(-1)?.atMs).toBe(sentAtMs);
  expect([client.shown(0), client.shown(1)]).toEqual([998, 999]);
});

test('[FO-6] many changes inside the window become one frame with the newest row of each item', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  await stage.sell('tea');
  for (let sold = 0; sold < 10; sold += 1) {
    await stage.timers.advance(1);
    await stage.sell('tea');
  }
  expect(client.frames()).toHaveLength(1);
  await stage.timers.advance(5);
  const frames = client.frames();
  expect(frames).toHaveLength(2);
  expect(frames[1]?.rows).toEqual([[0, expect.any(Number), 989, 2]]);
  expect(frames[1]?.upTo).toBe(frames[1]?.rows[0]?.[1]);
  await stage.advance(400);
  expect(client.frames()).toHaveLength(2);
});

test.each([
  [200, 15],
  [201, 25],
])('[FO-7] the window of a room with %i viewers is %i ms', async (size, windowMs) => {
  const stage = await stageWith();
  const node = stage.node();
  const client = await stage.join(node);
  await Promise.all(Array.from({ length: size - 1 }, () => stage.join(node)));
  await stage.sell('tea');
  await stage.sell('tea');
  await stage.timers.advance(windowMs - 1);
  expect(client.frames()).toHaveLength(1);
  await stage.timers.advance(2);
  expect(client.frames()).toHaveLength(2);
});

test('[FO-10] a small room is written to in the turn that saw the change, and never more than a slice in one turn', async () => {
  const stage = await stageWith();
  const node = stage.node();
  for (let i = 0; i < 96; i += 1) await stage.join(node);
  let writes = 0;
  stage.onWrite = (_event, ids) => {
    writes += ids.length;
  };
  await stage.gate.reserve({ units: { tea: 1 } });
  expect(writes).toBe(0);
  await stage.timers.oneTurn();
  expect(writes).toBe(96);
  // The rest of the crowd waits for turns of its own.
  for (let i = 0; i < 200; i += 1) await stage.join(node);
  await stage.timers.advance(100);
  const perTurn: number[] = [];
  await stage.gate.reserve({ units: { tea: 1 } });
  for (let turns = 0; turns < 6; turns += 1) {
    writes = 0;
    await stage.timers.oneTurn();
    perTurn.push(writes);
  }
  expect(perTurn.slice(0, 4)).toEqual([96, 96, 96, 8]);
});

test('[FO-7] the window is twice the last walk where that is longer than 25 ms', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  stage.onWrite = (event) => {
    if (event === 'stock:levels') stage.clock.nowMs += 40;
  };
  const beganAtMs = stage.clock.nowMs;
  await stage.sell('tea');
  await stage.sell('tea');
  await stage.timers.advance(30);
  expect(client.frames()).toHaveLength(1);
  await stage.timers.advance(60);
  expect(client.frames()).toHaveLength(2);
  const secondAtMs = client.received.at(-1)?.atMs ?? 0;
  expect(secondAtMs - 40 - beganAtMs).toBeGreaterThanOrEqual(80);
});

test('[FO-8] [V3] a critical edge bypasses the window, carries no upTo, and comes at most once per item and window', async () => {
  const stage = await stageWith(10);
  const client = await stage.join(stage.node());
  await stage.sell('mug');
  await stage.timers.advance(1);
  await stage.sell('tea', 10);
  const critical = client.frames()[1];
  expect(client.frames()).toHaveLength(2);
  expect(critical?.rows).toEqual([[0, expect.any(Number), 0, 3]]);
  expect(critical).not.toHaveProperty('upTo');
  const before = client.store.resume;

  // Back in stock, sold out and back again within the window: only at its end.
  for (const [rev, allotted] of [
    [2, 11],
    [3, 10],
    [4, 12],
  ] as const) {
    await stage.gate.engine.putItems('show', [item('tea', { rev, allotted })], 1);
    await stage.timers.settle();
  }
  expect(client.frames()).toHaveLength(2);
  expect(client.store.resume).toEqual(before);
  await stage.timers.advance(30);
  expect(client.frames()).toHaveLength(3);
  expect(client.frames()[2]).toHaveProperty('upTo');
  expect(client.shown(0)).toBe(2);
});

test('[FO-8] stop and end are edges, a mere change of the number is none', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  await stage.sell('mug');
  await stage.sell('tea');
  expect(client.frames()).toHaveLength(1);
  await stage.gate.engine.putItems('show', [item('tea', { rev: 2, allotted: 1_000, sale: 'stopped' })], 1);
  await stage.timers.settle();
  expect(client.frames()).toHaveLength(2);
  expect(client.store.level(0)?.status).toBe('stopped');
  await stage.timers.advance(30);
  await stage.sell('mug');
  await stage.gate.engine.putItems('show', [item('tea', { rev: 3, allotted: 1_000, sale: 'ended' })], 1);
  await stage.timers.settle();
  expect(client.store.level(0)?.status).toBe('ended');
});

test('[FO-9] a critical edge restarts the walk once, those not served yet come first, and upTo stays true for all', async () => {
  const stage = await stageWith(10);
  const node = stage.node();
  const clients: TestClient[] = [];
  for (let i = 0; i < 300; i += 1) clients.push(await stage.join(node));
  node.written.length = 0;
  const edges: (() => void)[] = [];
  stage.onWrite = (event) => {
    if (event === 'stock:levels') edges.shift()?.();
  };
  // While the first slice of the tea's frame is being written, the mug is sold out; then the tea too.
  edges.push(() => void stage.gate.reserve({ units: { mug: 10 } }));
  edges.push(() => void stage.gate.reserve({ units: { tea: 9 } }));
  await stage.sell('tea');
  const begun = node.written.filter(({ event }) => event === 'stock:levels');
  const restarted = begun.findIndex(({ payload }) => payload !== begun[0]?.payload);
  const servedBefore = new Set(begun.slice(0, restarted).flatMap(({ ids }) => ids));
  const first = begun[restarted]?.ids ?? [];
  expect(servedBefore.size).toBeLessThan(300);
  expect(first.filter((id) => servedBefore.has(id))).toEqual([]);
  // One restart per walk: the second edge waits for its end.
  const frames = new Set(begun.map(({ payload }) => (payload as { frame: number }).frame));
  expect(frames.size).toBe(3);
  // The heartbeat's round tells upTo where the last frame was critical.
  await stage.advance(2_200);
  const position = await stage.gate.engine.peek('show');
  for (const client of clients) {
    expect([client.shown(0), client.shown(1)]).toEqual([0, 0]);
    expect(client.store.resume?.upTo).toBe(position?.version);
  }
});

test('[FO-10] operators are served before the anchor, the anchor before viewers, and at most 128 sockets in one turn', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const lanes = ['viewers', 'anchor', 'operators'] as const;
  for (let i = 0; i < 210; i += 1) await stage.join(node, i < 200 ? 'viewers' : (lanes[i % 3] ?? 'viewers'));
  node.written.length = 0;
  let turnWrites = 0;
  const perTurn: number[] = [];
  stage.onWrite = (_event, ids) => {
    turnWrites += ids.length;
  };
  await stage.gate.reserve({ units: { tea: 1 } });
  for (let turns = 0; turns < 8; turns += 1) {
    turnWrites = 0;
    await stage.timers.oneTurn();
    perTurn.push(turnWrites);
  }
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(128);
  expect(perTurn.reduce((sum, writes) => sum + writes, 0)).toBe(210);
  const laneOfWrite = node.written.map(({ ids }) => {
    const row = (stage.clients.get(ids[0] ?? '')?.frames()[0]?.rows[0] ?? []) as unknown[];
    return row.length === 6 ? 'full' : 'viewers';
  });
  expect(laneOfWrite).toEqual([...laneOfWrite].sort());
  const fullFirst = node.written.slice(0, 2).map(({ ids }) => ids.length);
  expect(fullFirst.every((count) => count <= 4)).toBe(true);
});

test('[FO-10] operators and anchor get every turn of changes, without the window of viewers', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const [viewer, operator, anchor] = [
    await stage.join(node, 'viewers'),
    await stage.join(node, 'operators'),
    await stage.join(node, 'anchor'),
  ];
  for (let sold = 0; sold < 5; sold += 1) {
    await stage.timers.advance(1);
    await stage.sell('tea');
  }
  expect([operator.frames().length, anchor.frames().length, viewer.frames().length]).toEqual([5, 5, 1]);
  expect(operator.frames().map(({ frame }) => frame)).toEqual([1, 2, 3, 4, 5]);
  expect(operator.frames()[4]?.rows).toEqual([[0, expect.any(Number), 995, 5, 0, 2]]);
});

test('[FO-10] the place where a walk begins rotates', async () => {
  const stage = await stageWith();
  const node = stage.node();
  for (let i = 0; i < 150; i += 1) await stage.join(node);
  node.written.length = 0;
  for (let round = 0; round < 3; round += 1) {
    await stage.sell('tea');
    await stage.timers.advance(60);
  }
  const starts = node.written.filter(({ event }) => event === 'stock:levels').map(({ ids }) => ids[0]);
  expect(new Set(starts).size).toBeGreaterThan(3);
});

test('[FO-10] who joins or leaves in the middle of a walk disturbs nobody', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const clients: TestClient[] = [];
  for (let i = 0; i < 250; i += 1) clients.push(await stage.join(node));
  let late: Promise<unknown> | null = null;
  stage.onWrite = (event) => {
    if (event !== 'stock:levels' || late !== null) return;
    for (const client of clients.slice(0, 100)) client.disconnect();
    late = node.fanout.join({ livestreamId: 'show', lane: 'viewers', socket: stage.client(), resume: undefined });
  };
  await stage.sell('tea');
  for (const client of clients.slice(100)) expect([client.shown(0), client.frames().length]).toEqual([999, 1]);
  const joined = stage.clients.get('socket250');
  expect([joined?.shown(0), joined?.frames().length]).toEqual([999, 0]);
});
