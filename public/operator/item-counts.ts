import type { ItemStatus } from '../../contract/levels.ts';
import type { Level } from '../lib/level-store.ts';

/** An item's level as operators see it; zeros while none has come (`loading`). */
export type ItemCounts = {
  readonly available: number;
  readonly held: number;
  readonly sold: number;
  readonly status: ItemStatus | 'loading';
};

/** Fewest units that the livestream's pool can be set to: what is held or sold cannot be taken back. */
export const allottedMin = ({ held, sold }: Pick<ItemCounts, 'held' | 'sold'>): number => held + sold;

/** Units of the pool now. */
export const allottedOf = ({ available, held, sold }: Omit<ItemCounts, 'status'>): number => available + held + sold;

export function countsOf(level: Level | undefined): ItemCounts {
  if (level === undefined) return { available: 0, held: 0, sold: 0, status: 'loading' };
  const { shown, held, sold, status } = level;
  return { available: typeof shown === 'number' ? shown : 0, held: held ?? 0, sold: sold ?? 0, status };
}
