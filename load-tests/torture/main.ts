import { setMaxListeners } from 'node:events';
import { runProgram } from '../lib/flags.ts';
import { findDefect } from './defects/defects.ts';
import { patchedCopy } from './defects/patched-copy.ts';
import { parseOptions, usage } from './options.ts';
import { countsText, sumOf, type TortureReport, torture } from './torture.ts';

/** `npm run torture -- --minutes 10 --seed 1`. */
async function program(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  const options = parseOptions(args, Date.now());
  const stopping = new AbortController();
  // Everybody who waits listens to it.
  setMaxListeners(0, stopping.signal);
  const stop = (): void => {
    console.log('stopping; everything that was started is ended first');
    stopping.abort();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const beganAtMs = performance.now();
  const tell = (text: string): void =>
    console.log(`${((performance.now() - beganAtMs) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
  tell(`seed ${options.seed}: ${options.nodes} nodes, ${options.buyers} buyers, ${options.minutes} minutes`);
  const copy = options.defect === null ? null : await patchedCopy(findDefect(options.defect).patches);
  let report: TortureReport;
  try {
    report = await torture(options, { root: copy?.root ?? null, stopping: stopping.signal, tell });
  } finally {
    await copy?.remove();
  }

  const injected = [...report.injected.values()].reduce((sum, count) => sum + count, 0);
  console.log(`\nseed ${report.seed}: ${report.rounds.length} rounds in ${Math.round(report.tookMs / 1_000)} s`);
  console.log(`faults: ${injected} of ${report.injected.size} kinds: ${countsText(report.injected)}`);
  console.log(`orders: ${countsText(sumOf(report.rounds.map(({ outcomes }) => outcomes)))}`);
  for (const { check, rule, text, evidence } of report.violations) {
    console.log(`\nVIOLATION of ${rule} (${check}): ${text}`);
    for (const line of evidence) console.log(`    ${line}`);
  }
  console.log(`\nviolations: ${report.violations.length}`);
  return report.violations.length === 0 ? 0 : 1;
}

await runProgram(program);
// Everything that was started has been stopped. Node 20 itself may spin for ever in its own clean-up after connections that were reset.
process.exit();
