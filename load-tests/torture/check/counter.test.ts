import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cap, findOversold, mayLack, mayShow, type Stay } from './counter.ts';

/** An operation of a small history: it took effect at one moment of its interval, and no two at the same. */
type Operation =
  | {
      readonly kind: 'take';
      readonly units: number;
      readonly fromMs: number;
      readonly untilMs: number;
      readonly order: number;
    }
  | {
      readonly kind: 'release';
      readonly units: number;
      readonly fromMs: number;
      readonly untilMs: number;
      readonly order: number;
    }
  | { readonly kind: 'allot'; readonly allotted: number; readonly fromMs: number; readonly untilMs: number }
  | { readonly kind: 'refused'; readonly units: number; readonly fromMs: number; readonly untilMs: number }
  | { readonly kind: 'read'; readonly available: number; readonly fromMs: number; readonly untilMs: number };

/** Every order of effects that real time allows is tried: Wing and Gong's search, for histories small enough for it. */
function isPossible(operations: readonly Operation[], out = 0, allotted = 0, taken: readonly number[] = []): boolean {
  if (operations.length === 0) return true;
  const firstReturnMs = Math.min(...operations.map(({ untilMs }) => untilMs));
  return operations.some((one, index) => {
    // Somebody who returned before this one was asked has to come first.
    if (one.fromMs > firstReturnMs) return false;
    const rest = operations.filter((_, other) => other !== index);
    switch (one.kind) {
      case 'take':
        return out + one.units <= allotted && isPossible(rest, out + one.units, allotted, [...taken, one.order]);
      case 'release':
        return taken.includes(one.order) && isPossible(rest, out - one.units, allotted, taken);
      case 'allot':
        return out <= one.allotted && isPossible(rest, out, one.allotted, taken);
      case 'refused':
        return allotted - out < one.units && isPossible(rest, out, allotted, taken);
      case 'read':
        return allotted - out === one.available && isPossible(rest, out, allotted, taken);
    }
  });
}

const END = 1_000;

/** What the checks are given of such a history; each allotment is asked for after the one before was answered. */
function factsOf(operations: readonly Operation[]): { certain: Stay[]; possible: Stay[]; caps: Cap[] } {
  const releases = operations.filter((one) => one.kind === 'release');
  const stays = operations.flatMap((one) => {
    if (one.kind !== 'take') return [];
    const release = releases.find(({ order }) => order === one.order);
    const [of, { units }] = [String(one.order), one];
    const certain = { of, units, fromMs: one.untilMs, untilMs: release?.fromMs ?? Number.POSITIVE_INFINITY };
    const possible = { of, units, fromMs: one.fromMs, untilMs: (release?.untilMs ?? Number.POSITIVE_INFINITY) + 0.5 };
    return [{ certain, possible }];
  });
  const allotments = operations.filter((one) => one.kind === 'allot');
  const caps = allotments.map((one, index) => ({
    allotted: one.allotted,
    fromMs: one.fromMs,
    untilMs: allotments[index + 1]?.untilMs ?? Number.POSITIVE_INFINITY,
  }));
  return { certain: stays.map(({ certain }) => certain), possible: stays.map(({ possible }) => possible), caps };
}

/** Distinct moments, so that no tie has to be decided. */
const aHistory = (extra: 'none' | 'refused' | 'read'): fc.Arbitrary<Operation[]> =>
  fc
    .record({
      moments: fc.uniqueArray(fc.integer({ min: 10, max: END - 1 }), { minLength: 24, maxLength: 24 }),
      orders: fc.array(
        fc.record({
          units: fc.integer({ min: 1, max: 3 }),
          released: fc.boolean(),
          slots: fc.array(fc.nat(23), { minLength: 4, maxLength: 4 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      allotments: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 2 }),
      extraUnits: fc.integer({ min: 1, max: 4 }),
      extraSlots: fc.tuple(fc.nat(23), fc.nat(23)),
    })
    .map(({ moments, orders, allotments, extraUnits, extraSlots }) => {
      const at = [...moments].sort((a, b) => a - b);
      const used = new Set<number>();
      // Each slot is used once: intervals of different operations never share a moment.
      const take = (slot: number): number => {
        let free = slot;
        while (used.has(free % 24)) free += 1;
        used.add(free % 24);
        return at[free % 24] ?? 0;
      };
      const interval = (slots: readonly number[]): { fromMs: number; untilMs: number } => {
        const [a, b] = [take(slots[0] ?? 0), take(slots[1] ?? 0)];
        return { fromMs: Math.min(a, b), untilMs: Math.max(a, b) };
      };
      const operations: Operation[] = [{ kind: 'allot', allotted: allotments[0] ?? 0, fromMs: 1, untilMs: 2 }];
      if (allotments[1] !== undefined)
        operations.push({ kind: 'allot', allotted: allotments[1], ...interval([7, 15]) });
      for (const [order, { units, released, slots }] of orders.entries()) {
        const taking = interval(slots);
        operations.push({ kind: 'take', units, order, ...taking });
        if (!released) continue;
        const releasing = interval(slots.slice(2));
        // Asked for once the order was known.
        if (releasing.fromMs > taking.untilMs) operations.push({ kind: 'release', units, order, ...releasing });
      }
      if (extra === 'refused') operations.push({ kind: 'refused', units: extraUnits, ...interval(extraSlots) });
      if (extra === 'read') operations.push({ kind: 'read', available: extraUnits, ...interval(extraSlots) });
      return operations;
    });

describe('against a search of every arrangement', () => {
  test('[TO-4] takes, releases and allotments: the sweep says possible exactly when some arrangement is', () => {
    let impossible = 0;
    fc.assert(
      fc.property(aHistory('none'), (operations) => {
        const { certain, caps } = factsOf(operations);
        const possible = isPossible(operations);
        if (!possible) impossible += 1;
        expect(findOversold(certain, caps) === null).toBe(possible);
      }),
      { numRuns: 2_000 },
    );
    expect(impossible).toBeGreaterThan(100);
  });

  test('[TO-4] a refusal is never called impossible when some arrangement has it', () => {
    let found = 0;
    fc.assert(
      fc.property(aHistory('refused'), (operations) => {
        const refusal = operations.at(-1);
        if (refusal?.kind !== 'refused') throw new Error('the refusal is last');
        const { possible, caps } = factsOf(operations);
        const may = mayLack(refusal.units, refusal, possible, caps);
        if (!may) found += 1;
        if (isPossible(operations)) expect(may).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(found).toBeGreaterThan(50);
  });

  test('[TO-4] a reading is never called impossible when some arrangement has it', () => {
    let found = 0;
    fc.assert(
      fc.property(aHistory('read'), (operations) => {
        const reading = operations.at(-1);
        if (reading?.kind !== 'read') throw new Error('the reading is last');
        const { certain, caps } = factsOf(operations);
        const may = mayShow(reading.available, reading, certain, caps);
        if (!may) found += 1;
        if (isPossible(operations)) expect(may).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(found).toBeGreaterThan(50);
  });
});

describe('histories that must be rejected', () => {
  const always: Cap = { allotted: 2, fromMs: 0, untilMs: Number.POSITIVE_INFINITY };
  const stay = (of: string, fromMs: number, untilMs = Number.POSITIVE_INFINITY): Stay => ({
    of,
    units: 1,
    fromMs,
    untilMs,
  });

  test('[TO-4] three units out of two, told with the orders that have them', () => {
    const oversold = findOversold([stay('a', 10), stay('b', 20), stay('c', 30)], [always]);
    expect(oversold).toMatchObject({ atMs: 30, out: 3, allotted: 2 });
    expect(oversold?.stays.map(({ of }) => of)).toEqual(['a', 'b', 'c']);
    expect(findOversold([stay('a', 10, 25), stay('b', 20), stay('c', 30)], [always])).toBeNull();
  });

  test('[TO-4] an allotment made smaller than what is out', () => {
    const caps = [
      { ...always, untilMs: 40 },
      { allotted: 1, fromMs: 35, untilMs: Number.POSITIVE_INFINITY },
    ];
    expect(findOversold([stay('a', 10, 38), stay('b', 20)], caps)).toBeNull();
    expect(findOversold([stay('a', 10), stay('b', 20)], caps)).toMatchObject({ atMs: 40, out: 2, allotted: 1 });
  });

  test('[TO-4] sold out while a unit was free the whole time', () => {
    const interval = { fromMs: 50, untilMs: 60 };
    expect(mayLack(1, interval, [stay('a', 10)], [always])).toBe(false);
    expect(mayLack(1, interval, [stay('a', 10), stay('b', 55)], [always])).toBe(true);
    expect(mayLack(2, interval, [stay('a', 10)], [always])).toBe(true);
  });

  test('[TO-4] a gate that shows more than can be left', () => {
    const interval = { fromMs: 50, untilMs: 60 };
    expect(mayShow(2, interval, [stay('a', 10)], [always])).toBe(false);
    expect(mayShow(1, interval, [stay('a', 10)], [always])).toBe(true);
    expect(mayShow(2, interval, [stay('a', 10, 55)], [always])).toBe(true);
  });
});
