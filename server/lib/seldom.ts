import { BoundedCache } from './bounded-cache.ts';
import type { Clock } from './clock.ts';

/** Calls `tell` with how many events of this key were left untold since the last one that was told, or does not call it. */
export type Seldom = (key: string, tell: (untold: number) => void) => void;

/** Kinds of events that are remembered; who is forgotten is told of at once the next time. */
const keysMax = 1_000;

/**
 * For what happens again and again while a part is away: the first event of a key is told at once, then one in `everyMs` with the number of
 * those between, so that an hour without a database is some lines of log and not millions.
 */
export function createSeldom({ clock, everyMs }: { readonly clock: Clock; readonly everyMs: number }): Seldom {
  const told = new BoundedCache<{ readonly atMs: number; untold: number }>(keysMax);
  return (key, tell) => {
    const nowMs = clock.now();
    const last = told.get(key);
    // A clock that was set back must not silence anything for long.
    if (last !== undefined && Math.abs(nowMs - last.atMs) < everyMs) {
      last.untold += 1;
      return;
    }
    told.set(key, { atMs: nowMs, untold: 0 });
    tell(last?.untold ?? 0);
  };
}
