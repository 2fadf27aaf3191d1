import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { downSample } from './down-sample.ts';
import { bandOf, type Expectation, expectedAt, expectedRate, paceStateOf, shareSold } from './expected-curve.ts';

const fromMs = Date.UTC(2_026, 10, 11, 12);
const hourMs = 3_600_000;
const classes = ['opening_peak', 'steady', 'slow_burn', 'rundown'] as const;

const expectation = (parts: Partial<Expectation> = {}): Expectation => ({
  estimate: 1_000,
  confidence: 'high',
  curveClass: 'steady',
  fromMs,
  untilMs: fromMs + 4 * hourMs,
  explained: [],
  ...parts,
});

describe('expected curve', () => {
  test('[PA-6] profiles differ: two fifths in the first half hour of four, an eighth, next to nothing', () => {
    const after30Minutes = (curveClass: Expectation['curveClass']) =>
      expectedAt(expectation({ curveClass }), fromMs + hourMs / 2).expected;
    expect(after30Minutes('opening_peak')).toBeCloseTo(400.8, 0);
    expect(after30Minutes('steady')).toBe(125);
    expect(after30Minutes('slow_burn')).toBeLessThan(10);
    expect(expectedAt(expectation({ curveClass: 'slow_burn' }), fromMs + hourMs).expected).toBeLessThan(30);
    expect(after30Minutes('rundown')).toBe(12.5);
  });

  test('[PA-6] a curve begins at 0, ends at 1 and never falls; opening peak ≥ steady ≥ slow burn up to the middle', () => {
    const u = fc.nat(1_000).map((thousandths) => thousandths / 1_000);
    fc.assert(
      fc.property(fc.constantFrom('opening_peak', 'steady', 'slow_burn'), u, u, (curveClass, a, b) => {
        expect(shareSold(curveClass, 0)).toBeCloseTo(0, 9);
        expect(shareSold(curveClass, 1)).toBeCloseTo(1, 9);
        expect(shareSold(curveClass, Math.min(a, b))).toBeLessThanOrEqual(shareSold(curveClass, Math.max(a, b)));
        const early = Math.min(a, 0.5);
        expect(shareSold('opening_peak', early)).toBeGreaterThanOrEqual(shareSold('steady', early));
        expect(shareSold('steady', early)).toBeGreaterThanOrEqual(shareSold('slow_burn', early));
      }),
    );
  });

  test('[PA-6] a rundown item is expected to sell while it is explained, most of it early', () => {
    const explained = [{ fromMs: fromMs + hourMs, untilMs: fromMs + hourMs + 600_000 }];
    const at = (ms: number) => expectedAt(expectation({ curveClass: 'rundown', explained }), fromMs + ms).expected;
    expect(at(hourMs)).toBe(25);
    expect(at(hourMs + 300_000)).toBeCloseTo(0.1 * 1_000 * (65 / 240) + 900 * (1 - Math.exp(-1)), 6);
    expect(at(hourMs + 600_000) - at(hourMs + 300_000)).toBeLessThan(at(hourMs + 300_000) - at(hourMs));
    expect(at(2 * hourMs) - at(hourMs + 600_000)).toBeCloseTo(0.1 * 1_000 * (50 / 240), 6);
    const still = expectation({ curveClass: 'rundown', explained: [{ fromMs: fromMs + hourMs, untilMs: null }] });
    expect(expectedAt(still, fromMs + hourMs + 300_000).expected).toBeCloseTo(at(hourMs + 300_000), 6);
  });

  test('[PA-7] lower ≤ expected ≤ upper, and none of them ever falls', () => {
    const minute = fc.integer({ min: -10, max: 300 });
    const anExpectation = fc.record({
      estimate: fc.integer({ min: 1, max: 1_000_000 }),
      confidence: fc.constantFrom('high', 'medium', 'low'),
      curveClass: fc.constantFrom(...classes),
      explained: fc.constant([{ fromMs: fromMs + hourMs, untilMs: fromMs + 2 * hourMs }]),
    });
    fc.assert(
      fc.property(anExpectation, minute, minute, (parts, a, b) => {
        const whole = expectation(parts);
        const [early, late] = [Math.min(a, b), Math.max(a, b)].map((at) => expectedAt(whole, fromMs + at * 60_000));
        if (early === undefined || late === undefined) throw new Error('two instants');
        expect(early.lower).toBeLessThanOrEqual(early.expected);
        expect(early.expected).toBeLessThanOrEqual(early.upper);
        for (const line of ['lower', 'expected', 'upper'] as const) {
          expect(early[line]).toBeLessThanOrEqual(late[line] + 1e-6);
        }
      }),
    );
  });

  test('[PA-7] less confidence is a wider band, a rundown wider still', () => {
    const width = (parts: Partial<Expectation>) => {
      const { lower, upper } = expectedAt(expectation({ estimate: 1_000_000, ...parts }), fromMs + 4 * hourMs);
      return (upper - lower) / 1_000_000;
    };
    expect(width({})).toBeCloseTo(0.404, 3);
    expect(width({ confidence: 'medium' })).toBeCloseTo(0.604, 3);
    expect(width({ confidence: 'low' })).toBeCloseTo(0.904, 3);
    const explained = [{ fromMs, untilMs: null }];
    expect(width({ curveClass: 'rundown', explained })).toBeCloseTo(0.704, 2);
  });

  test('[PA-7] the drawn band reaches from the opening to the planned end, in order', () => {
    const band = bandOf(expectation());
    expect(band).toHaveLength(121);
    expect(band[0]).toEqual([fromMs, 0, 0, 0]);
    expect(band.at(-1)?.slice(0, 2)).toEqual([fromMs + 4 * hourMs, 1_000]);
    expect(band.every(([atMs], index) => index === 0 || atMs > (band[index - 1]?.[0] ?? 0))).toBe(true);
  });

  test('[PA-8] consumption is over, inside or under its band; unknown without an expectation and in the first minute', () => {
    const steady = expectation();
    const nowMs = fromMs + hourMs;
    const { lower, upper } = expectedAt(steady, nowMs);
    expect(paceStateOf(steady, Math.ceil(upper) + 1, nowMs)).toBe('over');
    expect(paceStateOf(steady, Math.floor(upper), nowMs)).toBe('inside');
    expect(paceStateOf(steady, 250, nowMs)).toBe('inside');
    expect(paceStateOf(steady, Math.ceil(lower), nowMs)).toBe('inside');
    expect(paceStateOf(steady, Math.floor(lower) - 1, nowMs)).toBe('under');
    expect(paceStateOf(null, 250, nowMs)).toBe('unknown');
    expect(paceStateOf(steady, 999, fromMs + 59_999)).toBe('unknown');
    expect(paceStateOf(steady, 999, fromMs + 60_000)).toBe('over');
  });

  test('[PA-12] the rate that is expected just now is the slope of the curve', () => {
    expect(expectedRate(expectation({ estimate: 240 }), fromMs + hourMs)).toBeCloseTo(1, 9);
    expect(expectedRate(expectation(), fromMs + 5 * hourMs)).toBe(0);
  });
});

describe('fewer points', () => {
  const curve = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(30)), { minLength: 1, maxLength: 300 })
    .map((steps) => {
      let [atMs, consumed] = [fromMs, 0];
      return steps.map(([seconds, units]): [number, number, number] => {
        atMs += seconds * 1_000;
        consumed += units;
        return [atMs, consumed, 10_000 - consumed];
      });
    });

  test('[PA-20] first and last stay, points are measured ones in order, never more than asked for', () => {
    fc.assert(
      fc.property(curve, fc.integer({ min: 2, max: 120 }), (points, pointsMax) => {
        const kept = downSample(points, pointsMax);
        expect(kept).toHaveLength(Math.min(points.length, pointsMax));
        expect(kept[0]).toBe(points[0]);
        expect(kept.at(-1)).toBe(points.at(-1));
        const places = kept.map((point) => points.indexOf(point));
        expect(places.every((place, index) => index === 0 || place > (places[index - 1] ?? -1))).toBe(true);
      }),
    );
  });

  test('[PA-20] a jump in a long quiet curve stays visible', () => {
    const points = Array.from({ length: 10_000 }, (_, second): [number, number] => [
      fromMs + second * 1_000,
      second === 5_123 ? 900 : 0,
    ]);
    expect(downSample(points, 50).some(([, consumed]) => consumed === 900)).toBe(true);
  });
});
