import { type Bench, compare, type Figure, median, type Scenario } from './figure.ts';
import { agePercentiles, drive, interleaved, type Load, type Rival, rivals, warmUp, withPair } from './pair.ts';

const microsPerFrame = ({ cpu, frames }: Load): number => (cpu.total * 1e6) / frames;
const userShare = ({ cpu }: Load): number => cpu.user / (cpu.user + cpu.system);
/** The split is sampled by the kernel's tick, the sum is exact. */
const userMicrosPerFrame = (load: Load): number => microsPerFrame(load) * userShare(load);
const describe = (name: string, loads: readonly Load[]): string =>
  `${name}: ${loads.map((load) => `${microsPerFrame(load).toFixed(1)} µs/frame (user ${userMicrosPerFrame(load).toFixed(1)}), ${load.frames} frames, ${load.acks} acks`).join(' · ')}`;

/**
 * Where the machine has other work, we fall behind and merge changes; then acknowledgements, timers and cold caches are spread over fewer
 * frames than the rival's, and the comparison is of something else.
 */
function mergedNote(n: number, loads: readonly Load[]): { note?: string } {
  const share = median(loads.map(({ frames, changes }) => frames / (changes * n)));
  if (share >= 0.95) return {};
  return { note: `not comparable: ours merged ${Math.round(100 * (1 - share))} % of the changes` };
}

/** Few changes, so that each is a frame of its own on both sides: what one delivered frame costs. */
async function frameCost(bench: Bench, rival: Rival) {
  const n = bench.quick ? 500 : 4_000;
  const request = { ratePerSecond: 5, durationMs: bench.quick ? 1_000 : 5_000, items: 1 };
  return withPair(rival, { count: n }, async (own, other) => {
    await warmUp(bench, [own, other], 10);
    const rounds = await interleaved(
      bench,
      () => drive(own, request),
      () => drive(other, request),
    );
    bench.log(describe('ours', rounds.ours));
    bench.log(describe(rival.name, rounds.rival));
    return { n, ...rounds };
  });
}

export const frameCostAgainstSocketIo: Scenario = {
  ids: ['F1', 'F2'],
  async run(bench): Promise<readonly Figure[]> {
    const { n, ours, rival } = await frameCost(bench, rivals.socketIo);
    const common = { rivalName: rivals.socketIo.name, n, ...mergedNote(n, ours) };
    return [
      compare({
        id: 'F1',
        measure: 'server CPU per delivered frame, µs',
        goal: 0.7,
        ours: ours.map(microsPerFrame),
        rival: rival.map(microsPerFrame),
        ...common,
      }),
      compare({
        id: 'F2',
        measure: 'user-space CPU per delivered frame, µs',
        goal: 0.3,
        ours: ours.map(userMicrosPerFrame),
        rival: rival.map(userMicrosPerFrame),
        ...common,
      }),
    ];
  },
};

export const frameCostAgainstUws: Scenario = {
  ids: ['F3'],
  async run(bench) {
    const { n, ours, rival } = await frameCost(bench, rivals.uws);
    return [
      compare({
        id: 'F3',
        measure: 'server CPU per delivered frame, µs',
        rivalName: rivals.uws.name,
        goal: 1.25,
        n,
        ...mergedNote(n, ours),
        ours: ours.map(microsPerFrame),
        rival: rival.map(microsPerFrame),
      }),
    ];
  },
};

/**
 * Crowds of two sizes: one that every server keeps up with, each change on its own; and the one of F1, which is too much for whoever
 * sends each change to everybody: those fall behind, and then write many late frames to a socket at once, which makes a frame cheap.
 */
const hotCrowds = [
  { n: 200, durationMs: 4_000 },
  { n: 4_000, durationMs: 1_500 },
] as const;

type HotRounds = { readonly n: number; readonly ours: readonly Load[]; readonly rival: readonly Load[] };

/** One hot item at 250 changes a second. */
async function hotItem(bench: Bench, rival: Rival): Promise<readonly HotRounds[]> {
  const measured: HotRounds[] = [];
  for (const { n, durationMs } of bench.quick ? hotCrowds.slice(0, 1) : hotCrowds) {
    const request = { ratePerSecond: 250, durationMs: bench.quick ? 1_000 : durationMs, items: 1 };
    const rounds = await withPair(rival, { count: n, sampleEvery: n / 100 }, async (own, other) => {
      // So many frames that the code is compiled, whatever the size of the crowd.
      await warmUp(bench, [own, other], Math.min(250, 80_000 / n));
      return interleaved(
        bench,
        () => drive(own, request),
        () => drive(other, request),
      );
    });
    bench.log(describe(`ours, ${n} viewers`, rounds.ours));
    bench.log(describe(rival.name, rounds.rival));
    measured.push({ n, ...rounds });
  }
  return measured;
}

function costFigure(id: string, rivalName: string, goal: number, { n, ours, rival }: HotRounds): Figure {
  const cost = ({ cpu, changes }: Load): number => (cpu.total * 1e6) / (changes * n);
  const measure = 'CPU per change and viewer, 250 changes/s of one item, µs';
  const note = `age p50 / p99 in ms: ours ${agesOf(ours)}, rival ${agesOf(rival)}`;
  return compare({ id, measure, rivalName, goal, n, ours: ours.map(cost), rival: rival.map(cost), note });
}

/** What the cost bought: a server that falls behind writes many late frames at once, which makes each of them cheap. */
function agesOf(loads: readonly Load[]): string {
  const of = (percentile: 'p50' | 'p99'): string =>
    median(loads.map((load) => agePercentiles(load)[percentile])).toFixed(0);
  return `${of('p50')} / ${of('p99')}`;
}

function ageFigure(percentile: 'p50' | 'p99', rivalName: string, { n, ours, rival }: HotRounds): Figure {
  const age = (load: Load): number => agePercentiles(load)[percentile];
  return compare({
    id: 'F6',
    measure: `age of the newest value when received, ${percentile}, ms`,
    rivalName: `${rivalName} (${percentile})`,
    goal: 1,
    n,
    ours: ours.map(age),
    rival: rival.map(age),
  });
}

function bytesFigure(rivalName: string, { n, ours, rival }: HotRounds): Figure {
  const bytesEach = ({ bytes, changes }: Load): number => bytes / (changes * n);
  const measure = 'bytes received per change and viewer';
  return compare({
    id: 'F7',
    measure,
    rivalName,
    goal: 0.1,
    n,
    ours: ours.map(bytesEach),
    rival: rival.map(bytesEach),
  });
}

export const hotItemAgainstSocketIo: Scenario = {
  ids: ['F4', 'F6', 'F7'],
  async run(bench) {
    const { name } = rivals.socketIo;
    const measured = await hotItem(bench, rivals.socketIo);
    return measured.flatMap((rounds) => [
      costFigure('F4', name, 0.12, rounds),
      ageFigure('p50', name, rounds),
      ageFigure('p99', name, rounds),
      bytesFigure(name, rounds),
    ]);
  },
};

export const hotItemAgainstUws: Scenario = {
  ids: ['F5'],
  async run(bench) {
    const measured = await hotItem(bench, rivals.uws);
    return measured.map((rounds) => costFigure('F5', rivals.uws.name, 0.22, rounds));
  },
};
