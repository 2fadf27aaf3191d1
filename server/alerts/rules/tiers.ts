import type { AlertTier } from '../../../contract/alerts.ts';

/** Ascending: a higher tier stands behind a lower one. */
export const tiers = ['yellow', 'orange', 'red'] as const satisfies readonly AlertTier[];

const rank: Record<AlertTier, number> = { yellow: 0, orange: 1, red: 2 };

/** Every tier up to and with `tier`, in the order in which they are raised. */
export const tiersUpTo = (tier: AlertTier): readonly AlertTier[] => tiers.slice(0, rank[tier] + 1);

export const isHigher = (a: AlertTier, b: AlertTier): boolean => rank[a] > rank[b];

/** null where there is none. */
export function highest(some: Iterable<AlertTier>): AlertTier | null {
  let top: AlertTier | null = null;
  for (const tier of some) if (top === null || isHigher(tier, top)) top = tier;
  return top;
}
