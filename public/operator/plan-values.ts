import type { ItemPlan } from '../../contract/alerts.ts';
import { countOf } from './form-values.ts';

type Written = {
  readonly estimate: string;
  readonly leadTimeDays: string;
  /** Yellow, orange, red. */
  readonly percents: readonly [string, string, string];
  readonly rest: Pick<ItemPlan, 'confidence' | 'curveClass' | 'core' | 'redPolicy' | 'dynamicLine'>;
};

/** The plan as it was written; null: a number is none, or the percents do not ascend. An empty estimate means that there is none. */
export function planOf({ estimate, leadTimeDays, percents, rest }: Written): ItemPlan | null {
  const units = estimate.trim() === '' ? null : countOf(estimate);
  const days = countOf(leadTimeDays, { max: 365 });
  const [yellow, orange, red] = percents.map((percent) => countOf(percent, { min: 1, max: 1_000 }));
  if (units === undefined || days === undefined) return null;
  if (yellow === undefined || orange === undefined || red === undefined) return null;
  if (yellow >= orange || orange >= red) return null;
  return {
    ...rest,
    estimate: units,
    leadTimeDays: days,
    yellowPercent: yellow,
    orangePercent: orange,
    redPercent: red,
  };
}
