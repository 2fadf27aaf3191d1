import { expect, test } from 'vitest';
import type { ItemPace } from '../../contract/pace.ts';
import { sellOutOf, spanOf } from './times.ts';
import { wordsIn } from './words.ts';

const en = wordsIn.en;
const pace = (more: Partial<ItemPace>): ItemPace => ({
  skuId: 'tea',
  consumed: 10,
  available: 20,
  velocity: { perMinute: 2, low: 1, high: 3 },
  sellOutInMs: { expected: 600_000, low: 400_000, high: null },
  needUntilEnd: null,
  state: 'unknown',
  tier: null,
  ...more,
});

test('[OV-17] minutes, hours, or why there is no number', () => {
  const nowMs = new Date(2_026, 10, 11, 20, 5).getTime();
  expect(sellOutOf(pace({}), nowMs, en)).toEqual({ kind: 'in', text: 'Sells out in 10 min', clock: 'about 20:15' });
  expect(sellOutOf(pace({ velocity: null, sellOutInMs: null }), nowMs, en)?.text).toBe(en.paceUnknown);
  expect(sellOutOf(pace({ sellOutInMs: null }), nowMs, en)?.text).toBe(en.notSoon);
  const inADay = { expected: 86_400_000, low: 1, high: null };
  expect(sellOutOf(pace({ sellOutInMs: inADay }), nowMs, en)?.text).toBe(en.notSoon);
  expect(sellOutOf(pace({ available: 0 }), nowMs, en)).toBeNull();
  expect(sellOutOf(undefined, nowMs, en)).toBeNull();
});

test('[OV-17] spans change about once a minute', () => {
  expect([0, 59_999, 60_000, 89_999, 7_199_999, 9_000_000].map((ms) => spanOf(ms, en))).toEqual([
    'under 1 min',
    'under 1 min',
    '1 min',
    '1 min',
    '120 min',
    '2.5 h',
  ]);
});
