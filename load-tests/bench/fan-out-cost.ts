import { type Bench, compare, type Figure, type Scenario } from './figure.ts';
import { agePercentiles, drive, interleaved, type Load, type Rival, rivals, warmUp, withPair } from './pair.ts';

const microsPerFrame = ({ cpu, frames }: Load): number => (cpu.total * 1e6) / frames;
const userShare = ({ cpu }: Load): number => cpu.user / (cpu.user + cpu.system);
/** The split is sampled by the kernel's tick, the sum is exact. */
const userMicrosPerFrame = (load: Load): number => microsPerFrame(load) * userShare(load);
const describe = (name: string, loads: readonly Load[]): string =>
  `${name}: ${loads.map((load) => `${microsPerFrame(load).toFixed(1)} µs/frame (user ${userMicrosPerFrame(load).toFixed(1)}), ${load.frames} frames, ${load.acks} acks`).join(' · ')}`;

/** Few changes, so that each is a frame of its own on both sides: what one delivered frame costs. */
async function frameCost(bench: Bench, rival: Rival) {
  const n = bench.quick ? 1_000 : 4_000;
  const request = { ratePerSecond: 5, durationMs: bench.quick ? 2_000 : 5_000, items: 1 };
  return withPair(rival, { count: n }, async (own, other) => {
    await warmUp([own, other], 10);
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
    const common = { rivalName: rivals.socketIo.name, n };
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
        ours: ours.map(microsPerFrame),
        rival: rival.map(microsPerFrame),
      }),
    ];
  },
};

/** One hot item at 250 changes a second. */
async function hotItem(bench: Bench, rival: Rival) {
  const n = bench.quick ? 400 : 4_000;
  const request = { ratePerSecond: 250, durationMs: bench.quick ? 1_000 : 1_500, items: 1 };
  return withPair(rival, { count: n, sampleEvery: 8 }, async (own, other) => {
    await warmUp([own, other], 20);
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

const microsPerChangeAndViewer =
  (n: number) =>
  ({ cpu, changes }: Load): number =>
    (cpu.total * 1e6) / (changes * n);

export const hotItemAgainstSocketIo: Scenario = {
  ids: ['F4', 'F6', 'F7'],
  async run(bench) {
    const { n, ours, rival } = await hotItem(bench, rivals.socketIo);
    const common = { rivalName: rivals.socketIo.name, n };
    const cost = microsPerChangeAndViewer(n);
    const age = (percentile: 'p50' | 'p99') =>
      compare({
        id: 'F6',
        measure: `age of the newest value when received, ${percentile}, ms`,
        goal: 1,
        ours: ours.map((load) => agePercentiles(load)[percentile]),
        rival: rival.map((load) => agePercentiles(load)[percentile]),
        ...common,
        rivalName: `${rivals.socketIo.name} (${percentile})`,
      });
    return [
      compare({
        id: 'F4',
        measure: 'CPU per change and viewer, 250 changes/s of one item, µs',
        goal: 0.12,
        ours: ours.map(cost),
        rival: rival.map(cost),
        ...common,
      }),
      age('p50'),
      age('p99'),
      compare({
        id: 'F7',
        measure: 'bytes received per change and viewer',
        goal: 0.1,
        ours: ours.map(({ bytes, changes }) => bytes / (changes * n)),
        rival: rival.map(({ bytes, changes }) => bytes / (changes * n)),
        ...common,
      }),
    ];
  },
};

export const hotItemAgainstUws: Scenario = {
  ids: ['F5'],
  async run(bench) {
    const { n, ours, rival } = await hotItem(bench, rivals.uws);
    const cost = microsPerChangeAndViewer(n);
    return [
      compare({
        id: 'F5',
        measure: 'CPU per change and viewer, 250 changes/s of one item, µs',
        rivalName: rivals.uws.name,
        goal: 0.22,
        n,
        ours: ours.map(cost),
        rival: rival.map(cost),
      }),
    ];
  },
};
