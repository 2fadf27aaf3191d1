import { delay } from '../lib/limiter.ts';
import { type ClusterNode, type ClusterStage, startClusterStage } from './cluster-stage.ts';
import { absolute, type Scenario } from './figure.ts';

/** How the holder of the lease for alerts and curves goes, and how it comes back. */
const endings = {
  'kill -9': {
    go: ({ server }: ClusterNode) => server.kill(),
    comeBack: ({ server }: ClusterNode) => server.restart(),
  },
  SIGSTOP: {
    go: async ({ server }: ClusterNode) => server.pause(),
    comeBack: async ({ server }: ClusterNode) => server.resume(),
  },
  SIGTERM: {
    go: async ({ server }: ClusterNode) => server.signal('SIGTERM'),
    // It has its own time to leave: the next look of another node may come first.
    async comeBack({ server }: ClusterNode) {
      await server.stop();
      await server.restart();
    },
  },
} as const;

type Ending = keyof typeof endings;

async function holds({ server }: ClusterNode): Promise<boolean> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return /^stockcast_lease_held\{lease="desk"\} 1$/m.test(text);
}

/** The node among these that holds the lease; waits at most a minute for one. */
async function holderAmong(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  const endMs = performance.now() + 60_000;
  while (performance.now() < endMs) {
    const held = await Promise.all(nodes.map(holds));
    const holder = nodes.find((_, index) => held[index] === true);
    if (holder !== undefined) return holder;
    await delay(20);
  }
  throw new Error('no node holds the lease');
}

async function handOverMs({ nodes }: ClusterStage, ending: Ending): Promise<number> {
  const holder = await holderAmong(nodes);
  const others = nodes.filter((node) => node !== holder);
  const startedAtMs = performance.now();
  const gone = endings[ending].go(holder);
  try {
    await holderAmong(others);
    return performance.now() - startedAtMs;
  } finally {
    // Also when nobody took over: a process that is stopped hears no SIGTERM.
    await gone;
    await endings[ending].comeBack(holder);
  }
}

/** The work that one node does for all (alerts, curves) goes on at another one. */
export const handOver: Scenario = {
  ids: ['N4'],
  slowToStart: true,
  async run(bench) {
    const took: Record<Ending, number[]> = { 'kill -9': [], SIGSTOP: [], SIGTERM: [] };
    const cluster = await startClusterStage(3);
    try {
      for (let round = 0; round < bench.rounds; round += 1) {
        for (const ending of Object.keys(endings) as Ending[]) {
          took[ending].push(await handOverMs(cluster, ending));
          bench.log(`N4: ${ending}, ${took[ending].at(-1)?.toFixed(0)} ms`);
        }
      }
    } finally {
      await cluster.stop();
    }
    return (Object.keys(endings) as Ending[]).map((ending) =>
      absolute({
        id: 'N4',
        measure: `the node that raises alerts ends by ${ending}: until another does its work, ms (ratio: absolute)`,
        goal: 5_000,
        n: 3,
        ours: took[ending],
      }),
    );
  },
};
