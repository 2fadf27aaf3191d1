import type * as z from 'zod/mini';
import type { Confidence, CurveClass } from '../../contract/alerts.ts';
import type { BandPoint, ItemPace } from '../../contract/pace.ts';

/** A stretch of time in which the anchor explained the item; `untilMs` null: still does. */
export type Explained = { readonly fromMs: number; readonly untilMs: number | null };

/** What an item's consumption is compared with. Times in ms since 1970, `estimate` in units. */
export type Expectation = {
  readonly estimate: number;
  readonly confidence: z.infer<typeof Confidence>;
  readonly curveClass: CurveClass;
  /** The sale of the item opened. */
  readonly fromMs: number;
  /** Planned end of the livestream, later than `fromMs`. */
  readonly untilMs: number;
  /** For `rundown`: when the item was explained, oldest first. */
  readonly explained: readonly Explained[];
};

export type Expected = { readonly expected: number; readonly lower: number; readonly upper: number };

/** Before it, a few buyers decide whether an item looks fast or slow. */
const tooEarlyMs = 60_000;
const bandPoints = 120;

/** Half the width of the band as a share of what is expected: a judgement, as the estimate itself is one. */
const widthOf: Readonly<Record<z.infer<typeof Confidence>, number>> = { high: 0.2, medium: 0.3, low: 0.45 };
/** Nobody knows beforehand when the anchor will come back to an item. */
const rundownExtraWidth = 0.15;

/** After this long an explanation has brought two thirds (1 − 1/e) of what it brings: about one turn of an item. */
const explainedMs = 5 * 60_000;
/** Part of a rundown item's sales that comes without being explained. */
const unexplainedShare = 0.1;

/**
 * Share of the estimate, 0…1, that is expected after `u` (0…1) of the item's time; begins at 0, ends at 1, never falls.
 * - `opening_peak` 开场爆发: (1 − e^−4u) / (1 − e^−4): two fifths in the first eighth (half an hour of four), which is where an item that
 *   sells faster than its line allows begins.
 * - `steady` 平稳: u.
 * - `slow_burn` 慢热: a logistic with its middle at 0.6 and steepness 10, scaled to 0…1: 3 % in the first quarter, half at 0.6.
 */
export function shareSold(curveClass: Exclude<CurveClass, 'rundown'>, u: number): number {
  const at = Math.min(1, Math.max(0, u));
  if (curveClass === 'steady') return at;
  if (curveClass === 'opening_peak') return (1 - Math.exp(-4 * at)) / (1 - Math.exp(-4));
  return (logistic(at) - logistic(0)) / (logistic(1) - logistic(0));
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-10 * (x - 0.6)));

/**
 * `rundown` 跟随讲解节奏: a tenth comes with time as a steady item's, nine tenths come while the item is explained, most of it early:
 * 1 − e^−t/5 min after t of explanation. What is not explained yet is not expected yet.
 */
function shareOfRundown(expectation: Expectation, atMs: number): number {
  const { fromMs, untilMs, explained } = expectation;
  const passedMs = explained.reduce((sum, stretch) => {
    const endMs = Math.min(stretch.untilMs ?? atMs, atMs, untilMs);
    return sum + Math.max(0, endMs - Math.max(stretch.fromMs, fromMs));
  }, 0);
  const steady = shareSold('steady', (atMs - fromMs) / (untilMs - fromMs));
  return unexplainedShare * steady + (1 - unexplainedShare) * (1 - Math.exp(-passedMs / explainedMs));
}

/**
 * Expected consumption at an instant with its band: ± 20, 30 or 45 % by confidence (rundown 15 points more), and two standard
 * deviations of a Poisson count, so that the first sales of an item do not look like a trend. All three never fall with time.
 */
export function expectedAt(expectation: Expectation, atMs: number): Expected {
  const { estimate, confidence, curveClass, fromMs, untilMs } = expectation;
  const share =
    curveClass === 'rundown'
      ? shareOfRundown(expectation, atMs)
      : shareSold(curveClass, (atMs - fromMs) / (untilMs - fromMs));
  const expected = estimate * share;
  const width = widthOf[confidence] + (curveClass === 'rundown' ? rundownExtraWidth : 0);
  const noise = 2 * Math.sqrt(expected);
  return {
    expected,
    lower: Math.max(0, expected * (1 - width) - noise),
    upper: expected * (1 + width) + noise,
  };
}

/** Units a minute that the curve expects just now: its slope over the next minute. */
export function expectedRate(expectation: Expectation, nowMs: number): number {
  return expectedAt(expectation, nowMs + 60_000).expected - expectedAt(expectation, nowMs).expected;
}

/** The whole band for drawing: 121 points from the opening to the planned end, in tenths of a unit. A rundown is drawn as known now. */
export function bandOf(expectation: Expectation): BandPoint[] {
  const { fromMs, untilMs } = expectation;
  return Array.from({ length: bandPoints + 1 }, (_, index) => {
    const atMs = Math.round(fromMs + ((untilMs - fromMs) * index) / bandPoints);
    const { expected, lower, upper } = expectedAt(expectation, atMs);
    return [atMs, tenths(expected), tenths(lower), tenths(upper)];
  });
}

/** Consumption against the band now; `unknown` without an expectation, and in the first minute of the sale. */
export function paceStateOf(expectation: Expectation | null, consumed: number, nowMs: number): ItemPace['state'] {
  if (expectation === null || nowMs < expectation.fromMs + tooEarlyMs) return 'unknown';
  const { lower, upper } = expectedAt(expectation, nowMs);
  if (consumed > upper) return 'over';
  return consumed < lower ? 'under' : 'inside';
}

const tenths = (value: number): number => Math.round(value * 10) / 10;
