import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { needUntilEnd, sellOutOf } from './outlook.ts';
import { dispersionOf, poissonInterval } from './poisson-interval.ts';
import { SalesWindow } from './sales-window.ts';
import { velocityOf } from './velocity.ts';

const startMs = Date.UTC(2_026, 10, 11, 12);

/** A window in which `units` are taken every `everyMs` for `seconds`; returns it with the end of that time. */
function sold({ units = 1, everyMs = 1_000, seconds = 300 }): { window: SalesWindow; nowMs: number } {
  const window = new SalesWindow(startMs);
  for (let ms = 0; ms < seconds * 1_000; ms += everyMs) window.add(startMs + ms, units);
  return { window, nowMs: startMs + seconds * 1_000 };
}

function velocity({ window, nowMs }: { window: SalesWindow; nowMs: number }) {
  const found = velocityOf(window, nowMs);
  if (found === null) throw new Error('no velocity');
  return found;
}

describe('velocity', () => {
  test.each([
    ['for five minutes', 300],
    ['for one minute', 60],
    ['for twenty seconds', 20],
  ])('[PA-1] one unit a second %s is 60 a minute', (_, seconds) => {
    expect(velocity(sold({ seconds })).perMinute).toBe(60);
  });

  test('[PA-1] a burst of the first second is not told as sixty times as much', () => {
    const window = new SalesWindow(startMs);
    window.add(startMs, 30);
    expect(velocity({ window, nowMs: startMs + 1_000 }).perMinute).toBe(120);
  });

  test('[PA-1] a new rate counts two thirds after one minute and wholly after five', () => {
    const { window, nowMs } = sold({ seconds: 300 });
    const secondsLater = (seconds: number) => velocity({ window, nowMs: nowMs + seconds * 1_000 }).perMinute;
    expect(secondsLater(60)).toBeCloseTo((1 / 3) * 48, 3);
    expect(secondsLater(300)).toBe(0);
    for (let second = 300; second < 360; second += 1) window.add(nowMs + second * 1_000, 2);
    expect(secondsLater(360)).toBeCloseTo((2 / 3) * 120 + (1 / 3) * 24, 3);
  });

  test('[PA-1] time before the opening is no time without sales', () => {
    const window = new SalesWindow(startMs);
    window.openedAt(startMs + 240_000);
    for (let second = 240; second < 270; second += 1) window.add(startMs + second * 1_000, 1);
    expect(velocity({ window, nowMs: startMs + 270_000 }).perMinute).toBe(60);
    window.openedAt(startMs + 269_000);
    expect(velocity({ window, nowMs: startMs + 270_000 }).perMinute).toBe(60);
  });

  test('[PA-3] four units say nothing, five do', () => {
    const window = new SalesWindow(startMs);
    window.add(startMs, 4);
    expect(velocityOf(window, startMs + 5_000)).toBeNull();
    window.add(startMs + 1_000, 1);
    expect(velocity({ window, nowMs: startMs + 60_000 }).perMinute).toBe(5);
  });

  test('[PA-2] the range is wide for few sales and narrow for many, and holds the velocity', () => {
    const few = velocity(sold({ everyMs: 10_000, seconds: 60 }));
    expect(few.perMinute).toBe(6);
    expect(few.low).toBeLessThan(3);
    expect(few.high).toBeGreaterThan(11);
    const many = velocity(sold({ units: 10, seconds: 300 }));
    expect(many.perMinute).toBe(600);
    expect((many.high - many.low) / many.perMinute).toBeLessThan(0.15);
  });

  test('[PA-2] 60 units in orders of twelve are less certain than 60 single ones', () => {
    const single = velocity(sold({ seconds: 60 }));
    const dozens = velocity(sold({ units: 12, everyMs: 12_000, seconds: 60 }));
    expect(dozens.perMinute).toBe(single.perMinute);
    expect(dozens.high - dozens.low).toBeGreaterThan(1.5 * (single.high - single.low));
  });

  test('[PA-2] while the rate changes, the range reaches from the one window to the other', () => {
    const { window, nowMs } = sold({ units: 10, seconds: 300 });
    const changed = velocity({ window, nowMs: nowMs + 60_000 });
    expect(changed.low).toBe(0);
    expect(changed.high).toBeGreaterThanOrEqual(480);
  });

  test('[PA-2] whatever is sold whenever, and wherever the clock goes: 0 ≤ low ≤ velocity ≤ high, and finite', () => {
    const step = fc.record({ afterMs: fc.integer({ min: -3_000, max: 400_000 }), units: fc.nat(500) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const window = new SalesWindow(startMs);
        let nowMs = startMs;
        for (const { afterMs, units } of steps) {
          nowMs = Math.max(0, nowMs + afterMs);
          if (units > 0) window.add(nowMs, units);
          const found = velocityOf(window, nowMs);
          if (found === null) {
            expect(window.total).toBeLessThan(5);
            continue;
          }
          expect(found.low).toBeGreaterThanOrEqual(0);
          expect(found.low).toBeLessThanOrEqual(found.perMinute);
          expect(found.high).toBeGreaterThanOrEqual(found.perMinute);
          expect(Number.isFinite(found.high)).toBe(true);
        }
      }),
    );
  });

  test('[PA-1] the window counts exactly the units of its seconds', () => {
    const sale = fc.record({ second: fc.nat(900), units: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.array(sale, { maxLength: 80 }), fc.integer({ min: 1, max: 300 }), (sales, seconds) => {
        const window = new SalesWindow(startMs);
        for (const { second, units } of sales.toSorted((a, b) => a.second - b.second)) {
          window.add(startMs + second * 1_000, units);
        }
        const counted = window.sums(startMs + 900_000, seconds).units;
        const inside = sales.filter(({ second }) => second >= 900 - seconds && second < 900);
        expect(counted).toBe(inside.reduce((sum, { units }) => sum + units, 0));
      }),
    );
  });

  test('[PA-2] the interval is that of the Poisson distribution, nearly', () => {
    // Garwood's exact limits at 90 %, from tables of the chi-squared distribution.
    for (const [count, low, high] of [
      [0, 0, 2.996],
      [1, 0.0513, 4.744],
      [5, 1.97, 10.513],
      [10, 5.425, 16.962],
      [100, 84.14, 118.08],
    ] as const) {
      const found = poissonInterval(count);
      expect(Math.abs(found.high - high)).toBeLessThanOrEqual(0.012 * high);
      expect(Math.abs(found.low - low)).toBeLessThanOrEqual(Math.max(0.013, 0.012 * low));
    }
    expect(dispersionOf({ seconds: 4, units: 4, squares: 4 })).toBe(1);
    expect(dispersionOf({ seconds: 4, units: 12, squares: 144 })).toBe(12);
  });
});

describe('outlook', () => {
  const steady = { perMinute: 60, low: 50, high: 75 };

  test('[PA-4] 300 left at 60 a minute are gone in 5:00, a little sooner or later', () => {
    expect(sellOutOf(300, steady)).toEqual({ expected: 300_000, low: 240_000, high: 360_000 });
  });

  test('[PA-4] it follows the rate', () => {
    const { window, nowMs } = sold({ seconds: 300 });
    const inMs = (atMs: number) => sellOutOf(300, velocityOf(window, atMs))?.expected ?? Number.NaN;
    expect(inMs(nowMs)).toBe(300_000);
    for (let second = 0; second < 300; second += 1) window.add(nowMs + second * 1_000, 2);
    expect(inMs(nowMs + 300_000)).toBe(150_000);
    expect(inMs(nowMs + 360_000)).toBeGreaterThan(300_000);
  });

  test('[PA-4] it is null at rate 0 and for too few sales, and 0 when sold out', () => {
    const { window, nowMs } = sold({ seconds: 300 });
    expect(sellOutOf(300, velocityOf(window, nowMs + 300_000))).toBeNull();
    expect(sellOutOf(300, null)).toBeNull();
    expect(sellOutOf(0, null)).toEqual({ expected: 0, low: 0, high: 0 });
    expect(sellOutOf(300, { perMinute: 1, low: 0, high: 3 })?.high).toBeNull();
  });

  test('[PA-5] 60 a minute, 30 minutes left and 300 left need 1,500', () => {
    const nowMs = startMs;
    const need = needUntilEnd(300, steady, nowMs + 30 * 60_000, nowMs);
    expect(need).toEqual({ expected: 1_500, low: 1_200, high: 1_950 });
    const { window, nowMs: laterMs } = sold({ seconds: 300 });
    expect(needUntilEnd(300, velocityOf(window, laterMs), laterMs + 30 * 60_000, laterMs)?.expected).toBe(1_500);
  });

  test('[PA-5] enough left needs nothing; without an end, past it, or with few sales nobody can say', () => {
    expect(needUntilEnd(5_000, steady, startMs + 30 * 60_000, startMs)).toEqual({ expected: 0, low: 0, high: 0 });
    expect(needUntilEnd(300, steady, null, startMs)).toBeNull();
    expect(needUntilEnd(300, steady, startMs, startMs)).toBeNull();
    expect(needUntilEnd(300, null, startMs + 60_000, startMs)).toBeNull();
  });
});
