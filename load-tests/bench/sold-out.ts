import { percentilesOf } from '../lib/latency.ts';
import { delay } from '../lib/limiter.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { compare, type Scenario } from './figure.ts';
import { interleaved, rivals, type Side, warmUp, withPair } from './pair.ts';

/** Only the scarce item is ever sold out or down to one unit, so only its row can show this. */
const marks = { sellOut: ',0,3]', restock: ',1,2]' } as const;

/** When has the last viewer been told? Counted from the moment at which the server was asked, not from its answer. */
async function untilTheLast({ subject, flood }: Side, what: keyof typeof marks): Promise<number> {
  await flood.ask('mark', marks[what]);
  const askedAtMs = monotonicMs();
  const asked = subject.call(what);
  for (;;) {
    await delay(25);
    const { of, markedAtMs } = await flood.ask('marks');
    if (markedAtMs.n >= of) {
      await asked;
      return markedAtMs.max - askedAtMs;
    }
    if (monotonicMs() > askedAtMs + 120_000) throw new Error(`${subject.name}: ${markedAtMs.n} of ${of} viewers heard`);
  }
}

/** Again and again while another item changes all the time; every time one until the last viewer. */
async function soldOutWhileHot(side: Side, durationMs: number): Promise<number[]> {
  const lastMs: number[] = [];
  const state = { driving: true };
  const driven = side.subject
    .call('drive', { ratePerSecond: 60, durationMs, items: 1 })
    .finally(() => (state.driving = false));
  await delay(200);
  while (state.driving) {
    lastMs.push(await untilTheLast(side, 'sellOut'));
    // Everybody has to have seen it come back, else the next time would be no news.
    await untilTheLast(side, 'restock');
    await delay(100 + 50 * (lastMs.length % 3));
  }
  await driven;
  await side.flood.untilQuiet(300);
  return lastMs;
}

export const soldOut: Scenario = {
  ids: ['F9'],
  async run(bench) {
    const n = bench.quick ? 300 : 4_000;
    const durationMs = bench.quick ? 1_000 : 3_000;
    return withPair(rivals.socketIo, { count: n }, async (own, other) => {
      await warmUp(bench, [own, other], 10);
      const { ours, rival } = await interleaved(
        bench,
        () => soldOutWhileHot(own, durationMs),
        () => soldOutWhileHot(other, durationMs),
      );
      bench.log(`sold out, ms until the last viewer: ours ${JSON.stringify(ours)}, rival ${JSON.stringify(rival)}`);
      return [
        compare({
          id: 'F9',
          measure: 'sold out until the last viewer has it, beside an item with 60 changes/s, p99, ms',
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
