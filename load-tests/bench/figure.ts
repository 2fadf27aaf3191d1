import { loadavg } from 'node:os';

/** One line of the result. `ratio` is ours / rival unless the goal is a count. */
export type Figure = {
  readonly id: string;
  /** What is compared, with its unit. */
  readonly measure: string;
  readonly ours: number;
  readonly rival: number;
  readonly rivalName: string;
  readonly ratio: number;
  readonly goal: number;
  /** Whether the ratio has to be at most or at least the goal. */
  readonly within: 'at most' | 'at least';
  /** Viewers, or what else the scenario is made of. */
  readonly n: number;
  readonly runs: number;
  readonly loadAverage: number;
  /** Said beside a figure that could not be measured, or that needs a word. */
  readonly note?: string;
};

export type Bench = {
  readonly quick: boolean;
  /** Interleaved rounds: ours, rival, ours, rival, … */
  readonly rounds: number;
  readonly only: ReadonlySet<string> | null;
  readonly log: (line: string) => void;
};

export type Scenario = {
  readonly ids: readonly string[];
  /** Starts many servers: a quick run leaves it out unless it is asked for by name. */
  readonly slowToStart?: true;
  run(bench: Bench): Promise<readonly Figure[]>;
};

/** Whether anybody asked for one of these figures. */
export const wanted = (bench: Bench, ids: readonly string[]): boolean =>
  bench.only === null || ids.some((id) => bench.only?.has(id));

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

type Compared = Omit<Figure, 'ratio' | 'within' | 'loadAverage' | 'ours' | 'rival' | 'runs'> & {
  readonly within?: Figure['within'];
  readonly ours: readonly number[];
  readonly rival: readonly number[];
};

/** Median of the rounds on both sides, and their ratio. */
export function compare({ within = 'at most', ours, rival, ...rest }: Compared): Figure {
  const [own, other] = [median(ours), median(rival)];
  return {
    ...rest,
    within,
    ours: own,
    rival: other,
    ratio: own / other,
    runs: Math.min(ours.length, rival.length),
    loadAverage: loadavg()[0] ?? 0,
  };
}

type Absolute = Omit<Compared, 'rival' | 'rivalName'>;

/** The median of the rounds itself is held against the goal. */
export function absolute({ within = 'at most', ours, ...rest }: Absolute): Figure {
  const own = median(ours);
  return {
    ...rest,
    within,
    ours: own,
    rival: Number.NaN,
    rivalName: '–',
    ratio: own,
    runs: ours.length,
    loadAverage: loadavg()[0] ?? 0,
  };
}

export const reached = ({ ratio, goal, within }: Figure): boolean =>
  Number.isFinite(ratio) && (within === 'at most' ? ratio <= goal : ratio >= goal);

const shown = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
};

const finite = (value: number): number | null => (Number.isFinite(value) ? Number(value.toPrecision(6)) : null);

/** The machine-readable form: exactly these fields, in this order. */
export function jsonLine({ id, ours, rival, rivalName, ratio, goal, n, runs }: Figure): string {
  return JSON.stringify({
    id,
    ours: finite(ours),
    rival: finite(rival),
    rivalName,
    ratio: finite(ratio),
    goal,
    n,
    runs,
  });
}

export const tableHead = [
  '| id | measure | ours | rival | rival | ratio | goal | | n | runs | load |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
].join('\n');

export function tableRow(figure: Figure): string {
  const { id, measure, ours, rival, rivalName, ratio, goal, within, n, runs, loadAverage, note } = figure;
  const sign = within === 'at most' ? '≤' : '≥';
  const mark = reached(figure) ? 'yes' : 'no';
  const name = note === undefined ? measure : `${measure} (${note})`;
  return `| ${id} | ${name} | ${shown(ours)} | ${shown(rival)} | ${rivalName} | ${shown(ratio)} | ${sign} ${goal} | ${mark} | ${n} | ${runs} | ${loadAverage.toFixed(1)} |`;
}
