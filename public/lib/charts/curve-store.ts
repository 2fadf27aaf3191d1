import type { BandPoint, CurveMarker, CurvePoint, CurvePoints, ItemCurve } from '../../../contract/pace.ts';

/** Points kept per item; above it the older half is thinned out. */
const pointsMax = 1_200;
const markersMax = 200;

export type StoredCurve = {
  readonly points: readonly CurvePoint[];
  readonly band: readonly BandPoint[];
  readonly markers: readonly CurveMarker[];
};
const nothing: StoredCurve = { points: [], band: [], markers: [] };

/** Curves of one livestream: a reading over HTTP, then what the socket brings; both may come twice and in any order. */
export class CurveStore {
  readonly #curves = new Map<string, { points: CurvePoint[]; band: readonly BandPoint[] }>();
  #markers: CurveMarker[] = [];
  #revision = 0;

  /** Changes with everything that is put in: who draws can tell whether there is anything new. */
  get revision(): number {
    return this.#revision;
  }

  /** A complete reading: its points join those that the socket brought meanwhile. */
  load(curves: readonly ItemCurve[]): void {
    for (const { skuId, points, band, markers } of curves) {
      const known = this.#curves.get(skuId)?.points ?? [];
      this.#curves.set(skuId, { points: thinned(merged(points, known)), band });
      for (const marker of markers) this.#addMarker(marker);
    }
    this.#revision += 1;
  }

  append({ items }: Pick<CurvePoints, 'items'>): void {
    for (const { skuId, points } of items) {
      const known = this.#curves.get(skuId);
      if (known === undefined) this.#curves.set(skuId, { points: [...points], band: [] });
      else known.points = thinned(merged(known.points, points));
    }
    this.#revision += 1;
  }

  mark(marker: CurveMarker): void {
    this.#addMarker(marker);
    this.#revision += 1;
  }

  /** Markers of the item and of the whole livestream. */
  curveOf(skuId: string): StoredCurve {
    const known = this.#curves.get(skuId);
    const markers = this.#markers.filter((marker) => marker.skuId === null || marker.skuId === skuId);
    return known === undefined ? { ...nothing, markers } : { points: known.points, band: known.band, markers };
  }

  #addMarker(marker: CurveMarker): void {
    if (this.#markers.some((known) => isSame(known, marker))) return;
    this.#markers.push(marker);
    this.#markers.sort((a, b) => a.atMs - b.atMs);
    this.#markers = this.#markers.slice(-markersMax);
  }
}

const isSame = (a: CurveMarker, b: CurveMarker): boolean =>
  a.atMs === b.atMs && a.kind === b.kind && a.skuId === b.skuId && a.tier === b.tier && a.text.zh === b.text.zh;

/** Ascending by time, one point per moment; where both have one, `newer` wins. */
function merged(older: readonly CurvePoint[], newer: readonly CurvePoint[]): CurvePoint[] {
  const [first] = newer;
  const last = older.at(-1);
  // The usual case: what comes now is later than all there is.
  if (first === undefined) return [...older];
  if (last === undefined || last[0] < first[0]) return [...older, ...newer];
  const byTime = new Map([...older, ...newer].map((point) => [point[0], point]));
  return [...byTime.values()].sort((a, b) => a[0] - b[0]);
}

/** Every second point of the older half goes: the newest minutes keep all of theirs, a show of any length has an end in memory. */
function thinned(points: CurvePoint[]): CurvePoint[] {
  if (points.length <= pointsMax) return points;
  const half = Math.floor(points.length / 2);
  return points.filter((_, index) => index >= half || index % 2 === 0);
}
