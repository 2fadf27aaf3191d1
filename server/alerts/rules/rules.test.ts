import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CurveClass } from '../../../contract/alerts.ts';
import { ItemPlan } from '../../../contract/alerts.ts';
import { assess, factsOf, isClear, reasonsOf, unitsToReplenish } from './assess.ts';
import { consumptionTier } from './consumption.ts';
import { coverageLineOf, coverageTier } from './coverage-line.ts';
import { decideMove } from './dynamic-line.ts';
import { unreachableTiers } from './reachability.ts';
import { recipientsAt } from './recipients.ts';

const plan = (change: Partial<ItemPlan> = {}) => ItemPlan.parse({ estimate: 500, ...change });
const lineOf = (change: Partial<ItemPlan> = {}) => coverageLineOf(plan(change), 'none');

describe('coverage', () => {
  test('[AL-1] 120 % for goods that are here in three days: 600 of an estimate of 500', () => {
    expect([0, 1, 2, 3].map((leadTimeDays) => lineOf({ leadTimeDays })?.line)).toEqual([600, 600, 600, 600]);
    expect(lineOf({ estimate: null })).toBeNull();
  });

  test('[AL-1] a longer lead adds 0.1 a day up to 2.0, lower confidence 0.1 and 0.2, and each says why in both languages', () => {
    const percents = [4, 7, 10, 11, 12, 365].map((leadTimeDays) => lineOf({ leadTimeDays })?.coefficientPercent);
    expect(percents).toEqual([130, 160, 190, 200, 200, 200]);
    expect(lineOf({ confidence: 'medium' })?.coefficientPercent).toBe(130);
    const week = lineOf({ leadTimeDays: 7, confidence: 'low' });
    expect(week?.coefficientPercent).toBe(180);
    expect(week?.reasons).toEqual([
      {
        zh: '补货周期 7 天，长于 3 天：系数 1.6（每多一天加 0.1，最高 2.0）',
        en: 'Resupply takes 7 days, longer than 3: coefficient 1.6 (0.1 more for each day, 2.0 at most)',
      },
      { zh: '预估可信度低：系数加 0.2', en: 'Low confidence in the estimate: 0.2 more' },
    ]);
  });

  test('[AL-4] yellow below the line, orange below half of it, red below a fifth: 600 none, 599 yellow', () => {
    const tiersAt = [600, 599, 300, 299, 120, 119, 0].map((available) => coverageTier(available, { line: 600 }));
    expect(tiersAt).toEqual([null, 'yellow', 'yellow', 'orange', 'orange', 'red', 'red']);
  });

  test('[AL-7] the same sales move the lines of different curves differently, always within the bounds', () => {
    const moved = (curveClass: CurveClass, move: 'raised' | 'relaxed', change: Partial<ItemPlan> = {}) =>
      coverageLineOf(plan({ curveClass, ...change }), move)?.coefficientPercent;
    const classes = ['opening_peak', 'rundown', 'steady', 'slow_burn'] as const;
    expect(classes.map((one) => moved(one, 'raised'))).toEqual([132, 144, 150, 168]);
    expect(classes.map((one) => moved(one, 'relaxed'))).toEqual([100, 108, 102, 114]);
    expect(moved('slow_burn', 'raised', { leadTimeDays: 30, confidence: 'low' })).toBe(250);
    expect(moved('steady', 'raised', { dynamicLine: false })).toBe(120);
  });
});

describe('the first hour', () => {
  const decide = (consumed: number, minute: number, more: Partial<Parameters<typeof decideMove>[0]> = {}) =>
    decideMove({
      present: 'none',
      consumed,
      estimate: 500,
      openedAtMs: 1_000,
      nowMs: 1_000 + minute * 60_000,
      ...more,
    });

  test('[AL-6] 200 of 500 at 30:00 raises, a millisecond later it does not, and 199 never', () => {
    expect(decide(200, 30)).toBe('raised');
    expect(decide(200, 30 + 1 / 60_000)).toBeNull();
    expect(decide(199, 30)).toBeNull();
    expect(decide(200, 0.5)).toBe('raised');
  });

  test('[AL-6] 49 at 60:00 relaxes, 50 keeps, and nothing is decided before, twice, or without an opening or an estimate', () => {
    expect([decide(49, 60), decide(50, 60), decide(49, 59.9), decide(0, 45)]).toEqual(['relaxed', 'kept', null, null]);
    for (const present of ['raised', 'relaxed', 'kept'] as const) expect(decide(0, 61, { present })).toBeNull();
    expect(decide(300, 5, { openedAtMs: null })).toBeNull();
    expect(decide(300, 5, { estimate: null })).toBeNull();
  });
});

describe('consumption', () => {
  test('[AL-2] 400, 500 and 600 of 500 are the first units of yellow, orange and red', () => {
    const tiersAt = [0, 399, 400, 499, 500, 599, 600, 9_999].map((units) => consumptionTier(units, 500, plan()));
    expect(tiersAt).toEqual([null, null, 'yellow', 'yellow', 'orange', 'orange', 'red', 'red']);
    expect([consumptionTier(0, 0, plan()), consumptionTier(1, 0, plan())]).toEqual([null, 'red']);
  });

  test('[AL-5] with 450 units orange and red can never fire, with 600 all can', () => {
    expect(unreachableTiers(plan(), 500, 450).map(({ tier }) => tier)).toEqual(['orange', 'red']);
    expect(unreachableTiers(plan(), 500, 599).map(({ tier }) => tier)).toEqual(['red']);
    expect(unreachableTiers(plan(), 500, 600)).toEqual([]);
    expect(unreachableTiers(plan({ estimate: null }), null, 1)).toEqual([]);
  });
});

const level = (allotted: number, held: number, sold: number, status: 'on_sale' | 'sold_out' | 'ended' = 'on_sale') => ({
  allotted,
  held,
  sold,
  available: Math.max(0, allotted - held - sold),
  status,
});
const picture = (change: Partial<Parameters<typeof assess>[0]> = {}) => ({
  plan: plan(),
  originalEstimate: null,
  move: 'none' as const,
  level: level(1_000, 0, 0),
  supplier: null,
  ...change,
});

test('[AL-2] facts and reasons name percent of the estimate and of the stock, rounded down', () => {
  const at = picture({ level: level(645, 100, 300) });
  expect(factsOf(at)).toMatchObject({ consumed: 400, percent: 80, percentOfStock: 62 });
  expect(reasonsOf('consumption', 'yellow', at)[0]).toEqual({
    zh: '已消耗 400 件：预估 500 的 80%，可售总量的 62%',
    en: '400 units consumed: 80 % of the estimate of 500, 62 % of the stock',
  });
  expect(factsOf(picture({ level: level(1_000, 0, 399) }))).toMatchObject({ percent: 79 });
});

test('[AL-4] a coverage alert before the show says which tiers of consumption cannot fire', () => {
  const reasons = reasonsOf('coverage', 'yellow', picture({ level: level(450, 0, 0) }));
  expect(reasons.at(-1)?.en).toContain('there are only 450 (90 % of the estimate)');
});

test('[AL-10] sold out is red whatever the estimate; without an estimate it is the only basis, after the end there is none', () => {
  const all = { coverage: 'red', consumption: 'orange', sold_out: 'red' };
  expect(assess(picture({ level: level(500, 0, 500, 'sold_out') }))).toEqual(all);
  const none = { coverage: null, consumption: null, sold_out: 'red' };
  expect(assess(picture({ plan: plan({ estimate: null }), level: level(5, 5, 0, 'sold_out') }))).toEqual(none);
  const ended = { coverage: null, consumption: null, sold_out: null };
  expect(assess(picture({ level: level(500, 0, 500, 'ended') }))).toEqual(ended);
});

test('[AL-13] coverage has room of 5 % before it is over, and consumption never is', () => {
  const clear = (available: number) => isClear('coverage', picture({ level: level(available, 0, 0) }));
  expect([clear(600), clear(629), clear(630)]).toEqual([false, false, true]);
  expect(isClear('consumption', picture())).toBe(false);
  expect(isClear('sold_out', picture({ level: level(5, 4, 0) }))).toBe(true);
});

test('[AL-16] what is missing is the line less what is left, never less than nothing', () => {
  expect(unitsToReplenish(picture({ level: level(500, 400, 0) }))).toBe(500);
  expect(unitsToReplenish(picture({ level: level(5_000, 400, 0) }))).toBe(0);
  expect(unitsToReplenish(picture({ plan: plan({ estimate: 333 }), level: level(0, 0, 0) }))).toBe(400);
});

test('[AL-1] whatever the plan: coefficients between 1 and 2.5, more lead and less confidence never lower the line, texts fit', () => {
  const anyPlan = fc.record({
    estimate: fc.integer({ min: 1, max: 1_000_000 }),
    leadTimeDays: fc.integer({ min: 0, max: 364 }),
    confidence: fc.constantFrom('high' as const, 'medium' as const, 'low' as const),
    curveClass: fc.constantFrom('opening_peak' as const, 'steady' as const, 'slow_burn' as const, 'rundown' as const),
  });
  fc.assert(
    fc.property(anyPlan, fc.constantFrom('none' as const, 'raised' as const, 'relaxed' as const), (some, move) => {
      const line = coverageLineOf(plan(some), move);
      expect(line?.coefficientPercent).toBeGreaterThanOrEqual(100);
      expect(line?.coefficientPercent).toBeLessThanOrEqual(250);
      const longer = coverageLineOf(plan({ ...some, leadTimeDays: some.leadTimeDays + 1 }), move);
      expect(longer?.line).toBeGreaterThanOrEqual(line?.line ?? 0);
      expect(coverageLineOf(plan({ ...some, confidence: 'low' }), move)?.line).toBeGreaterThanOrEqual(line?.line ?? 0);
      for (const { zh, en } of line?.reasons ?? []) expect(Math.max(zh.length, en.length)).toBeLessThanOrEqual(200);
    }),
  );
});

test('[AL-20] steps go through assignee and on-call order one by one, then to all at once; without anybody to the channels', () => {
  const people = ['anna', 'bo'].map((name) => ({ personId: name, name, phone: null, email: null, channelIds: [] }));
  const [anna = null] = people;
  const names = (step: number, who: Partial<Parameters<typeof recipientsAt>[1]> = {}) => {
    const to = recipientsAt(step, { onCall: people, assignee: null, everyChannel: false, ...who });
    return [...to.people.map(({ name }) => name), to.everyChannel];
  };
  expect([0, 1, 2, 3].map((step) => names(step))).toEqual([
    ['anna', false],
    ['bo', false],
    ['anna', 'bo', true],
    ['anna', 'bo', true],
  ]);
  const cleo = { personId: 'cleo', name: 'cleo', phone: null, email: null, channelIds: [] };
  expect([names(0, { assignee: cleo }), names(1, { assignee: cleo })]).toEqual([
    ['cleo', false],
    ['anna', false],
  ]);
  expect(names(1, { assignee: anna })).toEqual(['bo', false]);
  expect([names(0, { onCall: [] }), names(1, { onCall: [] })]).toEqual([[false], [true]]);
  expect(names(0, { everyChannel: true })).toEqual(['anna', true]);
});
