import { type HistoryOptions, type HistoryOutcome, runHistory } from './history.ts';

/**
 * The same seed with as few operations and faults as still break a rule: fewer of either leave the rest of the chance as it was up to
 * there. Returns the shortest failing history with its trace.
 */
export async function shrink(
  seed: number,
  options: HistoryOptions = {},
): Promise<HistoryOutcome & { readonly options: HistoryOptions }> {
  let best = { ...(await runHistory(seed, { ...options, tracing: true })), options };
  if (best.violations.length === 0) throw new Error(`seed ${seed} breaks nothing`);
  for (const faultsMax of [0, 1, 2, 3, 4, 5, 6]) {
    for (let operationsMax = 1; operationsMax <= best.operations; operationsMax += operationsMax < 12 ? 1 : 4) {
      const smaller = { ...options, operationsMax, faultsMax };
      const outcome = await runHistory(seed, { ...smaller, tracing: true });
      if (outcome.violations.length === 0 || outcome.trace.length >= best.trace.length) continue;
      best = { ...outcome, options: smaller };
    }
    // Fewer faults make a better story than fewer operations.
    if (best.options.faultsMax === faultsMax) break;
  }
  return best;
}

/** What a person reads: only what moves something. */
export function readable(outcome: HistoryOutcome): string {
  const dull =
    /(peek|active|info|revisions|recentResolutions .*|countRefundDue|expireDue \d+|overdue|prune|holds|read) = (\[\]|0|\d+|null|\[\{"livestreamId.*|\{.*)$/;
  return outcome.trace
    .filter((line) => !dull.test(line))
    .map((line) => (line.length > 240 ? `${line.slice(0, 240)}…` : line))
    .join('\n');
}
