import type { BandPoint, CurveMarker, CurvePoint } from '../../../contract/pace.ts';

export type ChartCurve = {
  readonly skuId: string;
  readonly label: string;
  /** `[atMs, consumed, available]`, ascending by time. */
  readonly points: readonly CurvePoint[];
};

/** Everything that one drawing shows. */
export type ChartInput = {
  /** The first one is the main one: thicker, with its newest value marked. */
  readonly curves: readonly ChartCurve[];
  /** Expected consumption of the main curve; empty where none is known. */
  readonly band: readonly BandPoint[];
  readonly markers: readonly CurveMarker[];
  /** The last known values hold until now: the server sends no points while nothing is sold. */
  readonly nowMs: number;
  /** Shown time; a side that is null follows the data (and, on the right, the present moment). */
  readonly fromMs: number | null;
  readonly toMs: number | null;
};

type Column = (number | null | undefined)[];
/** As uPlot wants it: times, expected, upper, lower, then one column per curve. */
export type ChartColumns = {
  readonly columns: [number[], ...Column[]];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
};

const shortestSpanMs = 60_000;

/** Lines curves and band up on one axis of times, within the shown time and one point beyond it on each side. */
export function columnsOf(input: ChartInput): ChartColumns {
  const x = spanOf(input);
  const curves = input.curves.map(({ points }) => within(heldUntil(points, Math.min(input.nowMs, x[1])), x));
  const band = within(input.band, x);
  const times = [...new Set([...curves.flat(), ...band].map(([atMs]) => atMs))].sort((a, b) => a - b);
  const columns: [number[], ...Column[]] = [
    times,
    columnAt(times, band, 1),
    columnAt(times, band, 3),
    columnAt(times, band, 2),
    ...curves.map((points) => columnAt(times, points, 1)),
  ];
  return { columns, x, y: heightOf(columns.slice(1).flat()) };
}

function spanOf({ curves, band, nowMs, fromMs, toMs }: ChartInput): [number, number] {
  const firsts = [...curves.map(({ points }) => points[0]?.[0]), band[0]?.[0]].filter((at) => at !== undefined);
  const from = fromMs ?? (firsts.length === 0 ? nowMs - shortestSpanMs : Math.min(...firsts));
  const to = Math.max(toMs ?? nowMs, from + 1);
  // A show that has just begun is drawn on a minute's width, not stretched over the whole of it.
  return to - from < shortestSpanMs && fromMs === null ? [from, from + shortestSpanMs] : [from, to];
}

function heldUntil(points: readonly CurvePoint[], nowMs: number): readonly CurvePoint[] {
  const last = points.at(-1);
  return last === undefined || last[0] >= nowMs ? points : [...points, [nowMs, last[1], last[2]]];
}

/** The points inside, and the neighbour on each side, so that lines run out of the picture instead of ending in it. */
function within<Point extends readonly [number, ...number[]]>(
  points: readonly Point[],
  [from, to]: readonly [number, number],
): readonly Point[] {
  const first = points.findIndex(([atMs]) => atMs >= from);
  if (first === -1) return points.slice(-1);
  const after = points.findIndex(([atMs]) => atMs > to);
  return points.slice(Math.max(0, first - 1), after === -1 ? undefined : after + 1);
}

/** `undefined` where this line has no point of its own: no gap. Of several points at one moment the last counts. */
function columnAt(times: readonly number[], points: readonly (readonly number[])[], at: number): Column {
  const values = new Map(points.map((point) => [point[0], point[at]]));
  return times.map((time) => values.get(time));
}

/** From zero, or from just below the lowest value where zero would flatten a long show's last minutes. */
function heightOf(values: Column): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) return [0, 10];
  const floor = low > high * 0.6 ? low - (high - low) * 0.25 : 0;
  return [Math.max(0, Math.floor(floor)), Math.ceil(high + Math.max(1, (high - floor) * 0.12))];
}
