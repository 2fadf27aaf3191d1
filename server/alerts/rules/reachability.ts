import type { ItemPlan, ItemPlanView } from '../../../contract/alerts.ts';
import { unitsAt } from './consumption.ts';
import { tiers } from './tiers.ts';

/**
 * AL-5: tiers that can never fire with the stock there is. On consumption: the item is sold out before. (Sold out is red by itself, so
 * silence is never the consequence, but a sale that red should stop will not be stopped by it.)
 */
export function unreachableTiers(
  plan: ItemPlan,
  originalEstimate: number | null,
  allotted: number | null,
): ItemPlanView['unreachable'] {
  if (originalEstimate === null || plan.estimate === null || allotted === null) return [];
  const share = originalEstimate === 0 ? 0 : Math.floor((allotted * 100) / originalEstimate);
  return tiers.flatMap((tier) => {
    const needed = unitsAt(tier, originalEstimate, plan);
    if (needed <= allotted) return [];
    return [
      {
        basis: 'consumption' as const,
        tier,
        why: {
          zh: `需消耗 ${needed} 件才触发，可售总量只有 ${allotted} 件（预估的 ${share}%）：会先售罄`,
          en: `Fires at ${needed} units consumed; there are only ${allotted} (${share} % of the estimate): sold out before`,
        },
      },
    ];
  });
}
