import { loadavg } from 'node:os';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { startRedisServer } from '../../tests/services/redis-server.ts';
import { percentilesOf } from '../lib/latency.ts';
import { delay } from '../lib/limiter.ts';
import { RawSocket } from '../lib/raw-socket.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { SubjectProcess } from './child-process.ts';
import { compare, type Figure, type Scenario } from './figure.ts';
import { interleaved, ours as ourNode } from './pair.ts';

/** One client of one node: which level it shows last, and when it arrived. */
class Watcher {
  last = 0;
  atMs = 0;
  frames = 0;
  readonly #socket: RawSocket;
  #acknowledged = 0;
  #acknowledging: NodeJS.Timeout | undefined;

  private constructor(socket: RawSocket) {
    this.#socket = socket;
  }

  static async open(node: SubjectProcess, token: string | undefined): Promise<Watcher> {
    const socket = await RawSocket.connect({ url: `http://127.0.0.1:${node.port}`, token: token ?? '' });
    const watcher = new Watcher(socket);
    const { livestreamId } = node.settings;
    let frameNow = 0;
    socket.on('stock:levels', (payload) => {
      const { upTo, frame } = payload as { upTo: number; frame: number };
      watcher.atMs = monotonicMs();
      // A page shows what came last. Ours may order by version; here that would hide what is to be seen.
      watcher.last = upTo;
      watcher.frames += 1;
      if (token !== undefined && watcher.frames % 8 === 0) watcher.#acknowledge(livestreamId, frame);
      frameNow = frame;
    });
    if (token !== undefined) {
      // As the product's client: what is left of eight is acknowledged after a second. Who owes longer gets nothing more.
      watcher.#acknowledging = setInterval(() => watcher.#acknowledge(livestreamId, frameNow), 1_000);
      await socket.ask('livestream:join', { livestreamId, protocolVersion: PROTOCOL_VERSION, lane: 'viewers' });
    }
    return watcher;
  }

  close(): void {
    clearInterval(this.#acknowledging);
    this.#socket.close();
  }

  #acknowledge(livestreamId: string, frame: number): void {
    if (frame <= this.#acknowledged) return;
    this.#acknowledged = frame;
    this.#socket.emit('stock:ack', { livestreamId, frame });
  }
}

type Nodes = { readonly nodes: readonly SubjectProcess[]; readonly watchers: readonly Watcher[] };

async function withTwoNodes<Result>(
  redisUrl: string,
  { file, variant }: { file: string; variant: string },
  measure: (nodes: Nodes) => Promise<Result>,
): Promise<Result> {
  const start = [file, { redisUrl, variant, livestreamId: `pair${variant}`, items: 3 }] as const;
  const nodes = await SubjectProcess.startAll(start, start);
  const watchers: Watcher[] = [];
  try {
    for (const node of nodes) {
      const [token] = await node.call('tokens', 1);
      watchers.push(await Watcher.open(node, token));
    }
    await delay(300);
    return await measure({ nodes, watchers });
  } finally {
    for (const watcher of watchers) watcher.close();
    for (const node of nodes) await node.stop();
  }
}

/** Both nodes sell at the same moment; when nothing moves any more, do their clients show the same? */
async function disagreements({ nodes, watchers }: Nodes, rounds: number): Promise<number> {
  let count = 0;
  for (let round = 0; round < rounds; round += 1) {
    const before = watchers.map(({ frames }) => frames);
    await Promise.all(nodes.map((node) => node.call('burst', [0, 0, 0, 0])));
    await untilStill(watchers, before);
    if (watchers[0]?.last !== watchers[1]?.last) count += 1;
  }
  return count;
}

/** No frame for 40 ms, longer than any window of so small a room. */
async function untilStill(watchers: readonly Watcher[], before: readonly number[]): Promise<void> {
  const endMs = performance.now() + 2_000;
  let last: readonly number[] = before;
  while (performance.now() < endMs) {
    await delay(40);
    const frames = watchers.map((watcher) => watcher.frames);
    const moved = frames.every((count, index) => count > (before[index] ?? 0));
    if (moved && frames.every((count, index) => count === last[index])) return;
    last = frames;
  }
}

const variants = {
  ours: { file: ourNode.file, variant: 'ours' },
  adapter: { file: 'rivals/socket-io-redis.ts', variant: 'adapter' },
  sharded: { file: 'rivals/socket-io-redis.ts', variant: 'sharded' },
};

export const nodesAgree: Scenario = {
  ids: ['F10'],
  async run(bench): Promise<readonly Figure[]> {
    const rounds = bench.quick ? 20 : 500;
    const redis = await startRedisServer();
    try {
      const differ = (variant: { file: string; variant: string }) =>
        withTwoNodes(redis.url, variant, (nodes) => disagreements(nodes, rounds));
      const ours = await differ(variants.ours);
      const figure = async (rivalName: string, variant: { file: string; variant: string }): Promise<Figure> => ({
        id: 'F10',
        measure: `rounds of ${rounds} in which clients of two nodes end on different values (ratio: ours, absolute)`,
        ours,
        rival: await differ(variant),
        rivalName,
        ratio: ours,
        goal: 0,
        within: 'at most',
        n: rounds,
        runs: 1,
        loadAverage: loadavg()[0] ?? 0,
      });
      return [
        await figure('Socket.IO with redis-adapter', variants.adapter),
        await figure('Socket.IO with sharded redis-adapter', variants.sharded),
      ];
    } finally {
      await redis.stop();
    }
  },
};

/** Sold on one node → arrived at a client of the other, one at a time. */
async function crossingsMs({ nodes, watchers }: Nodes, samples: number): Promise<number[]> {
  const [seller] = nodes;
  const watcher = watchers[1];
  if (seller === undefined || watcher === undefined) throw new Error('two nodes are needed');
  const crossed: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const before = watcher.frames;
    const soldAtMs = await seller.call('takeAt', 0);
    for (let tries = 0; watcher.frames === before && tries < 200; tries += 1) await delay(5);
    if (watcher.frames > before) crossed.push(watcher.atMs - soldAtMs);
    // Longer than a window: each change is the first after quiet.
    await delay(35 + (sample % 7));
  }
  if (crossed.length < samples * 0.9) throw new Error(`${crossed.length} of ${samples} changes reached the other node`);
  return crossed;
}

export const acrossNodes: Scenario = {
  ids: ['F18'],
  async run(bench) {
    const samples = bench.quick ? 20 : 300;
    const redis = await startRedisServer();
    try {
      return await withTwoNodes(redis.url, variants.ours, (own) =>
        withTwoNodes(redis.url, variants.adapter, async (other) => {
          await crossingsMs(own, 20);
          await crossingsMs(other, 20);
          const { ours, rival } = await interleaved(
            bench,
            async () => percentilesOf(await crossingsMs(own, samples)),
            async () => percentilesOf(await crossingsMs(other, samples)),
          );
          bench.log(`across nodes: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
          return [
            compare({
              id: 'F18',
              measure: 'reserve on one node → frame at a client of the other, p99, ms',
              rivalName: 'Socket.IO with redis-adapter',
              goal: 0.7,
              n: samples,
              ours: ours.map(({ p99 }) => p99),
              rival: rival.map(({ p99 }) => p99),
            }),
          ];
        }),
      );
    } finally {
      await redis.stop();
    }
  },
};
