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

/** The input within the shown time, with the ranges of both axes. */
export type ChartModel = {
  readonly curves: readonly ChartCurve[];
  readonly band: readonly BandPoint[];
  readonly markers: readonly CurveMarker[];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
};

const shortestSpanMs = 60_000;

/** What is to be drawn: curves held until now, and of every line one point beyond the shown time on each side. */
export function modelOf(input: ChartInput): ChartModel {
  const x = spanOf(input);
  const curves = input.curves.map((curve) => ({
    ...curve,
    points: within(heldUntil(curve.points, Math.min(input.nowMs, x[1])), x),
  }));
  const band = within(input.band, x);
  const sold = curves.flatMap(({ points }) => points.map(([, consumed]) => consumed));
  const expected = band.flatMap(([, , low, high]) => [low, high]);
  return { curves, band, markers: input.markers, x, y: heightOf([...sold, ...expected]) };
}

export const isEmpty = ({ curves, band }: Pick<ChartInput, 'curves' | 'band'>): boolean =>
  band.length === 0 && curves.every(({ points }) => points.length === 0);

/** The value that holds at a moment: of the last point before it. undefined: before the first. */
export function heldAt(points: readonly CurvePoint[], atMs: number): number | undefined {
  return points.findLast(([each]) => each <= atMs)?.[1];
}

/** Expected, lower and upper at a moment, between two points of the band. undefined outside of it. */
export function bandAt(band: readonly BandPoint[], atMs: number): readonly [number, number, number] | undefined {
  const after = band.findIndex(([each]) => each >= atMs);
  const [right, left] = [band[after], band[Math.max(0, after - 1)]];
  if (right === undefined || left === undefined || left[0] > atMs) return undefined;
  const share = right[0] === left[0] ? 1 : (atMs - left[0]) / (right[0] - left[0]);
  const between = (a: number, b: number): number => a + (b - a) * share;
  return [between(left[1], right[1]), between(left[2], right[2]), between(left[3], right[3])];
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

/** From zero, or from just below the lowest value where zero would flatten a long show's last minutes. */
function heightOf(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) return [0, 10];
  const floor = low > high * 0.6 ? low - (high - low) * 0.25 : 0;
  return [Math.max(0, Math.floor(floor)), Math.ceil(high + Math.max(1, (high - floor) * 0.12))];
}
