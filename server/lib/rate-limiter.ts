import { BoundedCache } from './bounded-cache.ts';
import type { Clock } from './clock.ts';

export type RateLimiter = {
  /** Takes one token of `key`: 0 when there was one, else the milliseconds until there is. */
  take(key: string): number;
};

/**
 * A token bucket per key: `burst` at once, then `perMinute` evenly. Remembers the `keysMax` keys used last; who is forgotten starts
 * with a full bucket, so an attacker with that many addresses gains what so many addresses gain anyway.
 */
export function createRateLimiter(options: {
  readonly perMinute: number;
  readonly burst: number;
  readonly keysMax: number;
  readonly clock: Clock;
}): RateLimiter {
  const { perMinute, burst, keysMax, clock } = options;
  const tokensPerMs = perMinute / 60_000;
  const buckets = new BoundedCache<{ tokens: number; atMs: number }>(keysMax);
  return {
    take(key) {
      const nowMs = clock.now();
      const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
      // A clock that was set back must not take tokens away.
      const elapsedMs = Math.max(0, nowMs - bucket.atMs);
      const tokens = Math.min(burst, bucket.tokens + elapsedMs * tokensPerMs);
      if (tokens < 1) {
        buckets.set(key, { tokens, atMs: nowMs });
        return Math.ceil((1 - tokens) / tokensPerMs);
      }
      buckets.set(key, { tokens: tokens - 1, atMs: nowMs });
      return 0;
    },
  };
}
