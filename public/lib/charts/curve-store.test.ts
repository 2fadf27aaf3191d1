import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CurveMarker, CurvePoint } from '../../../contract/pace.ts';
import { CurveStore } from './curve-store.ts';

const marker = (atMs: number, more: Partial<CurveMarker> = {}): CurveMarker => ({
  atMs,
  skuId: 'tea',
  kind: 'price',
  tier: null,
  text: { zh: '调价', en: 'price' },
  internal: false,
  ...more,
});
const points = (...atMs: number[]): CurvePoint[] => atMs.map((each) => [each, each, 0]);

test('[OV-21] a reading and what the socket brought meanwhile are one curve, in whatever order they come', () => {
  const loaded = new CurveStore();
  loaded.append({ items: [{ skuId: 'tea', points: points(4_000, 5_000) }] });
  loaded.load([{ skuId: 'tea', points: points(1_000, 4_000), band: [[0, 1, 0, 2]], markers: [marker(3_000)] }]);
  loaded.append({ items: [{ skuId: 'tea', points: points(2_000) }] });
  loaded.mark(marker(3_000));
  expect(loaded.curveOf('tea').points.map(([atMs]) => atMs)).toEqual([1_000, 2_000, 4_000, 5_000]);
  expect(loaded.curveOf('tea').band).toHaveLength(1);
  expect(loaded.curveOf('tea').markers).toHaveLength(1);
});

test('[OV-21] a marker of the whole livestream is on every curve, one of an item on its own', () => {
  const store = new CurveStore();
  store.mark(marker(2, { skuId: null, kind: 'pin' }));
  store.mark(marker(1));
  expect(store.curveOf('tea').markers.map(({ atMs }) => atMs)).toEqual([1, 2]);
  expect(store.curveOf('mug').markers.map(({ atMs }) => atMs)).toEqual([2]);
});

test('[OV-21] a show of any length has an end in memory; its newest minutes and its order stay whole', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }), (batches) => {
      const store = new CurveStore();
      let atMs = 0;
      for (const size of batches) {
        const batch = Array.from({ length: size }, (_, index) => atMs + index + 1);
        atMs += size;
        store.append({ items: [{ skuId: 'tea', points: points(...batch) }] });
      }
      const times = store.curveOf('tea').points.map(([each]) => each);
      expect(times.length).toBeLessThanOrEqual(1_200);
      expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      expect(times.slice(-300)).toEqual(
        Array.from({ length: Math.min(300, atMs) }, (_, i) => atMs - Math.min(300, atMs) + i + 1),
      );
    }),
    { numRuns: 40 },
  );
});
