import { API_PREFIX, routes } from '../../contract/routes.ts';
import { ApiClient, type Reply, Unanswered } from '../lib/api-client.ts';
import { type Percentiles, percentilesOf } from '../lib/latency.ts';
import { delay, limiter } from '../lib/limiter.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { type CpuSeconds, cpuBetween, cpuSecondsOf, SubjectProcess } from './child-process.ts';
import { type Bench, compare, type Figure, type Scenario, wanted } from './figure.ts';
import { Flood } from './flood.ts';
import { HttpOrderClient, type OrderClient, orderInTurns, SocketOrderClient } from './order-clients.ts';
import { interleaved, rivals } from './pair.ts';
import { type Product, startProduct } from './product.ts';

/** A shop with its viewers: sends one order; resolves with whether it was accepted. */
type Shop = { readonly flood: Flood; readonly order: (index: number, item: number) => Promise<boolean> };
type OrderLoad = { readonly ratePerSecond: number; readonly durationMs: number; readonly items: number };
type Sold = { readonly purchaseMs: Percentiles; readonly lastViewerMs: Percentiles };

/**
 * Orders come at a fixed rate, whether or not the server keeps up; every moment is counted from when an order was due. Orders are given
 * their numbers in the order in which they reach the gate, so the n-th order belongs to the n-th version that viewers see.
 */
async function sell({ flood, order }: Shop, { ratePerSecond, durationMs, items }: OrderLoad): Promise<Sold> {
  await delay(300);
  await flood.ask('reset');
  const count = Math.round((ratePerSecond * durationMs) / 1_000);
  const { base } = await flood.ask('cover', -1, count + 100);
  const [intervalMs, startMs] = [1_000 / ratePerSecond, monotonicMs()];
  const answered: Promise<number | null>[] = [];
  for (let index = 0; index < count; index += 1) {
    const dueMs = startMs + index * intervalMs;
    if (dueMs > monotonicMs()) await delay(Math.max(1, dueMs - monotonicMs()));
    const timed = async (): Promise<number | null> =>
      (await order(index, index % items)) ? monotonicMs() - dueMs : null;
    answered.push(timed());
  }
  const purchases = (await Promise.all(answered)).filter((ms) => ms !== null);
  // Its number would be missing, and every later order be taken for its neighbour.
  if (purchases.length < count) throw new Error(`${count - purchases.length} of ${count} orders were not placed`);
  await flood.untilQuiet(500, 120_000);
  const { coverage } = await flood.ask('coverage');
  const complete = coverage.filter(([, viewers]) => viewers === flood.count);
  if (complete.length < count) throw new Error(`only ${complete.length} of ${count} changes reached every viewer`);
  const lastViewerMs = complete.map(([version, , , lastMs]) => lastMs - startMs - (version - base - 1) * intervalMs);
  return { purchaseMs: percentilesOf(purchases), lastViewerMs: percentilesOf(lastViewerMs) };
}

async function openShop(product: Product, livestreamId: string, viewers: number, items: number): Promise<Shop> {
  const { server, api, port } = product;
  await product.stage(livestreamId, items);
  const grant = { role: 'viewer' as const, livestreamId };
  const tokens = await Promise.all(Array.from({ length: viewers }, () => server.token(grant)));
  const buyers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => server.token({ ...grant, buyerId: `buyer-${index}` })),
  );
  const flood = await Flood.open({ port }, { count: viewers, speaks: 'ours', livestreamId, tokens });
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const run = Date.now().toString(36);
  let made = 0;
  return {
    flood,
    order: async (index, item) => {
      const idempotencyKey = `${run}-${(made += 1)}`;
      const body = JSON.stringify({ idempotencyKey, lines: [{ skuId: `${livestreamId}-${item}`, quantity: 1 }] });
      return isPlaced(api.send({ method: 'POST', path, token: buyers[index % buyers.length], body }));
    },
  };
}

/** A server that is overwhelmed closes connections: an order without an answer is an order that was not placed. */
const isPlaced = (reply: Promise<Reply>): Promise<boolean> =>
  reply.then(
    ({ status }) => status === 201,
    (error: unknown) => {
      if (error instanceof Unanswered) return false;
      throw error;
    },
  );

async function openRivalShop(subject: SubjectProcess, viewers: number): Promise<Shop & { close(): void }> {
  const api = new ApiClient(`http://127.0.0.1:${subject.port}`, { connections: 512, timeoutMs: 120_000 });
  const flood = await Flood.open(subject, { count: viewers, speaks: 'socket-io' });
  return {
    flood,
    order: (_index, item) => isPlaced(api.send({ method: 'POST', path: `/orders/${item}` })),
    close: () => api.close(),
  };
}

/** Both shops with their viewers; warm, then interleaved. */
async function sellingAgainstEmit(
  bench: Bench,
  product: Product,
  { name, viewers }: { readonly name: string; readonly viewers: number },
  load: OrderLoad,
) {
  const subject = await SubjectProcess.start(rivals.socketIo.file);
  try {
    const own = await openShop(product, name, viewers, load.items);
    const other = await openRivalShop(subject, viewers);
    try {
      const warm = { ...load, ratePerSecond: 10, durationMs: bench.quick ? 500 : 2_000 };
      await sell(own, warm);
      await sell(other, warm);
      const rounds = await interleaved(
        bench,
        () => sell(own, load),
        () => sell(other, load),
      );
      bench.log(`${name}: ours ${JSON.stringify(rounds.ours)}, rival ${JSON.stringify(rounds.rival)}`);
      return rounds;
    } finally {
      await own.flood.close();
      await other.flood.close();
      other.close();
    }
  } finally {
    await subject.stop();
  }
}

async function purchaseBesideViewers(bench: Bench, product: Product): Promise<readonly Figure[]> {
  const n = bench.quick ? 300 : 4_000;
  const load = { ratePerSecond: bench.quick ? 100 : 50, durationMs: bench.quick ? 1_000 : 3_000, items: 1 };
  const { ours, rival } = await sellingAgainstEmit(bench, product, { name: 'f8', viewers: n }, load);
  return [
    compare({
      id: 'F8',
      measure: `purchase over HTTP, ${load.ratePerSecond} orders/s, while every viewer is served, p99, ms`,
      rivalName: `${rivals.socketIo.name}, order in memory`,
      goal: 0.12,
      n,
      ours: ours.map(({ purchaseMs }) => purchaseMs.p99),
      rival: rival.map(({ purchaseMs }) => purchaseMs.p99),
    }),
  ];
}

async function orderToLastViewer(bench: Bench, product: Product): Promise<readonly Figure[]> {
  const n = bench.quick ? 300 : 2_000;
  const load = { ratePerSecond: 200, durationMs: bench.quick ? 1_000 : 4_000, items: 5 };
  const { ours, rival } = await sellingAgainstEmit(bench, product, { name: 'f20', viewers: n }, load);
  return (['p50', 'p99'] as const).map((percentile) =>
    compare({
      id: 'F20',
      measure: `200 orders/s on 5 items: order until the last viewer has it, ${percentile}, ms`,
      rivalName: `${rivals.socketIo.name} per change (${percentile})`,
      goal: 0.05,
      n,
      ours: ours.map(({ lastViewerMs }) => lastViewerMs[percentile]),
      rival: rival.map(({ lastViewerMs }) => lastViewerMs[percentile]),
    }),
  );
}

/**
 * Orders under way at once: what a server with 200 ms of queue at the most still takes, and what the rival's transactions can wait for. One
 * socket may order five times a second, so buyers over sockets take turns with many.
 */
const underWay = 300;
/** A transaction waits two seconds for a connection, then fails: more of them under way would be errors. */
const guardedUnderWay = 60;
const orderSockets = 4_000;

/** Orders per second of the server's CPU, in a closed loop after a warm-up. */
async function ordersPerCpuSecond(
  clients: readonly OrderClient[],
  { atOnce, seconds }: { readonly atOnce: number; readonly seconds: number },
  cpu: () => CpuSeconds,
  bodyOf: (key: string, index: number) => string,
): Promise<number> {
  const run = Date.now().toString(36);
  await orderInTurns(clients, atOnce, Math.min(1_000, seconds * 500), (index) => bodyOf(`${run}-warm-${index}`, index));
  const before = cpu();
  const orders = await orderInTurns(clients, atOnce, seconds * 1_000, (index) => bodyOf(`${run}-${index}`, index));
  return orders / cpuBetween(before, cpu()).total;
}

type Clients = { readonly http: readonly OrderClient[]; readonly socket: readonly OrderClient[] };

async function ownClients(product: Product, livestreamId: string, socketCount: number): Promise<Clients> {
  const { port, server } = product;
  const tokens = await Promise.all(
    Array.from({ length: underWay }, (_, index) =>
      server.token({ role: 'viewer', livestreamId, buyerId: `buyer-${index}` }),
    ),
  );
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const atOnce = limiter(100);
  return {
    http: tokens.map((token) => new HttpOrderClient(port, path, token)),
    socket: await Promise.all(
      Array.from({ length: socketCount }, (_, index) =>
        atOnce(() => SocketOrderClient.connect(port, livestreamId, tokens[index % tokens.length] ?? '')),
      ),
    ),
  };
}

async function orderThroughput(bench: Bench, product: Product): Promise<readonly Figure[]> {
  const seconds = bench.quick ? 1 : 5;
  const opened: OrderClient[] = [];
  const shops: SubjectProcess[] = [];
  try {
    const { livestream } = await product.stage('f19', 5);
    const skuIds = livestream.items.map(({ skuId }) => skuId);
    const skuOf = (index: number): string => skuIds[index % skuIds.length] ?? '';
    const own = await ownClients(product, 'f19', bench.quick ? 1_500 : orderSockets);
    opened.push(...own.http, ...own.socket);
    const ownBody = (idempotencyKey: string, index: number): string =>
      JSON.stringify({ idempotencyKey, lines: [{ skuId: skuOf(index), quantity: 1 }] });
    const ownCpu = (): CpuSeconds => cpuSecondsOf(product.server.pid);
    await prepareRival(product, skuIds);
    const { databaseUrl } = product;
    const startOf = (variant: 'bare' | 'guarded') =>
      ['rivals/express-prisma.ts', { databaseUrl, variant, livestreamId: rivalShop }] as const;
    const started = await SubjectProcess.startAll(startOf('bare'), startOf('guarded'));
    shops.push(...started);
    const rivalBody = (idempotencyKey: string, index: number): string =>
      JSON.stringify({ idempotencyKey, skuId: skuOf(index), buyerId: `buyer-${index % underWay}` });
    const openRival = (subject: SubjectProcess, length: number) => {
      const clients = Array.from({ length }, () => new HttpOrderClient(subject.port, '/orders', ''));
      opened.push(...clients);
      return () => ordersPerCpuSecond(clients, { atOnce: length, seconds }, () => subject.cpu(), rivalBody);
    };
    const [bare, guarded] = [openRival(started[0], underWay), openRival(started[1], guardedUnderWay)];
    const { ours, rival } = await interleaved(
      bench,
      async () => ({
        http: await ordersPerCpuSecond(own.http, { atOnce: underWay, seconds }, ownCpu, ownBody),
        socket: await ordersPerCpuSecond(own.socket, { atOnce: underWay, seconds }, ownCpu, ownBody),
      }),
      async () => ({ bare: await bare(), guarded: await guarded() }),
    );
    bench.log(`orders per core second: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
    return orderFigures(ours, rival);
  } finally {
    for (const client of opened) client.close();
    for (const subject of shops) await subject.stop();
  }
}

function orderFigures(
  ours: readonly { http: number; socket: number }[],
  rival: readonly { bare: number; guarded: number }[],
): readonly Figure[] {
  const rows = [
    { via: 'http', kind: 'bare', rivalName: 'Express 5 + Prisma create per order (HTTP)' },
    { via: 'socket', kind: 'bare', rivalName: 'Express 5 + Prisma create per order (socket)' },
    { via: 'http', kind: 'guarded', rivalName: 'the same with a guarded decrement in its transaction (HTTP)' },
  ] as const;
  return rows.map(({ via, kind, rivalName }) =>
    compare({
      id: 'F19',
      measure: `orders acknowledged (committed) per second and core, ours over ${via === 'http' ? 'HTTP' : 'a socket'}`,
      rivalName,
      goal: 20,
      within: 'at least',
      n: underWay,
      ours: ours.map((one) => one[via]),
      rival: rival.map((one) => one[kind]),
    }),
  );
}

const rivalShop = 'f19-rival';

/** The rival's rows lie in a livestream in which nobody sells, so that our own checks do not take them for drift. */
async function prepareRival({ api, adminToken: token }: Product, skuIds: readonly string[]): Promise<void> {
  const text = { zh: '对照', en: 'Rival' };
  await api.need(routes.putWarehouse, { token, body: { warehouseId: rivalShop, name: text } });
  for (const skuId of skuIds) {
    const body = { onHand: 10_000_000, reason: 'units for a load test' };
    await api.need(routes.setWarehouseStock, { token, params: { warehouseId: rivalShop, skuId }, body });
  }
  await api.need(routes.createLivestream, { token, body: { livestreamId: rivalShop, title: text } });
}

/** The product's orders, alone and beside thousands of viewers: one server for all three. */
export const orders: Scenario = {
  ids: ['F8', 'F20', 'F19'],
  async run(bench) {
    const product = await startProduct();
    try {
      return [
        ...(wanted(bench, ['F8']) ? await purchaseBesideViewers(bench, product) : []),
        ...(wanted(bench, ['F20']) ? await orderToLastViewer(bench, product) : []),
        ...(wanted(bench, ['F19']) ? await orderThroughput(bench, product) : []),
      ];
    } finally {
      await product.stop();
    }
  },
};
