import { setTimeout as wait } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StockSnapshot } from '../../contract/events.ts';
import type { StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import { Order } from '../../contract/orders.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { ask, codeOf, connected, joinOf, type Rig, type RigNode, startRig, until } from './realtime-test-kit.ts';

/** What sockets send and get: real gate, real ledger, real sockets. */

let database: OpenDatabase;
let rig: Rig;
let node: RigNode;
let show: string;
let tea: string;
beforeAll(async () => {
  database = await openDatabase({ databaseUrl: null, dataDir: null });
  rig = await startRig(database);
  node = await rig.node();
  show = await rig.livestream('show', { tea: 10_000, mug: 10_000, few: 3 });
  tea = rig.skuOf('show', 'tea');
});
afterAll(async () => {
  await rig.stop();
  await database.close();
});

let keys = 0;
const orderOf = (skuId: string, quantity = 1, more: object = {}) => ({
  livestreamId: show,
  idempotencyKey: `events-key-${(keys += 1)}`,
  lines: [{ skuId, quantity }],
  ...more,
});
const buyer = (buyerId: string) => rig.enter(node, { role: 'viewer', livestreamId: show, buyerId });

describe('acknowledgements', () => {
  test('[RT-8] malformed payloads get bad_request with the places, and exactly one answer', async () => {
    const socket = await buyer('malformed');
    const payloads: [string, unknown][] = [
      ['livestream:join', undefined],
      ['livestream:join', null],
      ['livestream:join', 'show'],
      ['livestream:join', { livestreamId: '{x}', protocolVersion: '1', lane: 'admins' }],
      ['order:place', { ...orderOf(tea), lines: [{ skuId: tea, quantity: -1 }] }],
      ['order:place', { ...orderOf(tea), lines: [{ skuId: tea, quantity: 1.5 }] }],
      ['order:place', { ...orderOf(tea), lines: [] }],
      ['order:place', { ...orderOf(tea), extra: 1 }],
      ['stock:ack', { livestreamId: show, frame: 'x' }],
      ['stock:resync', [1, 2, 3]],
    ];
    for (const [event, payload] of payloads) {
      const answer = await ask(socket, event, payload);
      const issues = expect.arrayContaining([expect.objectContaining({ path: expect.any(String) })]);
      expect(answer, event).toMatchObject({ ok: false, error: { code: 'bad_request', issues } });
    }
    expect(node.log).toEqual([]);
  });

  test('[RT-8] unknown events and names of Object are bad_request; events without payload or callback harm nobody', async () => {
    const socket = await buyer('strange');
    for (const event of ['stock:steal', 'toString', '__proto__', 'constructor']) {
      expect(await codeOf(socket, event, {})).toBe('bad_request');
    }
    socket.emit('livestream:join', joinOf(show));
    socket.emit('order:place');
    socket.emit('nonsense', 1, 2, 3);
    socket.emit('stock:ack', { livestreamId: show, frame: 1 }, 'not a function');
    const bare = (await socket.timeout(5_000).emitWithAck('livestream:leave')) as { ok: boolean };
    expect(bare.ok).toBe(false);
    expect(socket.connected).toBe(true);
    expect(node.log).toEqual([]);
  });

  test('[RT-11] a bug of ours is internal for the client and a line in the log, and the server goes on', async () => {
    const faulty = await rig.node({
      orders: {
        ...rig.path.orders,
        ordersOf: async () => {
          throw new Error('secret detail of the database');
        },
      },
    });
    const socket = await rig.enter(faulty, { role: 'viewer', livestreamId: show, buyerId: 'unlucky' });
    const answer = await ask(socket, 'order:list', { livestreamId: show });
    expect(answer).toMatchObject({ ok: false, error: { code: 'internal', action: 'retry' } });
    expect(JSON.stringify(answer)).not.toContain('secret');
    expect(faulty.log.join('')).toContain('secret detail');
    expect(await codeOf(socket, 'livestream:join', joinOf(show))).toBe('ok');
  });

  test('[RT-9] a flood is rate_limited, then disconnected; others do not notice', async () => {
    const [flood, calm] = [await buyer('flood'), await buyer('calm')];
    const codes = await Promise.all(
      Array.from({ length: 80 }, () => codeOf(flood, 'stock:ack', { livestreamId: show, frame: 1 })),
    );
    expect(codes).toContain('ok');
    expect(codes).toContain('rate_limited');
    const gone = new Promise((resolve) => flood.once('disconnect', resolve));
    for (let i = 0; i < 3_000; i += 1) flood.emit('stock:ack', { livestreamId: show, frame: 1 });
    expect(await codeOf(calm, 'livestream:join', joinOf(show))).toBe('ok');
    await gone;
  });

  test('[RT-9] orders have a rate of their own', async () => {
    const socket = await buyer('eager');
    const codes = await Promise.all(Array.from({ length: 16 }, () => codeOf(socket, 'order:place', orderOf(tea))));
    expect(codes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(10);
    expect(codes.filter((code) => code === 'rate_limited').length).toBeGreaterThanOrEqual(4);
    expect(await codeOf(socket, 'order:list', { livestreamId: show })).toBe('ok');
  });

  test('[RT-10] an oversized payload ends its own connection and nothing else', async () => {
    const [huge, calm] = [await buyer('huge'), await buyer('calm')];
    const gone = new Promise((resolve) => huge.once('disconnect', resolve));
    huge.emit('order:place', { ...orderOf(tea), padding: 'x'.repeat(20_000) });
    await gone;
    expect(await codeOf(calm, 'order:place', orderOf(tea))).toBe('ok');
  });
});

describe('orders', () => {
  test('[RT-12] [I4] an order over the socket is accepted once; the same key gets the same order', async () => {
    const socket = await buyer('repeats');
    const order = orderOf(tea, 2);
    const first = await ask(socket, 'order:place', order);
    expect(first).toMatchObject({ ok: true, outcome: 'accepted', order: { state: 'held', livestreamId: show } });
    const second = await ask(socket, 'order:place', order);
    expect(second).toMatchObject({
      ok: true,
      outcome: 'duplicate',
      order: { orderId: first.ok && (first['order'] as Order).orderId },
    });
    expect(await codeOf(socket, 'order:place', { ...order, lines: [{ skuId: tea, quantity: 3 }] })).toBe(
      'idempotency_mismatch',
    );
    const list = await ask(socket, 'order:list', { livestreamId: show });
    expect(list).toMatchObject({ ok: true, orders: [{ state: 'held' }] });
  });

  test('[RT-12] refusals of the order path arrive unchanged; cancelling gives the units back', async () => {
    const socket = await buyer('refused');
    const few = rig.skuOf('show', 'few');
    expect(await codeOf(socket, 'order:place', orderOf('nothing'))).toBe('not_found');
    expect(await codeOf(socket, 'order:place', orderOf(few, 4))).toBe('insufficient');
    const taken = await ask(socket, 'order:place', orderOf(few, 3));
    const { orderId } = (taken.ok ? taken['order'] : {}) as Order;
    expect(await ask(socket, 'order:place', orderOf(few))).toMatchObject({
      ok: false,
      error: { code: 'sold_out', skuId: few },
    });
    const stranger = await buyer('stranger');
    expect(await codeOf(stranger, 'order:cancel', { livestreamId: show, orderId })).toBe('route_not_found');
    expect(await ask(socket, 'order:cancel', { livestreamId: show, orderId })).toMatchObject({
      ok: true,
      order: { state: 'cancelled' },
    });
    const again = await ask(socket, 'order:place', orderOf(few, 3));
    expect(again.ok).toBe(true);
    const operator = await rig.enter(node, { role: 'operator', livestreamId: show });
    const second = (again.ok ? again['order'] : {}) as Order;
    expect(await codeOf(operator, 'order:cancel', { livestreamId: show, orderId: second.orderId })).toBe('ok');
  });

  test('[RT-12] [I8] orders need a buyer of this very livestream', async () => {
    const other = await rig.livestream('elsewhere', { cup: 5 });
    const sockets = {
      guest: await rig.enter(node, { role: 'viewer', livestreamId: show }),
      anchor: await rig.enter(node, { role: 'anchor', livestreamId: show }),
      admin: await rig.enter(node, { role: 'admin' }),
      stranger: await rig.enter(node, { role: 'viewer', livestreamId: other, buyerId: 'b' }),
    };
    for (const [name, socket] of Object.entries(sockets)) {
      expect(await codeOf(socket, 'order:place', orderOf(tea)), name).toBe('forbidden');
      expect(await codeOf(socket, 'order:list', { livestreamId: show }), name).toBe('forbidden');
    }
  });

  test("[RT-12] the token's device wins over the payload's", async () => {
    const seen: unknown[] = [];
    const spying = await rig.node({
      orders: {
        ...rig.path.orders,
        place: (livestreamId, who, order) => {
          seen.push(who);
          return rig.path.orders.place(livestreamId, who, order);
        },
        ordersOf: rig.path.orders.ordersOf.bind(rig.path.orders),
      },
    });
    const own = await rig.enter(spying, { role: 'viewer', livestreamId: show, buyerId: 'd1', deviceId: 'phone' });
    const none = await rig.enter(spying, { role: 'viewer', livestreamId: show, buyerId: 'd2' });
    for (const socket of [own, none]) {
      expect(await codeOf(socket, 'order:place', orderOf(tea, 1, { deviceId: 'claimed' }))).toBe('ok');
    }
    expect(seen).toEqual([
      { buyerId: 'd1', deviceId: 'phone' },
      { buyerId: 'd2', deviceId: 'claimed' },
    ]);
  });

  test("[RT-13] every socket of the buyer hears of the order's change, nobody else does, and it holds the contract's fields only", async () => {
    const [one, two, stranger] = [await buyer('hears'), await buyer('hears'), await buyer('deaf')];
    const heard: unknown[][] = [[], [], []];
    for (const [index, socket] of [one, two, stranger].entries()) {
      socket.on('order:changed', (order: unknown) => heard[index]?.push(order));
    }
    const placed = await ask(one, 'order:place', orderOf(tea));
    const order = (placed.ok ? placed['order'] : {}) as Order;
    node.realtime.notifyOrder(
      show,
      'hears',
      Object.assign({ key: 'secret', bodyHash: 'x' }, order, { state: 'paid' as const }),
    );
    await until(
      () => [heard[0]?.length, heard[1]?.length],
      ([a = 0, b = 0]) => a > 0 && b > 0,
    );
    expect(heard[2]).toEqual([]);
    const last = heard[0]?.at(-1);
    expect(last).toEqual({ ...Order.parse(order), state: 'paid' });
    expect(last).not.toHaveProperty('key');
  });
});

describe('levels', () => {
  const listen = (socket: Socket) => {
    const seen = { snapshots: [] as StockSnapshot[], frames: [] as StockLevels[], heartbeats: [] as StockHeartbeat[] };
    socket.on('stock:snapshot', (snapshot: StockSnapshot) => seen.snapshots.push(snapshot));
    socket.on('stock:levels', (frame: StockLevels) => seen.frames.push(frame));
    socket.on('stock:heartbeat', (heartbeat: StockHeartbeat) => seen.heartbeats.push(heartbeat));
    return seen;
  };

  test('[FO-6] an order is with every viewer in some milliseconds, over WebSocket and over long polling', async () => {
    const sockets = [
      await buyer('v1'),
      rig.connect(
        node,
        { token: await rig.token({ role: 'viewer', livestreamId: show }) },
        { transports: ['polling'] },
      ),
    ];
    const polling = sockets[1];
    if (polling !== undefined) await connected(polling);
    const seen = sockets.map(listen);
    for (const socket of sockets) expect(await codeOf(socket, 'livestream:join', joinOf(show))).toBe('ok');
    const mug = rig.skuOf('show', 'mug');
    const began = Date.now();
    expect(await codeOf(await buyer('v2'), 'order:place', orderOf(mug, 5))).toBe('ok');
    const rowOf = (frames: StockLevels[]) => frames.flatMap((frame) => frame.rows).find((row) => row[0] === 1);
    await until(
      () => seen.map(({ frames }) => rowOf(frames)?.[2]),
      (shown) => shown.every((one) => one === 9_995),
    );
    expect(Date.now() - began).toBeLessThan(1_000);
    await until(
      () => seen.map(({ heartbeats }) => heartbeats.length),
      (counts) => counts.every((count) => count > 0),
    );
    expect(seen[0]?.heartbeats[0]).toMatchObject({ livestreamId: show, stale: false, viewers: expect.any(Number) });
  });

  test('[FO-14] [V3] a socket that comes back with its point gets newer rows only', async () => {
    const first = await buyer('resumes');
    const seen = listen(first);
    await ask(first, 'livestream:join', joinOf(show));
    const { epoch, upTo } = seen.snapshots[0] ?? { epoch: -1, upTo: -1 };
    first.disconnect();
    await codeOf(await buyer('meanwhile'), 'order:place', orderOf(tea));
    const second = await buyer('resumes');
    const then = listen(second);
    await ask(second, 'livestream:join', joinOf(show, 'viewers', { resume: { epoch, upTo } }));
    expect(then.snapshots[0]).toMatchObject({ complete: false, epoch });
    expect(then.snapshots[0]?.rows.map(([index]) => index)).toEqual([0]);
    expect(await codeOf(second, 'stock:resync', { livestreamId: show })).toBe('ok');
    expect(then.snapshots[1]).toMatchObject({ complete: true, rows: [{}, {}, {}] });
  });

  test('[FO-21] a changed price is with every client of the room, through the gate', async () => {
    const viewer = await buyer('prices');
    await ask(viewer, 'livestream:join', joinOf(show));
    const changed = new Promise<{ items: { unitPriceMinor: number }[] }>((resolve) =>
      viewer.once('livestream:changed', resolve),
    );
    await rig.manage(rig.shop.catalogue.changeItem(show, tea, { unitPriceMinor: 777 }, 'test'));
    expect((await changed).items[0]?.unitPriceMinor).toBe(777);
  });
});

describe('going', () => {
  test('[RT-15] a server that stops says why, closes connections so that clients come back, and lets nobody in', async () => {
    const stopping = await rig.node();
    const token = await rig.token({ role: 'viewer', livestreamId: show, buyerId: 'last' });
    const socket = io(stopping.url, { transports: ['websocket'], auth: { token }, reconnectionDelay: 10_000 });
    await connected(socket);
    expect(await codeOf(socket, 'livestream:join', joinOf(show))).toBe('ok');
    const said = new Promise((resolve) => socket.once('server:stopping', resolve));
    const gone = new Promise((resolve) => socket.once('disconnect', resolve));
    const stopped = stopping.realtime.stop('maintenance');
    expect(await said).toEqual({ reason: 'maintenance' });
    expect(await gone).toBe('transport close');
    // A socket that was sent away for good would not be active.
    expect(socket.active).toBe(true);
    socket.disconnect();
    await stopped;
    expect(stopping.realtime.sockets).toBe(0);
    const late = rig.connect(stopping, { token });
    await expect(connected(late)).rejects.toThrow();
    await stopping.realtime.stop('again');
    await wait(50);
    expect(stopping.log).toEqual([]);
  });
});
