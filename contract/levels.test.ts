import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  anyShown,
  availableOf,
  DisplayPolicy,
  effectiveStatus,
  itemStatuses,
  type SaleState,
  shownOf,
  statusOf,
} from './levels.ts';

const count = fc.integer({ min: 0, max: 100_000 });
const display: fc.Arbitrary<DisplayPolicy> = fc.oneof(
  fc.constant<DisplayPolicy>({ kind: 'exact' }),
  fc.record({ kind: fc.constant('low_only' as const), below: count }),
  fc.record({
    kind: fc.constant('band' as const),
    bounds: fc
      .uniqueArray(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 8 })
      .map((bounds) => bounds.toSorted((one, other) => one - other)),
  }),
);

/** The counts that a shown text stands for. */
function rangeOf(shown: number | string): [number, number] {
  if (typeof shown === 'number') return [shown, shown];
  const [, low, high] = /^(\d+)(?:-(\d+)|\+)$/.exec(shown) ?? [];
  return [Number(low), high === undefined ? Number.POSITIVE_INFINITY : Number(high)];
}

describe('what a viewer is shown', () => {
  test('[PR-4] it is true of the units left, whatever the policy', () => {
    fc.assert(
      fc.property(count, display, (available, policy) => {
        const [low, high] = rangeOf(shownOf(available, policy));
        expect(low).toBeLessThanOrEqual(available);
        expect(available).toBeLessThanOrEqual(high);
      }),
    );
  });

  test('[PR-4] zero is 0 and only zero is, so that nobody sees a sold-out item as one with stock, or the other way', () => {
    fc.assert(
      fc.property(count, display, (available, policy) => {
        expect(anyShown(shownOf(available, policy))).toBe(available > 0);
      }),
    );
  });

  test('[PR-4] a viewer learns no more than the policy allows', () => {
    fc.assert(
      fc.property(count, count, display, (one, other, policy) => {
        if (policy.kind === 'low_only' && one >= policy.below && other >= policy.below && one > 0 && other > 0) {
          expect(shownOf(one, policy)).toBe(shownOf(other, policy));
        }
        if (policy.kind === 'band' && one > 0) expect(shownOf(one, policy)).toEqual(expect.any(String));
      }),
    );
  });

  test.each([
    [{ kind: 'exact' }, 37, 37],
    [{ kind: 'low_only', below: 10 }, 9, 9],
    [{ kind: 'low_only', below: 10 }, 10, '10+'],
    [{ kind: 'low_only', below: 10 }, 0, 0],
    [{ kind: 'band', bounds: [1, 10, 100] }, 1, '1-9'],
    [{ kind: 'band', bounds: [1, 10, 100] }, 99, '10-99'],
    [{ kind: 'band', bounds: [1, 10, 100] }, 100, '100+'],
    [{ kind: 'band', bounds: [10] }, 3, '1-9'],
    [{ kind: 'band', bounds: [1, 10, 100] }, 0, 0],
  ] as const)('[PR-4] %j of %i is shown as %j', (policy, available, shown) => {
    expect(shownOf(available, DisplayPolicy.parse(policy))).toBe(shown);
  });
});

describe('status', () => {
  const sale = fc.constantFrom<SaleState>('not_open', 'open', 'stopped', 'ended');
  const instant = fc.integer({ min: 0, max: 2_000 });

  test('[PR-5] who knows the clock opens a scheduled item by itself, at the same moment as the server', () => {
    fc.assert(
      fc.property(sale, instant, count, instant, instant, (state, opensAtMs, available, one, other) => {
        const [sentAtMs, nowMs] = [Math.min(one, other), Math.max(one, other)];
        const item = { sale: state, opensAtMs, available };
        const sent = statusOf(item, sentAtMs);
        expect(effectiveStatus(sent, available > 0, opensAtMs, nowMs)).toBe(statusOf(item, nowMs));
      }),
    );
  });

  test('[PR-5] an item can be bought only while it is open, its moment has come and units are left', () => {
    fc.assert(
      fc.property(sale, instant, count, instant, (state, opensAtMs, available, nowMs) => {
        const buyable = statusOf({ sale: state, opensAtMs, available }, nowMs) === 'on_sale';
        expect(buyable).toBe(state === 'open' && nowMs >= opensAtMs && available > 0);
      }),
    );
  });

  test('[PR-5] the opening moment itself is open', () => {
    const item = { sale: 'open', opensAtMs: 1_000, available: 1 } as const;
    expect([999, 1_000].map((nowMs) => statusOf(item, nowMs))).toEqual(['scheduled', 'on_sale']);
    expect([999, 1_000].map((nowMs) => effectiveStatus('scheduled', true, 1_000, nowMs))).toEqual([
      'scheduled',
      'on_sale',
    ]);
  });

  test('[PR-5] on the wire a status is its place in this list', () => {
    expect(itemStatuses).toEqual(['not_open', 'scheduled', 'on_sale', 'sold_out', 'stopped', 'ended']);
  });
});

test('[PR-6] available is what is allotted and neither held nor sold, and never below zero', () => {
  fc.assert(
    fc.property(count, count, count, (allotted, held, sold) => {
      const available = availableOf({ allotted, held, sold });
      expect(available).toBeGreaterThanOrEqual(0);
      if (held + sold <= allotted) expect(available + held + sold).toBe(allotted);
      else expect(available).toBe(0);
    }),
  );
});
