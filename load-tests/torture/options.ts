import { readFlags } from '../lib/flags.ts';
import { type FaultKind, faultKinds } from './nemesis/schedule.ts';

export type Options = {
  readonly minutes: number;
  readonly seed: number;
  readonly nodes: number;
  readonly buyers: number;
  readonly roundSeconds: number;
  readonly faultsPerRound: number;
  readonly kinds: readonly FaultKind[];
  /** Name of a defect that is planted into a copy of the project; null: the product as it is. */
  readonly defect: string | null;
};

export const usage = `npm run torture -- [--minutes 10] [--seed 1] [--only redis_flush,node_kill] [--defect name]

Sells on a cluster of real nodes, PostgreSQL and Redis while a nemesis breaks them, and judges what clients were told.

--minutes         how long rounds are begun; default 1
--seed            the plan of faults and the clients' choices; default: by the clock, and printed
--nodes           nodes of the cluster; default 3
--buyers          people who order all the time; default 16
--round           seconds of selling before everything has to come to rest; default 25
--faults          faults in a round; default 9
--only            kinds of faults, by comma: ${faultKinds.join(', ')}
--defect          plants a defect into a copy of the project; --defect list names them

Exit code 1: something happened that must never happen. A seed repeats plan and choices, not the timing of a real machine.`;

export function parseOptions(args: readonly string[], nowMs: number): Options {
  const flags = readFlags(args, { text: ['minutes', 'seed', 'nodes', 'buyers', 'round', 'faults', 'only', 'defect'] });
  const kinds = flags.list('only', faultKinds.join(',')).map((name) => {
    const kind = faultKinds.find((one) => one === name);
    if (kind === undefined) throw new Error(`--only: there is no fault ${name}; there are ${faultKinds.join(', ')}`);
    return kind;
  });
  const minutes = Number(flags.text('minutes', '1'));
  if (!(minutes > 0 && minutes <= 1_440)) throw new Error('--minutes must be a number above 0, at most 1440');
  return {
    minutes,
    seed: flags.whole('seed', nowMs % 1_000_000, { min: 0, max: 4_294_967_295 }),
    nodes: flags.whole('nodes', 3, { min: 1, max: 9 }),
    buyers: flags.whole('buyers', 16, { min: 1, max: 500 }),
    roundSeconds: flags.whole('round', 25, { min: 2, max: 3_600 }),
    faultsPerRound: flags.whole('faults', 9, { min: 0, max: 1_000 }),
    kinds,
    defect: flags.text('defect', '') || null,
  };
}
