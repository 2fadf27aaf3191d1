import type { CurveClass } from '../../../contract/alerts.ts';
import type { Text } from '../../../contract/primitives.ts';

/** What the first hour decided about a coverage line: `none` so far, `kept`: the hour is over and it stays. */
export type LineMove = 'none' | 'raised' | 'relaxed' | 'kept';

export const openingMs = 30 * 60_000;
export const firstHourMs = 60 * 60_000;
const raisePercent = 40;
const relaxPercent = 10;

/**
 * AL-7: the same sales say different things about different items. 40 % in half an hour is nearly what an opening peak does anyway and
 * alarming for a slow burner; under 10 % in an hour is what a slow burner does anyway and a bad sign for an opening peak.
 */
const factors: Record<CurveClass, { readonly raised: number; readonly relaxed: number }> = {
  opening_peak: { raised: 110, relaxed: 80 },
  steady: { raised: 125, relaxed: 85 },
  rundown: { raised: 120, relaxed: 90 },
  slow_burn: { raised: 140, relaxed: 95 },
};

export function moveFactorPercent(move: LineMove, curveClass: CurveClass): number {
  return move === 'raised' || move === 'relaxed' ? factors[curveClass][move] : 100;
}

/**
 * AL-6: whether sales of the first hour move the line; null: nothing to decide now. One decision per item: 40 % of the estimate within
 * 30 minutes (the last moment included) raises at once; less than 10 % when 60 minutes are over relaxes.
 */
export function decideMove(picture: {
  readonly present: LineMove;
  readonly consumed: number;
  /** The original one: a new estimate must not undo what sales have said. */
  readonly estimate: number | null;
  readonly openedAtMs: number | null;
  readonly nowMs: number;
}): Exclude<LineMove, 'none'> | null {
  const { present, consumed, estimate, openedAtMs, nowMs } = picture;
  if (present !== 'none' || openedAtMs === null || estimate === null || estimate === 0) return null;
  const openMs = nowMs - openedAtMs;
  if (openMs <= openingMs && consumed * 100 >= estimate * raisePercent) return 'raised';
  if (openMs < firstHourMs) return null;
  return consumed * 100 < estimate * relaxPercent ? 'relaxed' : 'kept';
}

const classNames: Record<CurveClass, Text> = {
  opening_peak: { zh: '开场爆发', en: 'opening peak' },
  steady: { zh: '平稳', en: 'steady' },
  slow_burn: { zh: '慢热', en: 'slow burn' },
  rundown: { zh: '跟随讲解节奏', en: 'follows the rundown' },
};

export function movedWhy(move: LineMove, curveClass: CurveClass, coefficientPercent: number): Text {
  const coefficient = (coefficientPercent / 100).toFixed(2);
  const name = classNames[curveClass];
  return move === 'raised'
    ? {
        zh: `开售 30 分钟内已卖出预估的 40% 以上，预警线上调（曲线：${name.zh}）：系数 ${coefficient}`,
        en: `At least 40 % of the estimate went in the first 30 minutes: line raised (curve: ${name.en}), coefficient ${coefficient}`,
      }
    : {
        zh: `开售 1 小时卖出不到预估的 10%，预警线下调（曲线：${name.zh}）：系数 ${coefficient}`,
        en: `Less than 10 % of the estimate went in the first hour: line relaxed (curve: ${name.en}), coefficient ${coefficient}`,
      };
}
