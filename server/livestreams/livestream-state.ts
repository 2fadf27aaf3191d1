import type { SaleState } from '../../contract/levels.ts';
import type { LivestreamState } from '../../contract/livestreams.ts';

export type LivestreamAction = 'schedule' | 'start' | 'end';
export type SaleAction = 'open' | 'stop' | 'resume';

/**
 * The state after an action; null: refused. An action whose state is reached already is done again without a change, so that an
 * operator may repeat it after a lost answer. A draft or a scheduled livestream that will never run is ended, which frees its units.
 */
export const livestreamTransitions: Record<LivestreamState, Record<LivestreamAction, LivestreamState | null>> = {
  draft: { schedule: 'scheduled', start: 'live', end: 'ended' },
  scheduled: { schedule: 'scheduled', start: 'live', end: 'ended' },
  live: { schedule: null, start: 'live', end: 'ended' },
  ended: { schedule: null, start: null, end: 'ended' },
};

/** The state of an item's sale after an action; null: refused. Only the end of the livestream leads to `ended`, and nothing leads out. */
export const saleTransitions: Record<SaleState, Record<SaleAction, SaleState | null>> = {
  not_open: { open: 'open', stop: null, resume: null },
  open: { open: 'open', stop: 'stopped', resume: 'open' },
  stopped: { open: 'open', stop: 'stopped', resume: 'open' },
  ended: { open: null, stop: null, resume: null },
};

/** What may be done to the items of a livestream in each of its states. */
export const itemsMay: Record<LivestreamState, { readonly change: boolean; readonly sell: boolean }> = {
  draft: { change: true, sell: false },
  scheduled: { change: true, sell: true },
  live: { change: true, sell: true },
  ended: { change: false, sell: false },
};
