/** A point of a curve: when, and what is drawn; whatever follows comes along. */
type Point = readonly [number, number, ...number[]];

/**
 * At most `pointsMax` (≥ 2) of the points, in their order: the largest-triangle-three-buckets method (S. Steinarsson, Downsampling Time
 * Series for Visual Representation, 2013). The first and the last stay; of each bucket between them the one that spans the largest
 * triangle with the point kept before and the mean of the next bucket. Nothing is averaged: what is drawn was measured. O(points).
 */
export function downSample<P extends Point>(points: readonly P[], pointsMax: number): readonly P[] {
  const [first, last] = [points[0], points.at(-1)];
  if (points.length <= pointsMax || first === undefined || last === undefined) return points;
  if (pointsMax <= 2) return [first, last];
  const perBucket = (points.length - 2) / (pointsMax - 2);
  const startOf = (bucket: number) => 1 + Math.floor(bucket * perBucket);
  const kept: P[] = [first];
  let before = first;
  for (let bucket = 0; bucket < pointsMax - 2; bucket += 1) {
    const next = bucket === pointsMax - 3 ? [last] : points.slice(startOf(bucket + 1), startOf(bucket + 2));
    before = farthest(points.slice(startOf(bucket), startOf(bucket + 1)), before, meanOf(next)) ?? before;
    kept.push(before);
  }
  kept.push(last);
  return kept;
}

function farthest<P extends Point>(bucket: readonly P[], before: Point, after: Point): P | undefined {
  let best: P | undefined;
  let bestArea = -1;
  for (const point of bucket) {
    const area = Math.abs(
      (before[0] - after[0]) * (point[1] - before[1]) - (before[0] - point[0]) * (after[1] - before[1]),
    );
    if (area > bestArea) [best, bestArea] = [point, area];
  }
  return best;
}

function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return [(sum[0] ?? 0) / points.length, (sum[1] ?? 0) / points.length];
}
