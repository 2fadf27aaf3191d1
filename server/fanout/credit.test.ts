import { expect, test } from 'vitest';
import { FanoutStage, item, itemInfo, livestreamId, livestreamInfo } from './fanout-test-kit.ts';

/** Slow clients, and what viewers are shown. */

async function stageWith(): Promise<FanoutStage> {
  const stage = new FanoutStage([itemInfo(0, 'tea'), itemInfo(1, 'mug')]);
  await stage.gate.open(item('tea', { allotted: 10_000 }), item('mug', { allotted: 10_000 }));
  return stage;
}

test('[FO-16] a client that stops reading gets at most 32 frames more, then one merged frame when it acknowledges again', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const [slow, fast] = [await stage.join(node), await stage.join(node)];
  slow.reading = false;
  for (let i = 0; i < 400; i += 1) {
    await stage.sell(i % 2 === 0 ? 'tea' : 'mug');
    await stage.advance(26);
  }
  expect(fast.frames().length).toBeGreaterThan(300);
  const queued = slow.unread.filter(({ event }) => event === 'stock:levels');
  expect(queued.length).toBeLessThanOrEqual(32);
  expect(slow.unread.filter(({ event }) => event === 'stock:heartbeat').length).toBeLessThanOrEqual(2);
  slow.read();
  await stage.advance(1_200);
  expect(slow.frames().length).toBeLessThanOrEqual(queued.length + 2);
  expect([slow.shown(0), slow.shown(1)]).toEqual([fast.shown(0), fast.shown(1)]);
  expect(slow.store.resume).toEqual(fast.store.resume);
  // Back in the walk: every frame again.
  const before = [slow.frames().length, fast.frames().length];
  for (let i = 0; i < 40; i += 1) {
    await stage.sell('tea');
    await stage.advance(26);
  }
  expect(slow.frames().length - (before[0] ?? 0)).toBe(fast.frames().length - (before[1] ?? 0));
});

test('[FO-16] a frame that is not acknowledged for 2 s under traffic takes the client out of the walk as well', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const client = await stage.join(node);
  client.acknowledges = false;
  for (let i = 0; i < 10; i += 1) {
    await stage.sell('tea');
    await stage.advance(600);
  }
  expect(client.frames()).toHaveLength(4);
  client.acknowledges = true;
  client.tick();
  client.membership?.acknowledge(4);
  await stage.timers.settle();
  expect(client.frames()).toHaveLength(5);
  expect(client.shown(0)).toBe(await stage.truth('tea'));
});

test('[FO-16] in a quiet room nobody is taken out for silence, and numbers that were never sent acknowledge nothing', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  await stage.advance(10_000);
  await stage.sell('tea');
  expect(client.frames()).toHaveLength(1);
  client.acknowledges = false;
  client.membership?.acknowledge(1_000_000);
  for (let i = 0; i < 6; i += 1) {
    await stage.sell('tea');
    await stage.advance(600);
  }
  expect(client.frames().length).toBeLessThan(7);
});

test('[FO-16] a stalled client learns of a new description and of a new epoch when it is back', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const slow = await stage.join(node);
  slow.reading = false;
  for (let i = 0; i < 40; i += 1) {
    await stage.sell('tea');
    await stage.advance(26);
  }
  const unread = slow.unread.length;
  stage.catalogue.current = livestreamInfo(stage.catalogue.current?.items ?? [], { infoRev: 2, pinnedSkuId: 'tea' });
  await stage.gate.load({ epoch: 2, infoRev: 2, items: [item('tea', { allotted: 77 }), item('mug')] });
  await stage.advance(600);
  expect(slow.unread.length).toBeLessThanOrEqual(unread + 1);
  slow.read();
  await stage.advance(1_200);
  expect(slow.changes().at(-1)?.pinnedSkuId).toBe('tea');
  expect(slow.store.resume?.epoch).toBe(2);
  expect(slow.shown(0)).toBe(77);
});

test('[FO-17] snapshots for a client that acknowledges nothing come to an end; an acknowledgement opens the way again', async () => {
  const stage = await stageWith();
  const client = await stage.join(stage.node());
  client.acknowledges = false;
  const answers: (boolean | undefined)[] = [];
  for (let i = 0; i < 8; i += 1) answers.push(await client.membership?.resync(undefined));
  expect(answers).toEqual([true, true, true, true, false, false, false, false]);
  await stage.timers.advance(11_000);
  expect(await client.membership?.resync(undefined)).toBe(true);
  await stage.sell('tea');
  client.membership?.acknowledge(client.frames()[0]?.frame ?? 0);
  expect(await client.membership?.resync(undefined)).toBe(true);
});

test('[FO-11] [I8] viewers never see held or sold, and under a band never the number', async () => {
  const stage = new FanoutStage([
    itemInfo(0, 'tea', { kind: 'band', bounds: [1, 10, 100] }),
    itemInfo(1, 'mug', { kind: 'low_only', below: 20 }),
  ]);
  await stage.gate.open(item('tea', { allotted: 150 }), item('mug', { allotted: 150 }));
  const node = stage.node();
  const client = await stage.join(node);
  for (let i = 0; i < 151; i += 1) {
    await stage.sell('tea');
    await stage.sell('mug');
    await stage.advance(26);
  }
  const rows = [...client.snapshots(), ...client.frames()].flatMap((message) => message.rows);
  for (const row of rows) {
    expect(row).toHaveLength(4);
    const allowed = row[0] === 0 ? ['100+', '10-99', '1-9', 0] : ['20+', ...Array.from({ length: 20 }, (_, i) => i)];
    expect(allowed).toContain(row[2]);
  }
  expect([client.shown(0), client.shown(1)]).toEqual([0, 0]);
  expect(new Set(rows.filter((row) => row[0] === 0).map((row) => row[2])).size).toBe(4);
});

test('[FO-12] changes that show viewers nothing new cost no frame, and upTo is told before the next heartbeat', async () => {
  const stage = new FanoutStage([itemInfo(0, 'tea', { kind: 'band', bounds: [1, 10, 100] })]);
  await stage.gate.open(item('tea', { allotted: 10_000 }));
  const node = stage.node();
  const [viewer, operator] = [await stage.join(node), await stage.join(node, 'operators')];
  for (let i = 0; i < 30; i += 1) {
    await stage.sell('tea');
    await stage.timers.advance(30);
  }
  expect(operator.frames().length).toBe(30);
  // The first frame tells everybody what is shown; the others have nothing to say.
  expect(viewer.frames().length).toBeLessThanOrEqual(1);
  viewer.forget();
  await stage.advance(2_000);
  const version = (await stage.gate.engine.peek(livestreamId))?.version;
  const order = viewer.received.map(({ event }) => event);
  expect(order.indexOf('stock:levels')).toBeLessThan(order.indexOf('stock:heartbeat'));
  expect(viewer.frames()).toMatchObject([{ rows: [], upTo: version }]);
  expect(viewer.store.resume?.upTo).toBe(version);
});

test('[FO-12] what a joining client has seen does not hide the way back to what the others saw before', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const early = await stage.join(node);
  await stage.sell('tea', 5);
  await stage.timers.advance(60);
  await stage.sell('mug');
  // Inside the window: 9,994 is dirty when the other joins, and gone again before it is flushed.
  await stage.gate.reserve({ units: { tea: 1 }, rid: 'brief' });
  await stage.timers.settle();
  const late = await stage.join(node);
  expect(late.shown(0)).toBe(9_994);
  await stage.gate.engine.release(livestreamId, [{ rid: 'brief', unbind: true }]);
  await stage.timers.advance(60);
  expect([early.shown(0), late.shown(0)]).toEqual([9_995, 9_995]);
});

test('[FO-22] another way of showing an item is a complete snapshot for viewers, and a resume from before it is complete', async () => {
  const stage = await stageWith();
  const node = stage.node();
  const [viewer, away] = [await stage.join(node), await stage.join(node)];
  away.disconnect();
  const items = [itemInfo(0, 'tea', { kind: 'band', bounds: [1, 10] }), itemInfo(1, 'mug')];
  stage.catalogue.current = livestreamInfo(items, { infoRev: 2 });
  await stage.gate.engine.putItems(livestreamId, [], 2);
  await stage.timers.advance(60);
  expect(viewer.snapshots()).toHaveLength(2);
  expect(viewer.shown(0)).toBe('10+');
  const events = viewer.received.map(({ event }) => event);
  expect(events.indexOf('livestream:changed')).toBeLessThan(events.lastIndexOf('stock:snapshot'));
  await stage.join(node, 'viewers', away, away.store.resume ?? undefined);
  expect(away.shown(0)).toBe('10+');
});
