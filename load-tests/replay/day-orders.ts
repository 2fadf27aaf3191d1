import { type OrderLine, type Problem, readOrderFile, UnusableFile } from './order-file.ts';

/** What was read of a file: the lines of the chosen days, and what was left out. */
export type DayOrders = {
  readonly days: readonly string[];
  /** In the file's order. */
  readonly lines: readonly OrderLine[];
  readonly linesRead: number;
  readonly problemCount: number;
  /** The first ones, for the report. */
  readonly problems: readonly Problem[];
};

const problemsShown = 10;

/**
 * Reads the lines of these days; without days, those of the busiest day of the file. Keeps only them in memory.
 * Throws `UnusableFile` also when the file has nothing on a chosen day, and says which days it has.
 */
export async function readDays(path: string, days: readonly string[]): Promise<DayOrders> {
  const chosen = days.length > 0 ? days : [await busiestDay(path)];
  const wanted = new Set(chosen);
  const seen = new Set<string>();
  const lines: OrderLine[] = [];
  const problems: Problem[] = [];
  let [linesRead, problemCount] = [0, 0];
  for await (const parsed of readOrderFile(path)) {
    linesRead += 1;
    if (parsed.kind === 'problem') {
      problemCount += 1;
      if (problems.length < problemsShown) problems.push(parsed.problem);
    } else {
      seen.add(parsed.line.day);
      if (wanted.has(parsed.line.day)) lines.push(parsed.line);
    }
  }
  for (const day of chosen) {
    if (!seen.has(day)) throw new UnusableFile(`${path} has no orders on ${day}; it has ${daysText(seen)}`);
  }
  return { days: chosen, lines, linesRead, problemCount, problems };
}

/** The day with the most lines; of equals the earliest. */
export async function busiestDay(path: string): Promise<string> {
  const counts = new Map<string, number>();
  for await (const parsed of readOrderFile(path)) {
    if (parsed.kind === 'line') counts.set(parsed.line.day, (counts.get(parsed.line.day) ?? 0) + 1);
  }
  const [busiest] = [...counts].sort(([dayA, a], [dayB, b]) => b - a || dayA.localeCompare(dayB));
  if (busiest === undefined) throw new UnusableFile(`${path} has a header but no usable line`);
  return busiest[0];
}

function daysText(days: ReadonlySet<string>): string {
  const sorted = [...days].sort();
  if (sorted.length <= 10) return sorted.join(', ');
  return `${sorted.length} days from ${sorted[0]} to ${sorted.at(-1)}`;
}
