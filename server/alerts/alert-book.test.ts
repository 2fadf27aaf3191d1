import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AlertBasis, type AlertTier, ItemPlan } from '../../contract/alerts.ts';
import { AlertBook } from './alert-book.ts';
import { firedKey } from './prisma-plan-store.ts';

const clearAfterMs = 60_000;
let ids = 0;

/** A book with one planned item, and the database's part played by its two rules: a tier once per generation, a generation per clearing. */
function openBook() {
  const book = new AlertBook({ livestreamId: 'night', clearAfterMs, newId: () => `id-${(ids += 1)}` });
  const plans = new Map([['tea', ItemPlan.parse({ estimate: 100, dynamicLine: false })]]);
  const generations = { coverage: 0, consumption: 0, sold_out: 0 };
  const fired = new Map<string, Set<AlertTier>>();
  const raised: { basis: AlertBasis; tier: AlertTier; generation: number }[] = [];
  const adopt = () => {
    const watch = { openedAtMs: 0, originalEstimate: 100, move: 'none' as const, generations: { ...generations } };
    book.adopt({ plannedEndAtMs: null, plans, watches: new Map([['tea', watch]]), fired }, []);
  };
  adopt();
  return {
    raised,
    show(version: number, consumed: number, nowMs: number) {
      const available = 150 - consumed;
      const status = available === 0 ? ('sold_out' as const) : ('on_sale' as const);
      book.put({ skuId: 'tea', version, allotted: 150, available, held: consumed, sold: 0, status });
      for (const wish of book.wishes('tea', nowMs)) {
        if (wish.kind === 'clear') {
          generations[wish.basis] += 1;
          fired.delete(firedKey('tea', wish.basis));
          adopt();
        }
        if (wish.kind !== 'raise') continue;
        const { basis, tiers, generation } = wish.crossing;
        for (const tier of tiers) raised.push({ basis, tier, generation });
        fired.set(firedKey('tea', basis), new Set([...(fired.get(firedKey('tea', basis)) ?? []), ...tiers]));
      }
    },
  };
}

test('[AL-8] no sequence of levels asks for a tier twice nor out of order', () => {
  const steps = fc.array(
    fc.record({ consumed: fc.integer({ min: 0, max: 150 }), waitMs: fc.integer({ min: 0, max: 90_000 }) }),
    {
      maxLength: 80,
    },
  );
  fc.assert(
    fc.property(steps, (sequence) => {
      const desk = openBook();
      let nowMs = 0;
      for (const [version, { consumed, waitMs }] of sequence.entries()) {
        nowMs += waitMs;
        desk.show(version, consumed, nowMs);
      }
      const keys = desk.raised.map(({ basis, tier, generation }) => `${basis} ${generation} ${tier}`);
      expect(new Set(keys).size).toBe(keys.length);
      const order = ['yellow', 'orange', 'red'];
      for (const basis of ['coverage', 'consumption'] as const) {
        const last = new Map<number, number>();
        for (const one of desk.raised.filter((some) => some.basis === basis)) {
          // Each tier is the next one of its generation: none is left out, none comes before a lower one.
          expect(order.indexOf(one.tier)).toBe((last.get(one.generation) ?? -1) + 1);
          last.set(one.generation, order.indexOf(one.tier));
        }
      }
      const top = Math.max(0, ...sequence.map(({ consumed }) => consumed));
      const expected = [80, 100, 120].filter((units) => top >= units).length;
      expect(desk.raised.filter(({ basis }) => basis === 'consumption')).toHaveLength(expected);
    }),
    { numRuns: 300 },
  );
});

test('[AL-13] a basis that flips within a minute is asked for once', () => {
  const desk = openBook();
  for (let flip = 0; flip < 1_000; flip += 1) desk.show(flip, flip % 2 === 0 ? 150 : 149, flip * 59);
  expect(desk.raised.filter(({ basis }) => basis === 'sold_out')).toHaveLength(1);
});
