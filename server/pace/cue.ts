import type { AlertTier } from '../../contract/alerts.ts';
import type { ItemPace, PaceCue } from '../../contract/pace.ts';
import type { RankedItem } from './ranking.ts';

/** An item as the cue looks at it. */
export type CuedItem = RankedItem & {
  readonly state: ItemPace['state'];
  readonly tier: AlertTier | null;
  /** Until sold out; null: not foreseeable. */
  readonly sellOutInMs: number | null;
  readonly title: { readonly zh: string; readonly en: string };
};

export type WantedCue = {
  readonly skuId: string | null;
  readonly cue: PaceCue['cue'];
  /** An alert asks for it: no waiting. */
  readonly urgent: boolean;
};

/** A cue stays at least this long: an anchor cannot follow one that changes every second. */
export const holdMs = 20_000;
/** Another cue must be wanted this long before it is given, so that one order at the edge of the band changes nothing. */
export const settleMs = 3_000;

const tierRank: Readonly<Record<AlertTier, number>> = { yellow: 0, orange: 1, red: 2 };

/**
 * The cue that the numbers ask for now:
 * 1. an item that sells and has an open orange or red alert → slow_down, the highest tier first, then the pinned one, then the soonest gone;
 * 2. the pinned item, if it sells, as its consumption and its velocity say;
 * 3. without one, the most urgent item: over the band and soonest gone, else under it with most unsold value; else keep.
 * Over the band asks to slow down only while the item also sells faster than its curve, under it for interaction only while it sells
 * slower: an anchor who has reacted already is not told again.
 */
export function wantedCue(items: readonly CuedItem[]): WantedCue {
  const selling = items.filter(({ sells }) => sells);
  const alarmed = selling
    .filter(isAlarmed)
    .toSorted((a, b) => rankOf(b) - rankOf(a) || Number(b.pinned) - Number(a.pinned) || soonest(a, b))[0];
  if (alarmed !== undefined) return { skuId: alarmed.skuId, cue: 'slow_down', urgent: true };
  const pinned = selling.find((item) => item.pinned);
  if (pinned !== undefined) return { skuId: pinned.skuId, cue: cueOf(pinned), urgent: false };
  const over = selling.filter((item) => cueOf(item) === 'slow_down').toSorted(soonest)[0];
  if (over !== undefined) return { skuId: over.skuId, cue: 'slow_down', urgent: false };
  const under = selling.filter((item) => cueOf(item) === 'interact').toSorted(mostUnsold)[0];
  if (under !== undefined) return { skuId: under.skuId, cue: 'interact', urgent: false };
  return { skuId: null, cue: 'keep', urgent: false };
}

function cueOf({ state, velocity, expectedPerMinute }: CuedItem): PaceCue['cue'] {
  const known = velocity !== null && expectedPerMinute !== null;
  if (state === 'over') return known && velocity.perMinute <= expectedPerMinute ? 'keep' : 'slow_down';
  if (state === 'under') return known && velocity.perMinute >= expectedPerMinute ? 'keep' : 'interact';
  return 'keep';
}

const isAlarmed = ({ tier }: CuedItem): boolean => tier === 'orange' || tier === 'red';
const rankOf = ({ tier }: CuedItem): number => (tier === null ? -1 : tierRank[tier]);
const soonest = (a: CuedItem, b: CuedItem): number => {
  const [first, second] = [a.sellOutInMs ?? Number.MAX_VALUE, b.sellOutInMs ?? Number.MAX_VALUE];
  return first - second || (a.skuId < b.skuId ? -1 : 1);
};
const mostUnsold = (a: CuedItem, b: CuedItem): number =>
  b.unitPriceMinor * b.available - a.unitPriceMinor * a.available || (a.skuId < b.skuId ? -1 : 1);

/** The cue that is given, with hysteresis: see `holdMs` and `settleMs`. One per livestream. */
export class CueKeeper {
  #given: { readonly skuId: string | null; readonly cue: PaceCue['cue']; readonly sinceMs: number };
  #next: { readonly skuId: string | null; readonly cue: PaceCue['cue']; readonly sinceMs: number } | null = null;

  constructor(nowMs: number) {
    // As if given long ago: the first real cue need not wait for the end of a hold.
    this.#given = { skuId: null, cue: 'keep', sinceMs: Math.max(0, nowMs - holdMs) };
  }

  /** What to show now, given what the numbers ask for now. */
  decide(wanted: WantedCue, items: readonly CuedItem[], nowMs: number): PaceCue {
    const given = this.#given;
    if (wanted.cue === given.cue && wanted.skuId === given.skuId) {
      this.#next = null;
    } else {
      if (this.#next === null || this.#next.cue !== wanted.cue || this.#next.skuId !== wanted.skuId) {
        this.#next = { skuId: wanted.skuId, cue: wanted.cue, sinceMs: nowMs };
      }
      const ripe = nowMs - given.sinceMs >= holdMs && nowMs - this.#next.sinceMs >= settleMs;
      if (this.#mayChange(wanted, ripe, items)) {
        this.#given = { skuId: wanted.skuId, cue: wanted.cue, sinceMs: nowMs };
        this.#next = null;
      }
    }
    const { skuId, cue, sinceMs } = this.#given;
    const title = items.find((item) => item.skuId === skuId)?.title ?? null;
    return { skuId, cue, text: textOf(cue, title), sinceMs };
  }

  /** `keep` for one item after another is the same to the anchor; a cue about an item that sells no more is wrong at once. */
  #mayChange(wanted: WantedCue, ripe: boolean, items: readonly CuedItem[]): boolean {
    const { cue, skuId } = this.#given;
    const about = items.find((item) => item.skuId === skuId && item.sells);
    const gone = cue !== 'keep' && about === undefined;
    // Of two items with an alert, the first stays for its time: which is gone sooner may change every second.
    const alarmed = cue === 'slow_down' && about !== undefined && isAlarmed(about);
    return ripe || gone || (wanted.urgent && !alarmed) || (cue === 'keep' && wanted.cue === 'keep');
  }
}

const sentences: Readonly<Record<PaceCue['cue'], { readonly zh: string; readonly en: string }>> = {
  slow_down: { zh: '放慢节奏', en: 'Slow down' },
  interact: { zh: '加互动', en: 'Add interaction' },
  keep: { zh: '保持节奏', en: 'Keep the pace' },
};

function textOf(cue: PaceCue['cue'], title: CuedItem['title'] | null): PaceCue['text'] {
  const { zh, en } = sentences[cue];
  if (title === null || cue === 'keep') return { zh, en };
  return { zh: `${zh}：${title.zh}`.slice(0, 200), en: `${en}: ${title.en}`.slice(0, 200) };
}
