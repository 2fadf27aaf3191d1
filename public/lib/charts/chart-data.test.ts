import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BandPoint, CurvePoint } from '../../../contract/pace.ts';
import { type ChartInput, columnsOf } from './chart-data.ts';

const input = (points: readonly CurvePoint[], more: Partial<ChartInput> = {}): ChartInput => ({
  curves: [{ skuId: 'tea', label: 'tea', points }],
  band: [],
  markers: [],
  nowMs: points.at(-1)?.[0] ?? 0,
  fromMs: null,
  toMs: null,
  ...more,
});

test('[OV-20] the last known value holds until now, because nothing is sent while nothing is sold', () => {
  const { columns } = columnsOf(input([[1_000, 3, 7]], { nowMs: 90_000 }));
  expect(columns[0]).toEqual([1_000, 90_000]);
  expect(columns[4]).toEqual([3, 3]);
});

test('[OV-20] curve and band share one axis of times and leave no gaps in each other', () => {
  const band: BandPoint[] = [
    [0, 0, 0, 0],
    [60_000, 10, 8, 12],
  ];
  const points: CurvePoint[] = [
    [30_000, 4, 6],
    [60_000, 9, 1],
  ];
  const { columns } = columnsOf(input(points, { band }));
  const [times, expected, upper, lower, sold] = columns;
  expect(times).toEqual([0, 30_000, 60_000]);
  expect(expected).toEqual([0, undefined, 10]);
  expect(upper).toEqual([0, undefined, 12]);
  expect(lower).toEqual([0, undefined, 8]);
  expect(sold).toEqual([undefined, 4, 9]);
});

test('[OV-20] a window keeps one neighbour on each side, so that a line leaves the picture and does not end in it', () => {
  const points: CurvePoint[] = [0, 1, 2, 3, 4, 5].map((each) => [each * 60_000, each, 10 - each]);
  const { columns, x } = columnsOf(input(points, { fromMs: 110_000, toMs: 190_000 }));
  expect(x).toEqual([110_000, 190_000]);
  expect(columns[0]).toEqual([60_000, 120_000, 180_000, 240_000]);
});

test('[OV-20] whatever is shown lies inside the heights, which end above it and never begin below zero', () => {
  const aCurve = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 1_000_000 })), { maxLength: 40 })
    .map((steps) => {
      let atMs = 0;
      return steps.map(([gap, consumed]): CurvePoint => {
        atMs += gap + 1;
        return [atMs, consumed, 0];
      });
    });
  fc.assert(
    fc.property(aCurve, fc.nat(2_000), (points, later) => {
      const { columns, x, y } = columnsOf(input(points, { nowMs: (points.at(-1)?.[0] ?? 0) + later }));
      expect(y[0]).toBeGreaterThanOrEqual(0);
      expect(y[1]).toBeGreaterThan(y[0]);
      expect(x[1]).toBeGreaterThan(x[0]);
      expect(columns[0]).toEqual([...columns[0]].sort((a, b) => a - b));
      for (const value of columns[4] ?? []) {
        if (value === null || value === undefined) continue;
        expect(value).toBeGreaterThanOrEqual(y[0]);
        expect(value).toBeLessThan(y[1]);
      }
    }),
  );
});
