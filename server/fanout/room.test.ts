import { describe, expect, test } from 'vitest';
import { FanoutStage, item, itemInfo, livestreamId, livestreamInfo } from './fanout-test-kit.ts';
import { memoryPresence, type PresenceBoard } from './presence.ts';

async function stageWith(parts: { allotted?: number } = {}): Promise<FanoutStage> {
  const { allotted = 1_000 } = parts;
  const stage = new FanoutStage([itemInfo(0, 'tea'), itemInfo(1, 'mug')]);
  await stage.gate.open(item('tea', { allotted }), item('mug', { allotted }));
  return stage;
}

describe('joining', () => {
  test('[FO-2] [V2] the subscription stands before the gate is read, and everybody who joins shares one reading', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const joins = Array.from({ length: 50 }, () =>
      node.fanout.join({ livestreamId, lane: 'viewers', socket: stage.client(), resume: undefined }),
    );
    await stage.timers.settle();
    await Promise.all(joins);
    expect(node.engine.calls.slice(0, 3)).toEqual(['follow', 'following', 'read']);
    expect([node.engine.count('follow'), node.engine.count('read'), stage.catalogue.loads]).toEqual([1, 1, 1]);
    for (const client of stage.clients.values()) expect(client.snapshots()).toHaveLength(1);
  });

  test('[FO-2] a change between subscription and reading is not lost', async () => {
    const stage = await stageWith();
    const node = stage.node();
    let open = (): void => {};
    node.engine.readGate = new Promise((resolve) => {
      open = resolve;
    });
    const client = stage.client();
    const joined = node.fanout.join({ livestreamId, lane: 'viewers', socket: client, resume: undefined });
    await stage.timers.settle();
    await stage.sell('tea', 7);
    open();
    await joined;
    await stage.timers.advance(200);
    expect(client.shown(0)).toBe(993);
  });

  test('[FO-14] a join sends everything before it resolves; a resume in the same epoch only newer rows', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    expect(client.snapshots()[0]).toMatchObject({ lane: 'viewers', complete: true, epoch: 1, rows: [{}, {}] });
    client.disconnect();
    await stage.sell('mug');
    const resume = client.store.resume ?? undefined;
    await stage.join(node, 'viewers', client, resume);
    expect(client.snapshots()[1]).toMatchObject({ complete: false, rows: [[1, expect.any(Number), 999, 2]] });
    expect(client.store.resume?.upTo).toBe((await stage.gate.engine.peek(livestreamId))?.version);
    await stage.join(node, 'viewers', client, { epoch: 7, upTo: 1 });
    expect(client.snapshots()[2]).toMatchObject({ complete: true });
  });

  test('[FO-14] there is no room for a livestream that does not exist, and none is left behind when the gate is away', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const request = { lane: 'viewers' as const, socket: stage.client(), resume: undefined };
    expect(await node.fanout.join({ ...request, livestreamId: 'other' })).toBeNull();
    node.engine.broken = true;
    await expect(node.fanout.join({ ...request, livestreamId })).rejects.toThrow('follow');
    expect(node.fanout.openRooms).toBe(0);
    node.engine.broken = false;
    await stage.join(node);
    expect(node.fanout.openRooms).toBe(1);
  });

  test('[FO-25] a client that knows more than this node makes it read the gate, once for all of them', async () => {
    const stage = await stageWith();
    const node = stage.node();
    await stage.join(node);
    await stage.timers.advance(300);
    node.engine.fateOf = () => 'drop';
    await stage.sell('tea', 5);
    const upTo = (await stage.gate.engine.peek(livestreamId))?.version ?? 0;
    const before = node.engine.count('read');
    const clients = Array.from({ length: 20 }, () => stage.client());
    const joins = clients.map((socket) =>
      node.fanout.join({ livestreamId, lane: 'viewers', socket, resume: { epoch: 1, upTo } }),
    );
    await stage.timers.advance(10);
    await Promise.all(joins);
    expect(node.engine.count('read')).toBe(before + 1);
    expect(clients[0]?.snapshots()[0]).toMatchObject({ complete: false, upTo, rows: [] });
  });
});

describe('lost messages', () => {
  test('[FO-3] [V2] a gap is closed by reading the gate, without waiting for the poll', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.timers.advance(150);
    node.engine.fateOf = () => 'drop';
    await stage.sell('mug', 3);
    node.engine.fateOf = () => 'deliver';
    await stage.sell('tea');
    await stage.timers.advance(60);
    expect([client.shown(0), client.shown(1)]).toEqual([999, 997]);
    expect(client.store.resume?.upTo).toBe((await stage.gate.engine.peek(livestreamId))?.version);
    expect(node.engine.count('read')).toBe(2);
  });

  test('[FO-3] however many gaps there are, the gate is read at most every 100 ms', async () => {
    const stage = await stageWith();
    const node = stage.node();
    await stage.join(node);
    let change = 0;
    node.engine.fateOf = () => ((change += 1) % 2 === 0 ? 'deliver' : 'drop');
    for (let i = 0; i < 200; i += 1) {
      await stage.sell('tea');
      await stage.timers.advance(5);
    }
    expect(node.engine.count('read')).toBeLessThanOrEqual(12);
    expect(node.engine.count('read')).toBeGreaterThanOrEqual(5);
  });

  test('[FO-4] a message that was lost without a trace is found by the poll, within 1 s', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.timers.advance(10);
    node.engine.fateOf = () => 'drop';
    await stage.sell('tea', 4);
    expect(client.shown(0)).toBe(1_000);
    await stage.timers.advance(1_000);
    expect(client.shown(0)).toBe(996);
  });

  test('[FO-4] the poll asks at most every 500 ms, only while somebody is there, and reads nothing when nothing was lost', async () => {
    const stage = await stageWith();
    const node = stage.node();
    await stage.join(node);
    for (let i = 0; i < 100; i += 1) {
      await stage.sell('tea');
      await stage.timers.advance(50);
    }
    expect(node.engine.count('peek')).toBeLessThanOrEqual(10);
    expect(node.engine.count('peek')).toBeGreaterThanOrEqual(9);
    expect(node.engine.count('read')).toBe(1);
  });

  test('[FO-5] after an interruption the gate is read again and the difference goes out', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.timers.advance(200);
    node.engine.fateOf = () => 'drop';
    await stage.sell('tea', 4);
    node.engine.interrupt();
    await stage.timers.advance(30);
    expect(client.shown(0)).toBe(996);
    expect(client.frames()[0]?.rows).toHaveLength(1);
  });

  test('[FO-5] an interruption during a reading causes another one: the first may be older', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.timers.advance(200);
    let open = (): void => {};
    node.engine.readGate = new Promise((resolve) => {
      open = resolve;
    });
    node.engine.interrupt();
    await stage.timers.settle();
    node.engine.fateOf = () => 'drop';
    await stage.sell('tea', 4);
    node.engine.interrupt();
    open();
    await stage.timers.advance(200);
    expect(client.shown(0)).toBe(996);
    expect(node.engine.count('read')).toBe(3);
  });
});

describe('epochs and a gate that is away', () => {
  test('[FO-15] [V1] a new epoch is a complete snapshot for everybody, also with lower versions', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const clients = [await stage.join(node), await stage.join(node, 'operators')];
    await stage.sell('tea', 5);
    await stage.sell('tea', 5);
    await stage.gate.load({ epoch: 2, items: [item('tea', { allotted: 1_000, sold: 3 }), item('mug')] });
    await stage.timers.advance(200);
    for (const client of clients) {
      expect(client.snapshots().at(-1)).toMatchObject({ epoch: 2, complete: true, rows: [{}, {}] });
      expect(client.store.resume?.epoch).toBe(2);
      expect([client.shown(0), client.shown(1)]).toEqual([997, 10]);
    }
  });

  test('[FO-19] a missing gate makes levels stale at once and keeps the last numbers', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.advance(1_000);
    expect(client.snapshots()[0]?.stale).toBe(false);
    await stage.gate.begin(true);
    await stage.advance(600);
    expect(client.heartbeats().at(-1)?.stale).toBe(true);
    expect(client.shown(0)).toBe(1_000);
    await stage.gate.load({ epoch: 2, items: [item('tea'), item('mug')] });
    await stage.advance(600);
    expect(client.heartbeats().at(-1)?.stale).toBe(false);
    expect(client.shown(0)).toBe(10);
  });

  test('[FO-19] a gate that cannot be reached is stale, and levels go on when it answers again', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    node.engine.broken = true;
    node.engine.fateOf = () => 'drop';
    await stage.sell('tea', 2);
    await stage.advance(600);
    expect(client.heartbeats().at(-1)?.stale).toBe(true);
    node.engine.broken = false;
    await stage.advance(1_000);
    expect(client.heartbeats().at(-1)?.stale).toBe(false);
    expect(client.shown(0)).toBe(998);
  });

  test('[FO-19] who joins while the gate is missing gets an empty snapshot that says so, and everything once it is there', async () => {
    const stage = await stageWith();
    await stage.gate.begin(true);
    const client = await stage.join(stage.node());
    expect(client.snapshots()[0]).toMatchObject({ rows: [], stale: true });
    await stage.gate.load({ epoch: 2, items: [item('tea'), item('mug')] });
    await stage.advance(600);
    expect([client.shown(0), client.shown(1)]).toEqual([10, 10]);
  });

  test('[FO-20] a version that goes backwards is confirmed by reading, reported once, and changes no number', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.sell('tea', 2);
    const old = await stage.gate.engine.read(livestreamId);
    await stage.sell('tea', 2);
    const real = node.engine.asEngine();
    expect(old?.version).toBeLessThan((await real.peek(livestreamId))?.version ?? 0);
    // A stale replica took over: it answers with what it had.
    const { engine } = stage.gate;
    const [read, peek] = [engine.read.bind(engine), engine.peek.bind(engine)];
    engine.read = async () => old;
    engine.peek = async () => old && { epoch: old.epoch, version: old.version, infoRev: old.infoRev };
    await stage.advance(1_600);
    expect(node.backwards).toEqual([livestreamId]);
    expect(client.heartbeats().at(-1)?.stale).toBe(true);
    expect(client.shown(0)).toBe(996);
    engine.read = read;
    engine.peek = peek;
    await stage.gate.load({ epoch: 2, items: [item('tea'), item('mug')] });
    await stage.advance(600);
    expect([client.shown(0), client.heartbeats().at(-1)?.stale]).toEqual([10, false]);
  });
});

describe('heartbeat, description, rooms', () => {
  test("[FO-18] a heartbeat every 2 s names the gate's version, not this node's memory", async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    await stage.timers.advance(1_980);
    node.engine.fateOf = () => 'drop';
    node.engine.readGate = new Promise(() => {});
    await stage.sell('tea');
    await stage.timers.advance(520);
    await stage.timers.advance(1_800);
    const version = (await stage.gate.engine.peek(livestreamId))?.version ?? 0;
    expect(client.heartbeats()).toHaveLength(2);
    expect(client.heartbeats()[1]).toMatchObject({ epoch: 1, upTo: version, stale: false });
    expect(client.store.isBehind({ epoch: 1, upTo: version })).toBe(true);
  });

  test('[FO-21] a greater infoRev loads the description once, tells the room, and rows of new items follow', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const clients = [await stage.join(node), await stage.join(node, 'anchor')];
    const loads = stage.catalogue.loads;
    const items = [itemInfo(0, 'tea'), itemInfo(1, 'mug'), itemInfo(2, 'cup')];
    stage.catalogue.current = livestreamInfo(items, { infoRev: 2, pinnedSkuId: 'cup' });
    await stage.gate.engine.putItems(livestreamId, [item('cup', { allotted: 5 })], 2);
    await stage.timers.advance(50);
    for (const client of clients) {
      expect(client.changes()).toMatchObject([{ infoRev: 2, pinnedSkuId: 'cup' }]);
      expect(client.shown(2)).toBe(5);
    }
    expect(stage.catalogue.loads).toBe(loads + 1);
    await stage.advance(1_200);
    expect(stage.catalogue.loads).toBe(loads + 1);
  });

  test('[FO-13] [V3] upTo stays below rows whose item is not known yet, so that a resume brings them', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    // The gate has the new item, the description cannot be loaded yet.
    await stage.gate.engine.putItems(livestreamId, [item('cup', { allotted: 5 })], 2);
    await stage.sell('tea');
    await stage.timers.advance(60);
    const version = (await stage.gate.engine.peek(livestreamId))?.version ?? 0;
    expect(client.shown(0)).toBe(999);
    const { upTo = 0 } = client.store.resume ?? {};
    expect(upTo).toBeLessThan(version);
    client.disconnect();
    const items = [itemInfo(0, 'tea'), itemInfo(1, 'mug'), itemInfo(2, 'cup')];
    stage.catalogue.current = livestreamInfo(items, { infoRev: 2 });
    await stage.advance(600);
    await stage.join(node, 'viewers', client, { epoch: 1, upTo });
    expect(client.shown(2)).toBe(5);
    expect(client.store.resume?.upTo).toBe(version);
  });

  test('[FO-23] a room closes some seconds after its last member left, and not while somebody comes back', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    client.disconnect();
    await stage.timers.advance(4_000);
    await stage.join(node, 'viewers', client);
    await stage.timers.advance(10_000);
    expect([node.fanout.openRooms, node.engine.count('follow')]).toEqual([1, 1]);
    client.disconnect();
    await stage.timers.advance(6_000);
    expect([node.fanout.openRooms, node.engine.count('unfollow')]).toEqual([0, 1]);
    const peeks = node.engine.count('peek');
    await stage.timers.advance(5_000);
    expect([node.engine.count('peek'), stage.timers.waiting]).toEqual([peeks, 0]);
  });

  test('[FO-23] an ended livestream whose gate is archived is not followed any more; those who stay see no fault', async () => {
    const stage = await stageWith();
    const node = stage.node();
    const client = await stage.join(node);
    stage.catalogue.current = livestreamInfo(stage.catalogue.current?.items ?? [], { infoRev: 2, state: 'ended' });
    await stage.gate.engine.putItems(livestreamId, [], 2);
    await stage.advance(600);
    await stage.gate.engine.archive(livestreamId);
    await stage.advance(14_000);
    expect(client.changes()[0]?.state).toBe('ended');
    expect(node.engine.count('unfollow')).toBe(1);
    const peeks = node.engine.count('peek');
    await stage.advance(4_000);
    expect(node.engine.count('peek')).toBe(peeks);
    expect(client.heartbeats().at(-1)?.stale).toBe(false);
  });

  test('[FO-23] closing the fan-out leaves no timer and no subscription', async () => {
    const stage = await stageWith();
    const node = stage.node();
    await stage.join(node);
    await stage.sell('tea');
    await stage.sell('tea');
    await node.fanout.close();
    await stage.timers.settle();
    expect(node.engine.count('unfollow')).toBe(1);
    await stage.timers.advance(3_000);
    expect(stage.timers.waiting).toBe(0);
  });

  test('[FO-24] viewers are counted over all nodes; a node that died counts no more after some seconds', async () => {
    const stage = await stageWith();
    const board: PresenceBoard = new Map();
    const node = (nodeId: string) => stage.node({ presence: memoryPresence({ clock: stage.clock, nodeId, board }) });
    const [here, there] = [node('a'), node('b')];
    const client = await stage.join(here);
    await stage.join(here);
    await stage.join(here, 'operators');
    await stage.join(there);
    await stage.advance(6_200);
    expect(client.heartbeats().at(-1)?.viewers).toBe(3);
    // The other node stops without a word.
    board.get(livestreamId)?.set('b', { count: 1, atMs: stage.clock.nowMs - 7_000 });
    const frozen = memoryPresence({ clock: stage.clock, nodeId: 'a', board });
    expect(await frozen.total(livestreamId)).toBe(2);
    await frozen.report(livestreamId, 0);
    expect(await frozen.total(livestreamId)).toBe(0);
  });
});
