import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';

/** The answer counts this long: a crowd that comes back at once asks the database once, not thousands of times. */
const freshMs = 1_000;
const livestreamsMax = 1_000;

type Asked = { readonly atMs: number; readonly answer: Promise<boolean> };

/** Whether viewers without a buyer's identity may join, as the catalogue said at most a second ago. */
export function anonymousViewers({
  catalogue,
  clock,
}: {
  catalogue: Pick<LivestreamCatalogue, 'allowsAnonymous'>;
  clock: Clock;
}): (livestreamId: string) => Promise<boolean> {
  const asked = new BoundedCache<Asked>(livestreamsMax);
  return (livestreamId) => {
    const nowMs = clock.now();
    const known = asked.get(livestreamId);
    if (known !== undefined && Math.abs(nowMs - known.atMs) < freshMs) return known.answer;
    const answer = catalogue.allowsAnonymous(livestreamId);
    asked.set(livestreamId, { atMs: nowMs, answer });
    // Who waits hears of the failure; who comes after it asks again.
    answer.catch(() => asked.delete(livestreamId));
    return answer;
  };
}
