import type { ItemLevel } from '../stock/stock-engine.ts';

/** Levels of one livestream as the gate has them, after a change or a fresh reading. */
export type WatchedLevels = {
  readonly livestreamId: string;
  /** Only items that changed, newest state each; after a fresh reading (`complete`) all of them. */
  readonly items: readonly ItemLevel[];
  readonly complete: boolean;
  readonly atMs: number;
};

/**
 * Follows the gates of all active livestreams on this node, whoever looks on: alerts and curves must not depend on viewers. Every node
 * watches, so that none of it stops when a node dies; what must happen once is decided in the database (I7).
 */
export type LevelWatch = {
  /** Called in order per livestream; must not throw and must not take long. Returns how to stop listening. */
  onLevels(listener: (levels: WatchedLevels) => void): () => void;
  start(): Promise<void>;
  stop(): Promise<void>;
};
