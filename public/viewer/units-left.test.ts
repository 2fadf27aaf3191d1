import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DisplayPolicy, shownOf } from '../../contract/levels.ts';
import { countedUnits, quantityMax } from './purchase-limits.ts';
import { boundsOf, unitsLeftOf } from './units-left.ts';

const exact: DisplayPolicy = { kind: 'exact' };
const band: DisplayPolicy = { kind: 'band', bounds: [1, 10, 50, 100] };
const none = { perOrder: null, perBuyer: null, perDevice: null };

describe('units left', () => {
  test('[VW-13] says what the policy lets through', () => {
    expect(unitsLeftOf(0, exact)).toEqual({ kind: 'sold_out' });
    expect(unitsLeftOf(3, exact)).toEqual({ kind: 'low', units: '3' });
    expect(unitsLeftOf(128, exact)).toEqual({ kind: 'some', units: '128' });
    expect(unitsLeftOf(19, { kind: 'low_only', below: 20 })).toEqual({ kind: 'low', units: '19' });
    expect(unitsLeftOf('20+', { kind: 'low_only', below: 20 })).toEqual({ kind: 'plenty', units: '20+' });
    expect(unitsLeftOf('1-9', band)).toEqual({ kind: 'low', units: '1–9' });
    expect(unitsLeftOf('10-49', band)).toEqual({ kind: 'some', units: '10–49' });
    expect(unitsLeftOf('100+', band)).toEqual({ kind: 'plenty', units: '100+' });
  });

  test('[VW-13] whatever the policy, zero and only zero is sold out, and the bounds hold the truth', () => {
    const policies = fc.constantFrom<DisplayPolicy>(exact, band, { kind: 'low_only', below: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), policies, (available, display) => {
        const shown = shownOf(available, display);
        expect(unitsLeftOf(shown, display).kind === 'sold_out').toBe(available === 0);
        const [least, most] = boundsOf(shown);
        expect(least <= available && available <= most).toBe(true);
      }),
    );
  });
});

describe('quantity', () => {
  test('[VW-16] is bounded by both limits, by what the buyer has, and by what is shown', () => {
    expect(quantityMax(none, 0, 500)).toBe(99);
    expect(quantityMax(none, 0, 3)).toBe(3);
    expect(quantityMax(none, 0, '10-49')).toBe(49);
    expect(quantityMax({ ...none, perOrder: 2 }, 7, '20+')).toBe(2);
    expect(quantityMax({ ...none, perBuyer: 5 }, 4, 100)).toBe(1);
    expect(quantityMax({ perOrder: 2, perBuyer: 5, perDevice: 3 }, 3, 100)).toBe(0);
  });

  test('[VW-16] expired and cancelled units do not count', () => {
    const order = (state: 'held' | 'paid' | 'expired' | 'cancelled' | 'refunded', skuId = 'tea') => ({
      orderId: state,
      livestreamId: 'demo',
      state,
      lines: [{ skuId, quantity: 2, unitPriceMinor: 1 }],
      totalMinor: 2,
      currency: 'CNY',
      createdAtMs: 0,
      expiresAtMs: 0,
    });
    const orders = [
      order('held'),
      order('paid'),
      order('expired'),
      order('cancelled'),
      order('refunded'),
      order('held', 'mug'),
    ];
    expect(countedUnits(orders, 'tea')).toBe(6);
  });
});
