import { loadavg } from 'node:os';
import { percentilesOf } from '../lib/latency.ts';
import { delay, limiter } from '../lib/limiter.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { SubjectProcess } from './child-process.ts';
import { type Bench, compare, median, type Scenario } from './figure.ts';
import { NetworkViewer } from './network-viewer.ts';
import { interleaved, ours as ourNode, rivals } from './pair.ts';

async function openViewer(subject: SubjectProcess): Promise<NetworkViewer> {
  const [token = null] = await subject.call('tokens', 1);
  const { livestreamId } = subject.settings;
  const viewer = new NetworkViewer({ port: subject.port, livestreamId, token });
  await viewer.connect();
  return viewer;
}

type Stalled = { readonly frames: number; readonly currentMs: number };

/** Stands still for a while beside an item with 250 changes a second, then reads again, slowly. */
async function stallOnce(subject: SubjectProcess, stallMs: number): Promise<Stalled> {
  const viewer = await openViewer(subject);
  const driving = subject.call('drive', { ratePerSecond: 250, durationMs: stallMs + 1_000, items: 5 });
  await delay(500);
  viewer.pause();
  await delay(stallMs);
  const [wantedUpTo, framesBefore, resumedAtMs] = [await subject.call('position'), viewer.frames, monotonicMs()];
  const current = new Promise<number>((resolve) => {
    viewer.onFrame = (atMs) => {
      if (viewer.upTo >= wantedUpTo) resolve(atMs);
    };
  });
  viewer.resume();
  const currentAtMs = await Promise.race([current, delay(60_000).then(() => resumedAtMs + 60_000)]);
  const frames = viewer.frames - framesBefore;
  await driving;
  viewer.close();
  return { frames, currentMs: currentAtMs - resumedAtMs };
}

export const stalledClient: Scenario = {
  ids: ['F11'],
  async run(bench) {
    const stallMs = bench.quick ? 1_500 : 15_000;
    const [items, creditFrames] = [5, 32];
    return withSubjects(rivals.socketIo.file, async (own, other) => {
      const { ours, rival } = await interleaved(
        bench,
        () => stallOnce(own, stallMs),
        () => stallOnce(other, stallMs),
      );
      bench.log(`stalled: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
      const frames = median(ours.map((one) => one.frames));
      return [
        {
          id: 'F11',
          measure: `frames until the current value after ${stallMs / 1_000} s of standing still (ratio: ours, absolute)`,
          ours: frames,
          rival: median(rival.map((one) => one.frames)),
          rivalName: rivals.socketIo.name,
          ratio: frames,
          goal: items + creditFrames,
          within: 'at most',
          n: 1,
          runs: ours.length,
          loadAverage: loadavg()[0] ?? 0,
        },
        compare({
          id: 'F11',
          measure: 'time to the current value after that, reading 64 KiB/s, ms',
          rivalName: `${rivals.socketIo.name} (time)`,
          goal: 0.05,
          n: 1,
          ours: ours.map((one) => one.currentMs),
          rival: rival.map((one) => one.currentMs),
        }),
      ];
    });
  },
};

const jitterRate = 250;

type Jitter = { readonly trueShare: number; readonly convergenceMsP99: number };

/** Every viewer is away for `offMs` in each `everyMs`, at moments of its own, while the items change. */
async function jitter(subject: SubjectProcess, bench: Bench, viewerCount: number): Promise<Jitter> {
  const [offMs, everyMs] = bench.quick ? [500, 1_500] : [2_000, 15_000];
  const durationMs = 2 * everyMs;
  const atOnce = limiter(50);
  const viewers = await Promise.all(Array.from({ length: viewerCount }, () => atOnce(() => openViewer(subject))));
  const base = await subject.call('position');
  const startMs = monotonicMs();
  const driving = subject.call('drive', { ratePerSecond: jitterRate, durationMs, items: 5 });
  const convergedMs: number[] = [];
  const roam = async (viewer: NetworkViewer, index: number): Promise<void> => {
    await delay((index / viewerCount) * (everyMs - offMs));
    for (let round = 0; round < 2; round += 1) {
      viewer.disconnect();
      await delay(offMs);
      const backAtMs = monotonicMs();
      // What had been sold for certain when it came back, by the schedule, which began some ms after it was asked for.
      const soldBefore = Math.floor(((backAtMs - startMs - 10) * jitterRate) / 1_000);
      const wantedUpTo = base + Math.min(jitterRate * (durationMs / 1_000), soldBefore);
      const converged = new Promise<number>((resolve) => {
        viewer.onFrame = (atMs) => {
          if (viewer.upTo >= wantedUpTo) resolve(atMs);
        };
      });
      await viewer.connect();
      if (viewer.upTo >= wantedUpTo) viewer.onFrame(monotonicMs());
      convergedMs.push((await Promise.race([converged, delay(20_000).then(() => backAtMs + 20_000)])) - backAtMs);
      if (round === 0) await delay(everyMs - offMs - (monotonicMs() - backAtMs));
    }
  };
  await Promise.all(viewers.map(roam));
  await driving;
  await delay(bench.quick ? 1_000 : 3_000);
  const truth = await subject.call('position');
  const right = viewers.filter(({ upTo }) => upTo === truth).length;
  for (const viewer of viewers) viewer.close();
  await delay(500);
  return { trueShare: right / viewerCount, convergenceMsP99: percentilesOf(convergedMs).p99 };
}

export const jitteryNetwork: Scenario = {
  ids: ['F14'],
  async run(bench) {
    const n = bench.quick ? 30 : 100;
    return withSubjects('rivals/socket-io-recovery.ts', async (own, other) => {
      const { ours, rival } = await interleaved(
        bench,
        () => jitter(own, bench, n),
        () => jitter(other, bench, n),
      );
      bench.log(`jitter: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
      const rivalName = 'Socket.IO with connection state recovery';
      const share = Math.min(...ours.map(({ trueShare }) => trueShare));
      return [
        {
          id: 'F14',
          measure: 'share of viewers that end on the true value, worst round (ratio: ours, absolute)',
          ours: share,
          rival: Math.min(...rival.map(({ trueShare }) => trueShare)),
          rivalName,
          ratio: share,
          goal: 1,
          within: 'at least',
          n,
          runs: ours.length,
          loadAverage: loadavg()[0] ?? 0,
        },
        compare({
          id: 'F14',
          measure: 'back on a network of 64 KiB/s until the current value, 250 changes/s, p99, ms',
          rivalName: `${rivalName} (p99)`,
          goal: 0.25,
          n,
          ours: ours.map(({ convergenceMsP99 }) => convergenceMsP99),
          rival: rival.map(({ convergenceMsP99 }) => convergenceMsP99),
        }),
      ];
    });
  },
};

async function withSubjects<Result>(
  rivalFile: string,
  measure: (own: SubjectProcess, other: SubjectProcess) => Promise<Result>,
): Promise<Result> {
  const [own, other] = await SubjectProcess.startAll([ourNode.file], [rivalFile]);
  try {
    return await measure(own, other);
  } finally {
    await own.stop();
    await other.stop();
  }
}
