import { expect, test } from 'vitest';
import { formatAge, formatCount, formatLag, formatRange, formatRate, formatSpan } from './format.ts';
import { sparklinePath } from './sparkline.ts';

test('[CO-2] what is not known is a dash, never a zero', () => {
  expect([formatCount(null, 'zh'), formatRate(null, 'zh'), formatSpan(null)]).toEqual(['—', '—', '—']);
  expect([formatCount(0, 'zh'), formatRate(0, 'zh'), formatSpan(0)]).toEqual(['0', '0.0', '0:00']);
});

test('[CO-2] spans fit a column: minutes, hours, days', () => {
  expect(formatSpan(245_000)).toBe('4:05');
  expect(formatSpan(7_800_000)).toBe('2:10:00');
  expect(formatSpan(47 * 3_600_000)).toBe('47:00:00');
  expect(formatSpan(49 * 3_600_000)).toBe('2d');
  expect(formatSpan(-5)).toBe('0:00');
});

test('[CO-2] a rate has one decimal only where it says something', () => {
  expect(formatRate(9.94, 'en')).toBe('9.9');
  expect(formatRate(41.6, 'en')).toBe('42');
  expect(formatRate(1_234.5, 'en')).toBe('1,235');
});

test('[CO-2] a range names both ends, one where they are the same, and an open one as open', () => {
  expect(formatRange(3.2, 7.8, 'en')).toBe('3–8');
  expect(formatRange(3.2, 3.4, 'en')).toBe('3');
  expect(formatRange(1_200, null, 'en')).toBe('1,200–∞');
});

test('[CO-2] ages are in the largest whole unit, in both languages', () => {
  expect([0, 59_999, 60_000, 7_200_000].map((ageMs) => formatAge(ageMs, 'en'))).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '2 h',
  ]);
  expect(formatAge(300_000, 'zh')).toBe('5 分钟');
  expect(formatAge(-400, 'zh')).toBe('0 秒');
});

test('[CO-2] the lag keeps its width', () => {
  expect([0, 940, 5_000_000].map(formatLag)).toEqual(['0.0 s', '0.9 s', '999.0 s']);
});

test('[CO-2] a sparkline spans its box from the first point to the last, and needs two', () => {
  expect(sparklinePath([], 100, 30)).toBe('');
  expect(sparklinePath([[0, 1, 1]], 100, 30)).toBe('');
  expect(
    sparklinePath(
      [
        [1_000, 10, 5],
        [2_000, 20, 4],
        [3_000, 30, 3],
      ],
      100,
      30,
    ),
  ).toBe('M0.0 29.0L50.0 15.0L100.0 1.0');
});

test('[CO-2] a long curve becomes a short line that ends in its newest point', () => {
  const points = Array.from({ length: 3_000 }, (_, at): [number, number, number] => [at * 1_000, at, 0]);
  const path = sparklinePath(points, 96, 28);
  expect(path.split('L').length).toBe(50);
  expect(path.endsWith('L96.0 1.0')).toBe(true);
});

test('[CO-2] sales that stand still are a level line', () => {
  expect(
    sparklinePath(
      [
        [0, 7, 1],
        [5_000, 7, 1],
      ],
      10,
      10,
    ),
  ).toBe('M0.0 9.0L10.0 9.0');
});
