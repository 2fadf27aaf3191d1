import type { ItemPace } from '../../contract/pace.ts';
import { timeOfDay } from '../lib/charts/ticks.ts';
import type { Words } from './words.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
/** Beyond this nobody plans a sentence by it. */
const soonMs = 6 * hourMs;

export type SellOut =
  | { readonly kind: 'in'; readonly text: string; readonly clock: string }
  | { readonly kind: 'note'; readonly text: string };

/** When an item sells out, in words that change about once a minute and not with every sale. null: nothing to say. */
export function sellOutOf(pace: ItemPace | undefined, nowMs: number, words: Words): SellOut | null {
  if (pace === undefined || pace.available === 0) return null;
  if (pace.velocity === null) return { kind: 'note', text: words.paceUnknown };
  if (pace.sellOutInMs === null || pace.sellOutInMs.expected > soonMs) return { kind: 'note', text: words.notSoon };
  const { expected } = pace.sellOutInMs;
  return {
    kind: 'in',
    text: words.sellsOutIn(spanOf(expected, words)),
    clock: words.sellsOutAt(timeOfDay(nowMs + expected, false)),
  };
}

export function spanOf(ms: number, words: Words): string {
  if (ms < minuteMs) return words.underAMinute;
  if (ms < 2 * hourMs) return words.minutes(Math.round(ms / minuteMs));
  return words.hours((ms / hourMs).toFixed(1));
}
