import { parseArgs } from 'node:util';
import { runHistory } from './history.ts';
import { readable, shrink } from './shrink.ts';

/** `npm run simulate -- --histories N --seed S --minutes M`: histories from seed S on, until one breaks a rule. */
const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const firstSeed = Number(values.seed);
const minutes = values.minutes === undefined ? null : Number(values.minutes);
const histories = minutes === null ? Number(values.histories) : Number.POSITIVE_INFINITY;
if (![firstSeed, Number(values.histories), minutes ?? 1].every((value) => Number.isFinite(value) && value > 0)) {
  throw new Error('--histories, --seed and --minutes are numbers greater than 0');
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const beganAtMs = performance.now();
const tookMs = (): number => performance.now() - beganAtMs;
const faults: Record<string, number> = {};
let [ran, operations, happenings] = [0, 0, 0];
let failed: number | null = null;

const tellTotals = (): void => {
  const told = Object.entries(faults).map(([name, count]) => `${name} ${count}`);
  say(
    `${ran} histories, ${operations} operations, ${happenings} events in ${(tookMs() / 1_000).toFixed(1)} s: ` +
      `${Math.round((ran * 60_000) / tookMs())} histories a minute`,
  );
  say(`faults beside those of the links: ${told.sort().join(', ') || 'none'}`);
};

for (let seed = firstSeed; ran < histories && (minutes === null || tookMs() < minutes * 60_000); seed += 1) {
  const outcome = await runHistory(seed);
  ran += 1;
  operations += outcome.operations;
  happenings += outcome.happenings;
  for (const [name, count] of Object.entries(outcome.faults)) faults[name] = (faults[name] ?? 0) + count;
  if (outcome.violations.length > 0) {
    failed = seed;
    break;
  }
  if (ran % 5_000 === 0) tellTotals();
}
tellTotals();
if (failed !== null || values.trace) {
  const outcome = failed === null ? await runHistory(firstSeed, { tracing: true }) : await shrink(failed);
  say(`\n${readable(outcome)}\n`);
  say(
    failed === null
      ? `seed ${firstSeed}`
      : `seed ${failed} breaks a rule, shown with ${JSON.stringify('options' in outcome ? outcome.options : {})}:`,
  );
  for (const { rule, text } of outcome.violations) say(`  ${rule}: ${text}`);
}
if (failed !== null) process.exitCode = 1;
else say('0 violations');
