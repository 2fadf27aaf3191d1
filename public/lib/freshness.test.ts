import { describe, expect, test } from 'vitest';
import { judgeSilence, ResyncPolicy } from './freshness.ts';

const always = () => true;
const never = () => false;

describe('freshness', () => {
  test('[VW-6] silence is stale after five seconds and dead after fifteen', () => {
    expect([0, 4_999, 5_000, 14_999, 15_000].map(judgeSilence)).toEqual(['fresh', 'fresh', 'stale', 'stale', 'dead']);
  });

  test('[VW-5] asks once, later than 300 ms, spread by chance', () => {
    const [early, late] = [new ResyncPolicy(() => 0), new ResyncPolicy(() => 0.999)];
    for (const policy of [early, late]) policy.behind({ epoch: 1, upTo: 9 }, 1_000);
    expect(early.due(always, 1_299)).toBe(false);
    expect(early.due(always, 1_300)).toBe(true);
    expect(early.due(always, 1_500)).toBe(false);
    expect(late.due(always, 1_900)).toBe(false);
    expect(late.due(always, 2_000)).toBe(true);
  });

  test('[VW-5] does not ask when the rows come in time', () => {
    const policy = new ResyncPolicy(() => 0);
    policy.behind({ epoch: 1, upTo: 9 }, 1_000);
    expect(policy.due(never, 1_200)).toBe(false);
    policy.behind({ epoch: 1, upTo: 12 }, 2_000);
    expect(policy.due(always, 2_100)).toBe(false);
  });

  test('[VW-5] newer heartbeats do not postpone the question', () => {
    const policy = new ResyncPolicy(() => 0);
    for (let upTo = 10; upTo < 20; upTo += 1) policy.behind({ epoch: 1, upTo }, 1_000 + upTo);
    expect(policy.due(always, 1_310)).toBe(true);
  });

  test('[VW-5] asks again after five seconds without a snapshot, at once after one', () => {
    const policy = new ResyncPolicy(() => 0);
    policy.behind({ epoch: 1, upTo: 9 }, 0);
    expect(policy.due(always, 300)).toBe(true);
    expect(policy.due(always, 5_299)).toBe(false);
    expect(policy.due(always, 5_300)).toBe(true);
    policy.reset();
    policy.behind({ epoch: 1, upTo: 10 }, 5_400);
    expect(policy.due(always, 5_700)).toBe(true);
  });
});
