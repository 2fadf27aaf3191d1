import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { LivestreamCatalogue } from './livestream-catalogue.ts';

/** The answer counts this long: a crowd that comes back at once asks the database once, not thousands of times. */
const freshMs = 1_000;
const livestreamsMax = 1_000;

type Asked = { readonly atMs: number; readonly answer: Promise<boolean | null> };

/** Whether viewers without a buyer's identity may join (null: no such livestream), as the catalogue said at most a second ago. */
export function anonymousViewers({
  catalogue,
  clock,
}: {
  catalogue: Pick<LivestreamCatalogue, 'allowsAnonymous'>;
  clock: Clock;
}): (livestreamId: string) => Promise<boolean | null> {
  const asked = new BoundedCache<Asked>(livestreamsMax);
  return (livestreamId) => {
    const nowMs = clock.now();
    const before = asked.get(livestreamId);
    if (before !== undefined && Math.abs(nowMs - before.atMs) < freshMs) return before.answer;
    const answer = catalogue.allowsAnonymous(livestreamId);
    asked.set(livestreamId, { atMs: nowMs, answer });
    const forget = () => asked.delete(livestreamId);
    // Who waits hears of a failure, or that there is none; who comes after it asks again.
    answer.then((known) => known ?? forget(), forget);
    return answer;
  };
}
