import { loadavg } from 'node:os';
import { startRedisServer } from '../../tests/services/redis-server.ts';
import { SubjectProcess } from './child-process.ts';
import { compare, median, type Scenario } from './figure.ts';
import { type FloodOptions, openViewers } from './flood.ts';
import { interleaved, ours as ourNode, rivals, type Side, withPair } from './pair.ts';

/** A fresh server each time: memory that was given back once would flatter the second crowd. */
async function bytesPerConnection(file: string, speaks: FloodOptions['speaks'], n: number): Promise<number> {
  const subject = await SubjectProcess.start(file);
  try {
    // The first connections make what all of them share.
    const first = await openViewers(subject, { count: 50, speaks });
    const before = await subject.call('memory');
    const flood = await openViewers(subject, { count: n, speaks });
    const after = await subject.call('memory');
    await flood.close();
    await first.close();
    return (after.rss - before.rss) / n;
  } finally {
    await subject.stop();
  }
}

const inKib = (bytes: readonly number[]): number[] => bytes.map((one) => one / 1_024);

export const memoryPerConnection: Scenario = {
  ids: ['F16'],
  async run(bench) {
    const n = bench.quick ? 500 : 4_000;
    const { ours, rival } = await interleaved(
      bench,
      () => bytesPerConnection(ourNode.file, ourNode.speaks, n),
      () => bytesPerConnection(rivals.socketIo.file, rivals.socketIo.speaks, n),
    );
    return [
      compare({
        id: 'F16',
        measure: 'resident memory per connection, KiB',
        rivalName: 'Socket.IO, plain',
        goal: 0.8,
        n,
        ours: inKib(ours),
        rival: inKib(rival),
      }),
    ];
  },
};

type Storm = { readonly reads: number; readonly p95: number };

/** Every viewer loses its connection and comes back at once. */
async function storm({ subject, flood }: Side): Promise<Storm> {
  await subject.call('drive', { ratePerSecond: 20, durationMs: 500, items: 5 });
  await flood.untilQuiet(300);
  const before = await subject.call('counters');
  const { recoveryMs, failed, timedOut } = await flood.ask('storm');
  const after = await subject.call('counters');
  if (failed > 0 || timedOut) throw new Error(`only ${recoveryMs.n} of ${flood.count} viewers came back`);
  return { reads: (after['gateReads'] ?? 0) - (before['gateReads'] ?? 0), p95: recoveryMs.p95 };
}

export const reconnectStorm: Scenario = {
  ids: ['F15'],
  async run(bench) {
    const n = bench.quick ? 300 : 5_000;
    const redis = await startRedisServer();
    try {
      const settings = { redisUrl: redis.url };
      return await withPair(rivals.snapshots, { count: n, settings }, async (own, other) => {
        // The first storm compiles what the others use.
        await storm(own);
        await storm(other);
        const { ours, rival } = await interleaved(
          bench,
          () => storm(own),
          () => storm(other),
        );
        bench.log(`storms: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
        const rivalName = rivals.snapshots.name;
        const reads = median(ours.map((one) => one.reads));
        return [
          {
            id: 'F15',
            measure: 'gate readings for a room and node when all reconnect at once (ratio: ours, absolute)',
            rivalName,
            goal: 1,
            within: 'at most',
            n,
            runs: ours.length,
            ours: reads,
            rival: median(rival.map((one) => one.reads)),
            ratio: reads,
            loadAverage: loadavg()[0] ?? 0,
          },
          compare({
            id: 'F15',
            measure: 'reconnect storm: connection lost until the snapshot is there, p95, ms',
            rivalName: `${rivalName} (p95)`,
            goal: 0.5,
            n,
            ours: ours.map(({ p95 }) => p95),
            rival: rival.map(({ p95 }) => p95),
          }),
        ];
      });
    } finally {
      await redis.stop();
    }
  },
};
