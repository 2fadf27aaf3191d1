import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BandPoint, CurvePoint } from '../../../contract/pace.ts';
import { bandAt, type ChartInput, heldAt, modelOf } from './chart-data.ts';
import { countTicks, timeOfDay, timeTicks } from './ticks.ts';

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
  const { curves } = modelOf(input([[1_000, 3, 7]], { nowMs: 90_000 }));
  expect(curves[0]?.points).toEqual([
    [1_000, 3, 7],
    [90_000, 3, 7],
  ]);
});

test('[OV-20] a window keeps one neighbour on each side, so that a line leaves the picture and does not end in it', () => {
  const points: CurvePoint[] = [0, 1, 2, 3, 4, 5].map((each) => [each * 60_000, each, 10 - each]);
  const { curves, x } = modelOf(input(points, { fromMs: 110_000, toMs: 190_000 }));
  expect(x).toEqual([110_000, 190_000]);
  expect(curves[0]?.points.map(([atMs]) => atMs)).toEqual([60_000, 120_000, 180_000, 240_000]);
});

test('[OV-20] a reading between points says what held then, and the band between its points', () => {
  const points: CurvePoint[] = [
    [1_000, 3, 7],
    [5_000, 8, 2],
  ];
  expect([999, 1_000, 4_999, 5_000, 9_000].map((atMs) => heldAt(points, atMs))).toEqual([undefined, 3, 3, 8, 8]);
  const band: BandPoint[] = [
    [0, 0, 0, 0],
    [100, 10, 8, 20],
  ];
  expect(bandAt(band, 50)).toEqual([5, 4, 10]);
  expect(bandAt(band, 100)).toEqual([10, 8, 20]);
  expect(bandAt(band, 0)).toEqual([0, 0, 0]);
  expect([bandAt(band, -1), bandAt(band, 101), bandAt([], 5)]).toEqual([undefined, undefined, undefined]);
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
      const { curves, x, y } = modelOf(input(points, { nowMs: (points.at(-1)?.[0] ?? 0) + later }));
      expect(y[0]).toBeGreaterThanOrEqual(0);
      expect(y[1]).toBeGreaterThan(y[0]);
      expect(x[1]).toBeGreaterThan(x[0]);
      for (const [, consumed] of curves[0]?.points ?? []) {
        expect(consumed).toBeGreaterThanOrEqual(y[0]);
        expect(consumed).toBeLessThan(y[1]);
      }
    }),
  );
});

test('[OV-20] axes name round numbers and round moments, no more than there is room for', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000_000),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 2, max: 12 }),
      (from, span, most) => {
        for (const { at, step } of [
          countTicks([from, from + span], most),
          timeTicks([from, from + span * 60], most, 0),
        ]) {
          expect(at.length).toBeLessThanOrEqual(most + 1);
          for (const each of at) expect(each % step).toBe(0);
        }
        expect(Number.isInteger(countTicks([from, from + span], most).step)).toBe(true);
      },
    ),
  );
  const [sixPm, offsetMs] = [Date.UTC(2_026, 10, 11, 10), 8 * 3_600_000];
  expect(timeTicks([sixPm + 1, sixPm + 3_600_000], 4, offsetMs).at.map((at) => (at - sixPm) / 60_000)).toEqual([
    15, 30, 45, 60,
  ]);
  expect(timeOfDay(new Date(2_026, 0, 1, 9, 5, 7).getTime(), true)).toBe('09:05:07');
});
