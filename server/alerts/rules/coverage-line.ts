import type { AlertTier, ItemPlan } from '../../../contract/alerts.ts';
import type { Text } from '../../../contract/primitives.ts';
import { type LineMove, movedWhy, moveFactorPercent } from './dynamic-line.ts';

export type CoverageLine = {
  /** Coefficient × 100, an integer: 120…220 by itself, 100…250 with the first hour's move. */
  readonly coefficientPercent: number;
  /** estimate × coefficient; may have a fraction. */
  readonly line: number;
  readonly reasons: readonly Text[];
};

/** AL-1: goods that are here within three days. */
const shortLeadDays = 3;
const basePercent = 120;
const leadPercentMax = 200;
const confidencePercent: Record<ItemPlan['confidence'], number> = { high: 0, medium: 10, low: 20 };
/** AL-6: wherever the first hour moves it, the line stays between the estimate itself and 2.5 times of it. */
const bounds = { min: 100, max: 250 };

/** AL-4: below these shares of the line coverage is orange and red. */
export const coverageShares = { orange: 50, red: 20 } as const;

/** AL-1: estimate × coefficient, with why it is what it is. Whole percents, so that 500 × 1.2 is 600 and not nearly 600. */
export function coverageLineOf(plan: ItemPlan, move: LineMove): CoverageLine | null {
  if (plan.estimate === null) return null;
  const lead = Math.min(leadPercentMax, basePercent + 10 * Math.max(0, plan.leadTimeDays - shortLeadDays));
  const planned = lead + confidencePercent[plan.confidence];
  const factor = plan.dynamicLine ? moveFactorPercent(move, plan.curveClass) : 100;
  const moved = Math.round((planned * factor) / 100);
  // What the operator's own numbers give is never bounded, only what the first hour makes of it.
  const coefficientPercent = factor === 100 ? planned : Math.min(bounds.max, Math.max(bounds.min, moved));
  return {
    coefficientPercent,
    line: (plan.estimate * coefficientPercent) / 100,
    reasons: [
      leadWhy(plan.leadTimeDays, lead),
      ...confidenceWhy(plan.confidence),
      ...(factor === 100 ? [] : [movedWhy(move, plan.curveClass, coefficientPercent)]),
    ],
  };
}

/** AL-4: the highest tier that `available` is in; null: covered. */
export function coverageTier(available: number, { line }: Pick<CoverageLine, 'line'>): AlertTier | null {
  if (available * 100 < line * coverageShares.red) return 'red';
  if (available * 100 < line * coverageShares.orange) return 'orange';
  return available < line ? 'yellow' : null;
}

/** AL-13: 5 % above the line, so that a few units back and forth across it are one alert. */
export const coverageIsClear = (available: number, { line }: Pick<CoverageLine, 'line'>): boolean =>
  available * 100 >= line * 105;

function leadWhy(days: number, percent: number): Text {
  const coefficient = (percent / 100).toFixed(1);
  return days <= shortLeadDays
    ? {
        zh: `补货周期 ${days} 天（不超过 3 天）：系数 ${coefficient}`,
        en: `Resupply takes ${days} days (3 at most): coefficient ${coefficient}`,
      }
    : {
        zh: `补货周期 ${days} 天，长于 3 天：系数 ${coefficient}（每多一天加 0.1，最高 2.0）`,
        en: `Resupply takes ${days} days, longer than 3: coefficient ${coefficient} (0.1 more for each day, 2.0 at most)`,
      };
}

function confidenceWhy(confidence: ItemPlan['confidence']): readonly Text[] {
  const percent = confidencePercent[confidence];
  if (percent === 0) return [];
  const name = confidence === 'medium' ? { zh: '中', en: 'Medium' } : { zh: '低', en: 'Low' };
  const more = (percent / 100).toFixed(1);
  return [
    {
      zh: `预估可信度${name.zh}：系数加 ${more}`,
      en: `${name.en} confidence in the estimate: ${more} more`,
    },
  ];
}
