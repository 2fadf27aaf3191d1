import { expect, test } from 'vitest';
import { backOffMs } from './back-off.ts';

test('[VW-8] pauses double from one second to thirty and keep at least half', () => {
  const reconnect = { firstMs: 1_000, maxMs: 30_000 };
  expect([0, 1, 4, 5, 1_000].map((attempt) => backOffMs(reconnect, attempt, 1))).toEqual([
    1_000, 2_000, 16_000, 30_000, 30_000,
  ]);
  expect(backOffMs(reconnect, 5, 0)).toBe(15_000);
});
