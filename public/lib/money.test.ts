import { expect, test } from 'vitest';
import { formatPrice } from './money.ts';

test('[VW-18] prices have the digits of their currency', () => {
  expect(formatPrice(123_456, 'CNY', 'zh-CN')).toBe('¥1,234.56');
  expect(formatPrice(990, 'CNY', 'en')).toBe('¥9.90');
  expect(formatPrice(990, 'JPY', 'en')).toBe('¥990');
  expect(formatPrice(1_234, 'KWD', 'en')).toContain('1.234');
  expect(formatPrice(0, 'GBP', 'en')).toBe('£0.00');
});
