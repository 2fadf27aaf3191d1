import { seededRandom } from '../lib/random.ts';
import type { Violation } from './check/violation.ts';
import { type FaultKind, planFaults } from './nemesis/schedule.ts';
import type { Options } from './options.ts';
import { startRig } from './rig/rig.ts';
import { type RoundReport, runRound } from './round.ts';

export type TortureReport = {
  readonly seed: number;
  readonly rounds: readonly RoundReport[];
  readonly violations: readonly Violation[];
  readonly injected: ReadonlyMap<string, number>;
  /** From the first round's beginning to the first violation; null: none. */
  readonly foundAfterMs: number | null;
  readonly tookMs: number;
};

/** Rounds until the time is over, a violation was found, or the signal says stop. Everything that was started is stopped. */
export async function torture(
  options: Options,
  io: { root: string | null; stopping: AbortSignal; tell: (text: string) => void },
): Promise<TortureReport> {
  const { seed, nodes, roundSeconds } = options;
  const random = seededRandom(seed);
  const rig = await startRig({ nodes, root: io.root });
  const kinds = options.kinds.filter((kind) => kind !== 'postgres_disk_full' || rig.disk !== null);
  if (kinds.length < options.kinds.length) io.tell('no disk can be mounted here: it is never full');
  const beganAtMs = performance.now();
  const rounds: RoundReport[] = [];
  const pack: FaultKind[] = [];
  try {
    while (!io.stopping.aborted && performance.now() - beganAtMs < options.minutes * 60_000) {
      const plan = planFaults({
        random,
        roundMs: roundSeconds * 1_000,
        count: options.faultsPerRound,
        nodes,
        kinds,
        pack,
      });
      const name = `t${seed}-r${rounds.length + 1}`;
      io.tell(`round ${rounds.length + 1}`);
      const round = await runRound({
        rig,
        name,
        seed: Math.floor(random() * 2 ** 32),
        plan,
        roundMs: roundSeconds * 1_000,
        buyers: options.buyers,
        stopping: io.stopping,
        tell: io.tell,
      });
      rounds.push(round);
      io.tell(roundText(round));
      if (round.violations.length > 0) break;
    }
  } finally {
    await rig.stop();
  }
  const violations = rounds.flatMap((round) => round.violations);
  const tookMs = performance.now() - beganAtMs;
  return {
    seed,
    rounds,
    violations,
    injected: sumOf(rounds.map(({ injected }) => injected)),
    foundAfterMs: violations.length > 0 ? tookMs : null,
    tookMs,
  };
}

export const countsText = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

function roundText({ orders, outcomes, restMs, violations, expiryLagsMs, probes, skipped }: RoundReport): string {
  const lags = [...expiryLagsMs].sort((a, b) => a - b);
  const middle = lags[Math.floor(lags.length / 2)];
  return [
    `${orders} orders (${countsText(outcomes)}), ${probes} probes, at rest after ${(restMs / 1_000).toFixed(1)} s`,
    middle === undefined
      ? ''
      : `, expiry heard of after ${middle} ms (median of ${lags.length}), ${lags.at(-1)} ms at most`,
    skipped === 0 ? '' : `, ${skipped} faults left out`,
    violations.length === 0 ? '' : `, ${violations.length} VIOLATIONS`,
  ].join('');
}

export function sumOf(counts: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const one of counts) for (const [name, count] of one) sum.set(name, (sum.get(name) ?? 0) + count);
  return sum;
}
