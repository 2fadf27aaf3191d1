import type { AlertTier, ItemPlan } from '../../../contract/alerts.ts';

type Percents = Pick<ItemPlan, 'yellowPercent' | 'orangePercent' | 'redPercent'>;

/** AL-2: the highest tier that held + sold has reached, measured against the original estimate; null: none. */
export function consumptionTier(consumed: number, originalEstimate: number, percents: Percents): AlertTier | null {
  const reached = (percent: number) => consumed > 0 && consumed * 100 >= originalEstimate * percent;
  if (reached(percents.redPercent)) return 'red';
  if (reached(percents.orangePercent)) return 'orange';
  return reached(percents.yellowPercent) ? 'yellow' : null;
}

/** Units at which a tier fires. */
export function unitsAt(tier: AlertTier, originalEstimate: number, percents: Percents): number {
  const percent = { yellow: percents.yellowPercent, orange: percents.orangePercent, red: percents.redPercent }[tier];
  return Math.max(1, Math.ceil((originalEstimate * percent) / 100));
}
