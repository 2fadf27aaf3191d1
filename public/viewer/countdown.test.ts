import { expect, test } from 'vitest';
import { effectiveStatus } from '../../contract/levels.ts';
import { clockText } from './countdown.ts';

test('[VW-15] a countdown shows 00:00 only when the moment has come', () => {
  expect([600_000, 598_001, 1, 0, -5, 3_600_000].map(clockText)).toEqual([
    '10:00',
    '09:59',
    '00:01',
    '00:00',
    '00:00',
    '1:00:00',
  ]);
});

test('[VW-15] the item opens at its moment without a message', () => {
  expect(effectiveStatus('scheduled', true, 1_000, 999)).toBe('scheduled');
  expect(effectiveStatus('scheduled', true, 1_000, 1_000)).toBe('on_sale');
  expect(effectiveStatus('scheduled', false, 1_000, 1_000)).toBe('sold_out');
});
