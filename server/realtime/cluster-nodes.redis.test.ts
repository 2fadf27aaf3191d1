import { pino } from 'pino';
import type { Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { StockSnapshot } from '../../contract/events.ts';
import type { StockLevels } from '../../contract/levels.ts';
import type { Order } from '../../contract/orders.ts';
import { LevelStore } from '../../public/lib/level-store.ts';
import { startRedisCluster, type TestCluster } from '../../tests/services/redis-cluster.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { systemClock } from '../lib/clock.ts';
import { type OpenGate, openGate } from '../open-gate.ts';
import { ask, codeOf, connected, joinOf, type Rig, type RigNode, startRig, until } from './realtime-test-kit.ts';

/** Two nodes over one Redis Cluster, each with what `openGate` gives a whole server: gate, adapter, presence. */

const adapterChannel = 'sc:socket.io#/#';
const slowly = 60_000;
let cluster: TestCluster;
let database: OpenDatabase;
let rig: Rig;
let nodes: readonly [RigNode, RigNode];
let gates: readonly OpenGate[];
let show: string;
beforeAll(async () => {
  [cluster, database] = await Promise.all([startRedisCluster(), openDatabase({ databaseUrl: null, dataDir: null })]);
  const gateOf = () =>
    openGate({
      redisUrl: cluster.url,
      clock: systemClock,
      settings: { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 },
      log: pino({ level: 'silent' }),
      production: true,
    });
  gates = [await gateOf(), await gateOf(), await gateOf()];
  const [forOrders, ...others] = gates;
  if (forOrders === undefined) throw new Error('no gate');
  rig = await startRig(database, { engine: forOrders.engine });
  const [first, second] = others.map(({ engine, presence, socketAdapter: adapter }) =>
    rig.node({ engine, presence, adapter }),
  );
  if (first === undefined || second === undefined) throw new Error('no node');
  nodes = [await first, await second];
  show = await rig.livestream('show', { tea: 10_000 });
});
afterAll(async () => {
  await rig.stop();
  await Promise.all(gates.map((gate) => gate.close()));
  await database.close();
  await cluster.stop();
});
afterEach(() => cluster.heal());

async function viewer(node: RigNode, buyerId: string): Promise<{ socket: Socket; store: LevelStore }> {
  const socket = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId });
  const store = new LevelStore();
  socket.on('stock:snapshot', (snapshot: StockSnapshot) => store.applySnapshot(snapshot));
  socket.on('stock:levels', (frame: StockLevels) => {
    store.applyFrame(frame);
    socket.emit('stock:ack', { livestreamId: show, frame: frame.frame });
  });
  await expect.poll(() => codeOf(socket, 'livestream:join', joinOf(show)), { timeout: slowly }).toBe('ok');
  return { socket, store };
}

const order = (orderId: string): Order => ({
  orderId,
  livestreamId: show,
  state: 'paid',
  lines: [{ skuId: 'tea', quantity: 1, unitPriceMinor: 1 }],
  totalMinor: 1,
  currency: 'CNY',
  createdAtMs: 1,
  expiresAtMs: 2,
});

const buy = (key: string) =>
  rig.path.orders.place(
    show,
    { buyerId: `b-${key}`, deviceId: null },
    { idempotencyKey: `key-${key}`, lines: [{ skuId: rig.skuOf('show', 'tea'), quantity: 1 }] },
  );

test('[RT-14] [RD-8] [I5] clients of both nodes end on the same last value; the level stays on its shard', async () => {
  const watchers = [await viewer(nodes[0], 'w1'), await viewer(nodes[1], 'w2')];
  const outcomes = await Promise.all(Array.from({ length: 60 }, (_, n) => buy(`level-${n}`)));
  expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => 'accepted'));
  await until(
    () => watchers.map(({ store }) => store.level(0)?.shown),
    (shown) => shown.every((units) => units === 9_940),
    slowly,
  );
  const home = await cluster.primaryOf(`sc:{${show}}:meta`);
  const elsewhere = await cluster.otherThan(home);
  const channel = `sc:{${show}}:changes`;
  // Both nodes and whoever else follows every livestream, each once, and on this shard only.
  expect(Number((await home.process.lines(`PUBSUB SHARDNUMSUB ${channel}`)).at(-1)?.slice(1))).toBeGreaterThanOrEqual(
    2,
  );
  expect((await elsewhere.process.lines(`PUBSUB SHARDNUMSUB ${channel}`)).at(-1)).toBe(':0');
  expect(await home.process.lines('PUBSUB CHANNELS *')).toEqual([]);
});

test('[RD-11] [RT-13] [OV-3] events between nodes travel over the sharded adapter: to one buyer, and to end an overlay', async () => {
  const [far, stranger] = [await viewer(nodes[1], 'roams'), await viewer(nodes[1], 'someone')];
  const heard: unknown[] = [];
  stranger.socket.on('order:changed', (changed: unknown) => heard.push(changed));
  const told = new Promise((resolve) => far.socket.once('order:changed', resolve));
  nodes[0].realtime.notifyOrder(show, 'roams', order('o1'));
  expect(await told).toEqual(order('o1'));
  expect(heard).toEqual([]);

  const made = await rig.overlays.create(show, { audience: 'air', name: 'OBS', actor: 'test' });
  if (made.kind !== 'created') throw new Error(made.kind);
  const overlay = rig.connect(nodes[1], { token: made.token });
  await connected(overlay);
  nodes[0].realtime.disconnectOverlay(made.overlay.overlayId);
  await until(
    () => overlay.connected,
    (on) => !on,
    slowly,
  );
});

test('[RD-11] the shard of the adapter’s channel dies: nothing queues for it, and events arrive again over its successor', async () => {
  const far = await viewer(nodes[1], 'patient');
  const heard: string[] = [];
  far.socket.on('order:changed', (changed: Order) => heard.push(changed.orderId));
  const home = await cluster.primaryOf(adapterChannel);
  const promotion = cluster.failOver(home);
  await until(
    () => home.process.isRunning,
    (running) => !running,
    slowly,
  );
  for (let n = 0; n < 50; n += 1) nodes[0].realtime.notifyOrder(show, 'patient', order(`during-${n}`));
  await promotion;
  let n = 0;
  await until(
    () => {
      nodes[0].realtime.notifyOrder(show, 'patient', order(`after-${(n += 1)}`));
      return heard.some((orderId) => orderId.startsWith('after'));
    },
    (arrived) => arrived,
    slowly,
  );
  expect(heard.filter((orderId) => orderId.startsWith('during'))).toEqual([]);
});

test('[FO-24] people are counted over both nodes, on the shard of their livestream', async () => {
  const [, gate, other] = gates;
  if (gate === undefined || other === undefined) throw new Error('no gate');
  await gate.presence.report('crowd', 3);
  await other.presence.report('crowd', 4);
  expect(await gate.presence.total('crowd')).toBe(7);
});

test('[RD-13] a snapshot of a livestream whose shard is away says that it is old', async () => {
  const { socket } = await viewer(nodes[0], 'late');
  const home = await cluster.primaryOf(`sc:{${show}}:meta`);
  const promotion = cluster.failOver(home);
  const stale: boolean[] = [];
  socket.on('stock:heartbeat', (heartbeat: { stale: boolean }) => stale.push(heartbeat.stale));
  await until(
    () => stale.at(-1),
    (last) => last === true,
    slowly,
  );
  const snapshot = new Promise<StockSnapshot>((resolve) => socket.once('stock:snapshot', resolve));
  expect((await ask(socket, 'stock:resync', { livestreamId: show })).ok).toBe(true);
  expect((await snapshot).stale).toBe(true);
  await promotion;
  await until(
    () => stale.at(-1),
    (last) => last === false,
    slowly,
  );
});
