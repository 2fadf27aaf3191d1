import { percentilesOf } from '../lib/latency.ts';
import { delay } from '../lib/limiter.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { compare, type Scenario } from './figure.ts';
import { interleaved, rivals, type Side, warmUp, withPair } from './pair.ts';

/** Only the scarce item is ever sold out, so only its row can show this. */
const soldOutMark = ',0,3]';

/** The last unit goes; when has the last viewer been told? Counted from the moment at which the server was asked, not from its answer. */
async function soldOutOnce({ subject, flood }: Side): Promise<number> {
  await flood.ask('reset');
  const askedAtMs = monotonicMs();
  void subject.call('sellOut');
  const giveUpAtMs = askedAtMs + 60_000;
  for (;;) {
    await delay(25);
    const { of, markedAtMs } = await flood.ask('marks');
    if (markedAtMs.n >= of || monotonicMs() > giveUpAtMs) return markedAtMs.max - askedAtMs;
  }
}

/** Again and again while another item changes all the time; every time one until the last viewer. */
async function soldOutWhileHot(side: Side, durationMs: number): Promise<number[]> {
  const lastMs: number[] = [];
  const state = { driving: true };
  const driven = side.subject
    .call('drive', { ratePerSecond: 100, durationMs, items: 1 })
    .finally(() => (state.driving = false));
  await delay(200);
  while (state.driving) {
    lastMs.push(await soldOutOnce(side));
    await side.subject.call('restock');
    await delay(100 + 50 * (lastMs.length % 3));
  }
  await driven;
  await side.flood.untilQuiet(300);
  return lastMs;
}

export const soldOut: Scenario = {
  ids: ['F9'],
  async run(bench) {
    const n = bench.quick ? 500 : 4_000;
    const durationMs = bench.quick ? 2_000 : 3_000;
    return withPair(rivals.socketIo, { count: n, mark: soldOutMark }, async (own, other) => {
      await warmUp([own, other], 10);
      const { ours, rival } = await interleaved(
        bench,
        () => soldOutWhileHot(own, durationMs),
        () => soldOutWhileHot(other, durationMs),
      );
      bench.log(`sold out, ms until the last viewer: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
      return [
        compare({
          id: 'F9',
          measure: 'sold out until the last viewer has it, beside an item with 100 changes/s, p99, ms',
          rivalName: rivals.socketIo.name,
          goal: 0.25,
          n,
          ours: ours.map((lastMs) => percentilesOf(lastMs).p99),
          rival: rival.map((lastMs) => percentilesOf(lastMs).p99),
        }),
      ];
    });
  },
};
