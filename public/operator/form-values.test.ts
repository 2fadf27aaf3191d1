import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { settingsOf, settingsText } from './channel-settings.ts';
import { boundsOf, countOf, isId, limitOf, majorText, minorOf, momentOf, momentText } from './form-values.ts';
import { allottedMin, allottedOf, countsOf } from './item-counts.ts';
import { planOf } from './plan-values.ts';

test('[CO-9] a price is never rounded: more digits than the currency has are a mistake', () => {
  expect(minorOf('99.9', 'CNY')).toBe(9_990);
  expect(minorOf(' 99 ', 'CNY')).toBe(9_900);
  expect(minorOf('99。5', 'CNY')).toBe(9_950);
  expect(minorOf('99.999', 'CNY')).toBeUndefined();
  expect(minorOf('1200', 'JPY')).toBe(1_200);
  expect(minorOf('1200.5', 'JPY')).toBeUndefined();
  for (const text of ['', '-1', '1e3', '九十九', '1,000']) expect(minorOf(text, 'CNY')).toBeUndefined();
});

test('[CO-9] a price that is shown and read again is the same price', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000_000), fc.constantFrom('CNY', 'JPY', 'KWD', 'USD'), (amountMinor, currency) => {
      expect(minorOf(majorText(amountMinor, currency), currency)).toBe(amountMinor);
    }),
  );
});

test('[CO-9] counts are whole and bounded, an empty limit is no limit', () => {
  expect(countOf('0')).toBe(0);
  expect(countOf('12', { min: 13 })).toBeUndefined();
  for (const text of ['', '1.5', '-3', '12345678901', 'abc']) expect(countOf(text)).toBeUndefined();
  expect(limitOf(' ')).toBeNull();
  expect(limitOf('2')).toBe(2);
  expect(limitOf('0')).toBeUndefined();
  expect(limitOf('10000')).toBeUndefined();
});

test('[CO-9] bounds of bands ascend from one', () => {
  expect(boundsOf('1, 10，100')).toEqual([1, 10, 100]);
  for (const text of ['', '10, 1', '1, 1', '0, 5', 'a', '1 2 3 4 5 6 7 8 9']) expect(boundsOf(text)).toBeUndefined();
});

test('[CO-9] a moment that is shown and read again is the same minute', () => {
  const atMs = Date.UTC(2026, 10, 23, 12, 34);
  expect(momentOf(momentText(atMs))).toBe(atMs);
  expect([momentText(null), momentText(0)]).toEqual(['', '']);
  expect([momentOf(''), momentOf('soon')]).toEqual([undefined, undefined]);
});

test('[CO-9] ids are those of the contract', () => {
  expect(['sku-1', '1234567890123456789', 'a_b.c'].every(isId)).toBe(true);
  expect(['', 'a b', 'a:b', '规格', 'x'.repeat(65)].some(isId)).toBe(false);
});

test('[CO-8] the smallest pool is what is held and sold', () => {
  const counts = countsOf({ epoch: 1, version: 2, shown: 103, held: 2, sold: 515, status: 'on_sale' });
  expect([allottedOf(counts), allottedMin(counts)]).toEqual([620, 517]);
  expect(countsOf(undefined)).toEqual({ available: 0, held: 0, sold: 0, status: 'loading' });
});

const rest = { confidence: 'high', curveClass: 'steady', core: false, redPolicy: 'ask', dynamicLine: true } as const;

test('[CO-10] percents ascend, an empty estimate is none', () => {
  const plan = planOf({ estimate: '500', leadTimeDays: '3', percents: ['80', '100', '120'], rest });
  expect(plan).toEqual({
    ...rest,
    estimate: 500,
    leadTimeDays: 3,
    yellowPercent: 80,
    orangePercent: 100,
    redPercent: 120,
  });
  expect(planOf({ estimate: ' ', leadTimeDays: '3', percents: ['80', '100', '120'], rest })?.estimate).toBeNull();
  for (const percents of [
    ['100', '100', '120'],
    ['80', '130', '120'],
    ['0', '100', '120'],
    ['80', '', '120'],
  ] as const) {
    expect(planOf({ estimate: '500', leadTimeDays: '3', percents, rest })).toBeNull();
  }
  expect(planOf({ estimate: '5.5', leadTimeDays: '3', percents: ['80', '100', '120'], rest })).toBeNull();
  expect(planOf({ estimate: '500', leadTimeDays: '366', percents: ['80', '100', '120'], rest })).toBeNull();
});

test('[CO-9] settings of a channel are lines, whose values may hold any sign', () => {
  const text = 'url=https://robot.example/send?access_token=abc\n\nsecret = SEC=1 ';
  const settings = settingsOf(text);
  expect(settings).toEqual({ url: 'https://robot.example/send?access_token=abc', secret: 'SEC=1' });
  expect(settingsOf(settingsText(settings ?? {}))).toEqual(settings);
  expect([settingsOf('no sign'), settingsOf('=value'), settingsOf('a b=1')]).toEqual([null, null, null]);
  expect(settingsOf('')).toEqual({});
});
