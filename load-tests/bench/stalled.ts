import { existsSync, readFileSync } from 'node:fs';
import { delay } from '../lib/limiter.ts';
import type { DriveRequest } from '../subjects/subject.ts';
import { compare, type Scenario } from './figure.ts';
import { agePercentiles, drive, interleaved, rivals, type Side, warmUp, withOurs, withPair } from './pair.ts';

/** Whoever owes an acknowledgement for so long is over the credit. */
const creditMs = 2_500;

export const fastBesideStalled: Scenario = {
  ids: ['F13'],
  async run(bench) {
    const n = bench.quick ? 300 : 3_000;
    const stalled = n / 3;
    const request = { ratePerSecond: 100, durationMs: bench.quick ? 1_000 : 4_000, items: 5 };
    return withOurs({ count: n, sampleEvery: 5 }, async (own) => {
      await warmUp(bench, [own], 20);
      const everybody = () => drive(own, request);
      const withoutAThird = async () => {
        await own.flood.ask('stall', n - stalled, stalled);
        // Until they are over their credit they are served like everybody.
        await own.subject.call('drive', { ...request, durationMs: creditMs });
        const load = await drive(own, request);
        await own.flood.ask('unstall', n - stalled, stalled);
        await own.flood.untilQuiet(300);
        return load;
      };
      const rounds = await interleaved(bench, withoutAThird, everybody);
      return [
        compare({
          id: 'F13',
          measure: 'age at clients that keep up, a third of all stalled, p99, ms',
          rivalName: 'ourselves, none stalled',
          goal: 1.2,
          n,
          ours: rounds.ours.map((load) => agePercentiles(load).p99),
          rival: rounds.rival.map((load) => agePercentiles(load).p99),
        }),
      ];
    });
  },
};

/** What the kernel holds for connections of a server that their other ends have not taken: as much the server's memory as its heap. */
function sendQueueBytes(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync).flatMap((file) => {
    return readFileSync(file, 'utf8').split('\n').slice(1);
  });
  // Columns: number, local address, remote address, state, tx_queue:rx_queue, …
  const own = rows.map((row) => row.trim().split(/\s+/)).filter(([, address]) => address?.endsWith(local));
  return own.reduce((sum, [, , , , queues]) => sum + Number.parseInt(queues?.split(':')[0] ?? '0', 16), 0);
}

/** Memory that stays taken while some viewers stand still, above what the same changes take when all of them read. */
async function growthMiB({ subject, flood }: Side, request: DriveRequest, stalled: number): Promise<number> {
  const bytes = async (): Promise<number> => {
    const { heapUsed, external } = await subject.call('memory');
    return heapUsed + external + sendQueueBytes(subject.port);
  };
  const grown = async (): Promise<number> => {
    const before = await bytes();
    await subject.call('drive', request);
    await flood.untilQuiet(300);
    return (await bytes()) - before;
  };
  const usual = await grown();
  await flood.ask('stall', 0, stalled);
  const withStalled = await grown();
  await flood.ask('unstall', 0, stalled);
  await flood.untilQuiet(500);
  await delay(200);
  return Math.max(0, withStalled - usual) / 1_048_576;
}

export const memoryBesideStalled: Scenario = {
  ids: ['F12'],
  async run(bench) {
    const n = bench.quick ? 100 : 500;
    const stalled = 20;
    const request = bench.quick
      ? { ratePerSecond: 800, durationMs: 1_000, items: 1 }
      : { ratePerSecond: 100, durationMs: 15_000, items: 1 };
    // A phone's buffers are small: what it does not take reaches the server sooner.
    return withPair(rivals.socketIo, { count: n, rcvbuf: 16_384 }, async (own, other) => {
      await warmUp(bench, [own, other], 20);
      const { ours, rival } = await interleaved(
        bench,
        () => growthMiB(own, request, stalled),
        () => growthMiB(other, request, stalled),
      );
      bench.log(`growth in MiB: ours ${ours.join(', ')}; rival ${rival.join(', ')}`);
      return [
        compare({
          id: 'F12',
          measure: `growth of the server's memory (heap and send queues) with ${stalled} stalled viewers, ${request.durationMs / 1_000} s of ${request.ratePerSecond} changes/s, MiB`,
          rivalName: rivals.socketIo.name,
          goal: 0.12,
          n,
          ours,
          rival,
        }),
      ];
    });
  },
};
