import type { CurvePoint } from '../../contract/pace.ts';

/** One point a step, newest last: enough for a line of 100 pixels. */
const stepsMax = 50;

/** Path of an SVG of `width` × `height`: consumption over the time of the points; empty while there are fewer than two. */
export function sparklinePath(points: readonly CurvePoint[], width: number, height: number): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return '';
  const [fromMs, toMs] = [first[0], last[0]];
  const low = Math.min(...points.map(([, consumed]) => consumed));
  const high = Math.max(...points.map(([, consumed]) => consumed));
  const [spanMs, span] = [Math.max(1, toMs - fromMs), Math.max(1, high - low)];
  const x = (atMs: number): string => (((atMs - fromMs) / spanMs) * width).toFixed(1);
  const y = (consumed: number): string => (height - 1 - ((consumed - low) / span) * (height - 2)).toFixed(1);
  return thin(points)
    .map(([atMs, consumed], index) => `${index === 0 ? 'M' : 'L'}${x(atMs)} ${y(consumed)}`)
    .join('');
}

/** The last point of each step of time. */
function thin(points: readonly CurvePoint[]): readonly CurvePoint[] {
  if (points.length <= stepsMax) return points;
  const every = (points.length - 1) / (stepsMax - 1);
  return Array.from({ length: stepsMax }, (_, step) => points[Math.round(step * every)]).filter(
    (point) => point !== undefined,
  );
}
