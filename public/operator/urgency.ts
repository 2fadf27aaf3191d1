import type { AlertTier } from '../../contract/alerts.ts';
import type { ItemStatus } from '../../contract/levels.ts';
import { tierRank } from './alert-book.ts';

/** What the order of the wall is made of. */
export type Standing = {
  readonly skuId: string;
  readonly index: number;
  readonly status: ItemStatus | 'loading';
  readonly available: number;
  readonly perMinute: number | null;
  readonly sellOutInMs: number | null;
  readonly tier: AlertTier | null;
  readonly pinned: boolean;
};

export const sortings = ['urgency', 'position', 'pace', 'available'] as const;
export type Sorting = (typeof sortings)[number];
export const wallFilters = ['all', 'alerting', 'on_sale', 'sold_out', 'closed'] as const;
export type WallFilter = (typeof wallFilters)[number];

/** Upper ends of the steps in which a sell-out time counts, in minutes: rows do not change places with every sale. */
const stepsMinutes = [1, 3, 5, 10, 20, 60] as const;

/** 0 = most urgent. Items that are not on sale cannot sell out by themselves. */
export function sellOutStep({ status, sellOutInMs }: Pick<Standing, 'status' | 'sellOutInMs'>): number {
  if (status !== 'on_sale' || sellOutInMs === null) return stepsMinutes.length + 1;
  const minutes = sellOutInMs / 60_000;
  const step = stepsMinutes.findIndex((end) => minutes <= end);
  return step === -1 ? stepsMinutes.length : step;
}

const statusRank: Record<Standing['status'], number> = {
  sold_out: 0,
  stopped: 1,
  on_sale: 2,
  scheduled: 3,
  loading: 4,
  not_open: 4,
  ended: 5,
};

/** Most urgent first: tier, then sold out and stopped, then the step of the sell-out time, then the item's own place. */
const byUrgency = (a: Standing, b: Standing): number =>
  tierRank[b.tier ?? 'none'] - tierRank[a.tier ?? 'none'] ||
  Math.min(statusRank[a.status], 3) - Math.min(statusRank[b.status], 3) ||
  sellOutStep(a) - sellOutStep(b) ||
  statusRank[a.status] - statusRank[b.status] ||
  a.index - b.index;

const comparisons: Record<Sorting, (a: Standing, b: Standing) => number> = {
  urgency: byUrgency,
  position: (a, b) => a.index - b.index,
  pace: (a, b) => (b.perMinute ?? -1) - (a.perMinute ?? -1) || a.index - b.index,
  available: (a, b) => a.available - b.available || a.index - b.index,
};

export function sortStandings(standings: readonly Standing[], sorting: Sorting): readonly Standing[] {
  return [...standings].sort(comparisons[sorting]);
}

export function passesFilter(standing: Standing, filter: WallFilter): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'alerting':
      return standing.tier !== null;
    case 'on_sale':
      return standing.status === 'on_sale' || standing.status === 'scheduled';
    case 'sold_out':
      return standing.status === 'sold_out';
    case 'closed':
      return ['not_open', 'stopped', 'ended'].includes(standing.status);
  }
}

/** Every word of the search stands somewhere in the item's names or ids. */
export function matchesSearch(search: string, texts: readonly string[]): boolean {
  const text = texts.join('\n').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
