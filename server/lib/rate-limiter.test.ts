import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedCache } from './bounded-cache.ts';
import { createRateLimiter } from './rate-limiter.ts';

test('[AC-10] over any span no key gets more than its burst and its rate, and waiting as told is always enough', () => {
  const arrivals = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 3_000 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(arrivals, (steps) => {
      let nowMs = 1_000;
      const [perMinute, burst] = [60, 5];
      const limiter = createRateLimiter({ perMinute, burst, keysMax: 10, clock: { now: () => nowMs } });
      const granted: Record<string, number> = { a: 0, b: 0 };
      for (const [key, pauseMs] of steps) {
        nowMs += pauseMs;
        const waitMs = limiter.take(key);
        if (waitMs === 0) granted[key] = (granted[key] ?? 0) + 1;
        expect(granted[key]).toBeLessThanOrEqual(burst + ((nowMs - 1_000) * perMinute) / 60_000 + 1e-6);
        if (waitMs > 0) {
          nowMs += waitMs;
          expect(limiter.take(key)).toBe(0);
          granted[key] = (granted[key] ?? 0) + 1;
        }
      }
    }),
  );
});

test('[AC-10] a clock that is set back takes nothing away', () => {
  let nowMs = 100_000;
  const limiter = createRateLimiter({ perMinute: 60, burst: 2, keysMax: 10, clock: { now: () => nowMs } });
  expect(limiter.take('a')).toBe(0);
  nowMs = 0;
  expect(limiter.take('a')).toBe(0);
  expect(limiter.take('a')).toBeGreaterThan(0);
});

test('[AC-17] a cache keeps the entries that were used last, and never more than it may', () => {
  const cache = new BoundedCache<number>(2);
  cache.set('a', 1);
  cache.set('b', 2);
  expect(cache.get('a')).toBe(1);
  cache.set('c', 3);
  expect([cache.get('a'), cache.get('b'), cache.get('c'), cache.size]).toEqual([1, undefined, 3, 2]);
});
