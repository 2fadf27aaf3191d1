import { percentilesOf } from '../lib/latency.ts';
import { delay } from '../lib/limiter.ts';
import { seededRandom } from '../lib/random.ts';
import { Viewer } from '../lib/viewer.ts';
import { findingsOf, latencyOf, type PlacedOrder, sellOverNodes } from './cluster-orders.ts';
import { type ClusterStage, startClusterStage } from './cluster-stage.ts';
import { absolute, type Bench, compare, type Scenario } from './figure.ts';
import type { Flood } from './flood.ts';

const p99 = (values: readonly number[]): number => percentilesOf(values).p99;

/** Some viewers that keep every row, for the audit: the thousands beside them are only counted. */
async function openWatchers(cluster: ClusterStage, nodes: readonly number[]): Promise<Viewer[]> {
  const { livestreamId } = cluster.stage;
  return Promise.all(
    nodes.map(async (node, index) => {
      const { server } = cluster.nodes[node] ?? {};
      if (server === undefined) throw new Error(`there is no node ${node}`);
      const token = await server.token({ role: 'viewer', livestreamId });
      const random = seededRandom(index);
      const common = { url: server.url, token, livestreamId, lane: 'viewers' as const, random, strict: true };
      return Viewer.watch({ ...common, now: () => performance.now() });
    }),
  );
}

/** The pages' client waits 0.5 to 1.5 s before it comes back. */
const backOffMs = [500, 1_500] as const;

type Kill = { readonly before: number; readonly after: number; readonly recoveredMs: number; readonly wrong: number };

async function killOneOfThree(bench: Bench): Promise<Kill> {
  const [viewers, rate, calmMs] = bench.quick ? [300, 100, 3_000] : [3_000, 500, 8_000];
  const cluster = await startClusterStage(3);
  const watchers: Viewer[] = [];
  try {
    await cluster.watch(0, viewers / 3);
    await cluster.watch(1, viewers / 3);
    const moving: readonly Flood[] = [await cluster.watch(2, viewers / 6), await cluster.watch(2, viewers / 6)];
    watchers.push(...(await openWatchers(cluster, [0, 0, 1, 1])));
    const selling = sellOverNodes(cluster, rate);
    // The first seconds compile.
    await delay(4_000);
    const calmAtMs = performance.now();
    await delay(calmMs);
    const killedAtMs = performance.now();
    const dying = cluster.nodes[2];
    const storms = moving.map((flood, index) => flood.ask('storm', cluster.nodes[index]?.port ?? 0, ...backOffMs));
    await dying?.server.kill();
    const recovered = await Promise.all(storms);
    await delay(Math.max(0, calmMs - (performance.now() - killedAtMs)));
    const orders = await selling.stop();
    for (const { failed, timedOut } of recovered) {
      if (failed > 0 || timedOut) throw new Error('not every moved viewer came back');
    }
    await dying?.server.restart();
    const findings = await findingsOf(cluster, orders, watchers);
    for (const finding of findings.slice(0, 10)) bench.log(`N1: ${finding}`);
    const others = orders.filter(({ node }) => node !== 2);
    const within = (from: number, to: number): number[] =>
      others.filter(({ dueAtMs }) => dueAtMs >= from && dueAtMs < to).map(latencyOf);
    const kill = {
      before: p99(within(calmAtMs, killedAtMs)),
      after: p99(within(killedAtMs, killedAtMs + calmMs)),
      recoveredMs: Math.max(...recovered.map(({ recoveryMs }) => recoveryMs.p95)),
      wrong: findings.length,
    };
    bench.log(`N1: ${JSON.stringify(kill)}, ${orders.length} orders`);
    return kill;
  } finally {
    for (const watcher of watchers) watcher.stop();
    await cluster.stop();
  }
}

/** Kill of one of three nodes: the others go on, its viewers come back, no order is lost or doubled. */
export const nodeKilled: Scenario = {
  ids: ['N1'],
  slowToStart: true,
  async run(bench) {
    const kills: Kill[] = [];
    for (let round = 0; round < bench.rounds; round += 1) kills.push(await killOneOfThree(bench));
    const n = bench.quick ? 300 : 3_000;
    const rate = bench.quick ? 100 : 500;
    return [
      compare({
        id: 'N1',
        measure: `${rate} orders/s, one of three nodes killed: orders to the other two, p99, ms`,
        rivalName: 'the same nodes before the kill',
        goal: 2,
        n,
        ours: kills.map(({ after }) => after),
        rival: kills.map(({ before }) => before),
      }),
      absolute({
        id: 'N1',
        measure:
          'its viewers current again at another node, back-off of 0.5 to 1.5 s included, p95, ms (ratio: absolute)',
        goal: 3_000,
        n: n / 3,
        ours: kills.map(({ recoveredMs }) => recoveredMs),
      }),
      absolute({
        id: 'N1',
        measure: 'orders lost or doubled, levels or counters that are wrong (ratio: absolute)',
        goal: 0,
        n,
        ours: kills.map(({ wrong }) => wrong),
      }),
    ];
  },
};

type Flush = { readonly sellingAgainMs: number; readonly wrong: number };

async function flushUnderLoad(bench: Bench): Promise<Flush> {
  const [viewers, rate] = bench.quick ? [300, 100] : [3_000, 500];
  const cluster = await startClusterStage(3);
  const watchers: Viewer[] = [];
  try {
    for (const node of [0, 1, 2]) await cluster.watch(node, viewers / 3);
    watchers.push(...(await openWatchers(cluster, [0, 0, 1, 1, 2, 2])));
    const selling = sellOverNodes(cluster, rate);
    await delay(5_000);
    await cluster.redis.flush();
    const flushedAtMs = performance.now();
    await delay(bench.quick ? 3_000 : 8_000);
    const orders = await selling.stop();
    const findings = await findingsOf(cluster, orders, watchers);
    for (const finding of findings.slice(0, 10)) bench.log(`N2: ${finding}`);
    const flush = { sellingAgainMs: p99(ordersSince(orders, flushedAtMs)), wrong: findings.length };
    bench.log(`N2: ${JSON.stringify(flush)}, ${orders.length} orders`);
    return flush;
  } finally {
    for (const watcher of watchers) watcher.stop();
    await cluster.stop();
  }
}

/** Buyers of the second after the flush: from the click to the acknowledged order, the rebuild included. */
const ordersSince = (orders: readonly PlacedOrder[], atMs: number): number[] =>
  orders.filter(({ dueAtMs }) => dueAtMs >= atMs && dueAtMs < atMs + 1_000).map(latencyOf);

/** FLUSHALL under load: selling again by itself, nobody oversold, every viewer correct. */
export const redisFlushed: Scenario = {
  ids: ['N2'],
  slowToStart: true,
  async run(bench) {
    const flushes: Flush[] = [];
    for (let round = 0; round < bench.rounds; round += 1) flushes.push(await flushUnderLoad(bench));
    const n = bench.quick ? 300 : 3_000;
    const rate = bench.quick ? 100 : 500;
    return [
      absolute({
        id: 'N2',
        measure: `FLUSHALL at ${rate} orders/s: orders of the second after it are acknowledged, p99, ms (ratio: absolute)`,
        goal: 5_000,
        n,
        ours: flushes.map(({ sellingAgainMs }) => sellingAgainMs),
      }),
      absolute({
        id: 'N2',
        measure: 'orders lost or doubled, levels or counters that are wrong (ratio: absolute)',
        goal: 0,
        n,
        ours: flushes.map(({ wrong }) => wrong),
      }),
    ];
  },
};

type Cost = { readonly perOrder: number; readonly perFrame: number };

/** The same load for each node: orders at a fixed rate, then changes for viewers. */
async function costOf(bench: Bench, nodes: number): Promise<Cost> {
  const [ratePerNode, viewersPerNode, durationMs] = bench.quick ? [100, 100, 2_000] : [300, 1_000, 8_000];
  const cluster = await startClusterStage(nodes);
  try {
    const warm = sellOverNodes(cluster, ratePerNode * nodes);
    await delay(bench.quick ? 1_000 : 4_000);
    await warm.stop();
    const perOrder = await cpuPer(cluster, async () => {
      const selling = sellOverNodes(cluster, ratePerNode * nodes);
      await delay(durationMs);
      return (await selling.stop()).length;
    });
    const floods: Flood[] = [];
    for (let node = 0; node < nodes; node += 1) floods.push(await cluster.watch(node, viewersPerNode));
    const watched = async (): Promise<number> => {
      for (const flood of floods) await flood.ask('reset');
      const selling = sellOverNodes(cluster, 30);
      await delay(durationMs);
      await selling.stop();
      const stats = await Promise.all(floods.map((flood) => flood.untilQuiet(300)));
      return stats.reduce((sum, { levels }) => sum + levels, 0);
    };
    await watched();
    const perFrame = await cpuPer(cluster, watched);
    bench.log(`N3: ${nodes} nodes, µs of CPU an order ${perOrder.toFixed(0)}, a frame ${perFrame.toFixed(1)}`);
    return { perOrder, perFrame };
  } finally {
    await cluster.stop();
  }
}

/** Microseconds of the nodes' CPU for each of what `work` has done. */
async function cpuPer(cluster: ClusterStage, work: () => Promise<number>): Promise<number> {
  const before = cluster.cpuSeconds();
  const done = await work();
  return ((cluster.cpuSeconds() - before) / done) * 1e6;
}

/** CPU for an order and for a frame must not grow with the number of nodes. */
export const costAsNodesGrow: Scenario = {
  ids: ['N3'],
  slowToStart: true,
  async run(bench) {
    const costs: Record<1 | 2 | 3, Cost[]> = { 1: [], 2: [], 3: [] };
    for (let round = 0; round < bench.rounds; round += 1) {
      for (const nodes of [1, 2, 3] as const) costs[nodes].push(await costOf(bench, nodes));
    }
    return ([2, 3] as const).flatMap((nodes) =>
      (['perOrder', 'perFrame'] as const).map((kind) =>
        compare({
          id: 'N3',
          measure: `CPU of ${nodes} nodes for ${kind === 'perOrder' ? 'an acknowledged order' : 'a delivered frame'}, µs`,
          rivalName: 'one node',
          goal: 1.15,
          n: nodes,
          ours: costs[nodes].map((cost) => cost[kind]),
          rival: costs[1].map((cost) => cost[kind]),
        }),
      ),
    );
  },
};
