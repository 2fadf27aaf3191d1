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
 * Follows the gates of all active livestreams, whoever looks on: alerts and curves must not depend on viewers. The node that holds the
 * desk's lease watches; when it dies, another one starts. What must happen once is decided in the database (I7).
 */
export type LevelWatch = {
  /** Called in order per livestream; must not throw and must not take long. Returns how to stop listening. */
  onLevels(listener: (levels: WatchedLevels) => void): () => void;
  /** Resolves after the first look. May be started again after a stop. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** False: no gate could be asked for some seconds, or the list of livestreams could not. */
  isAble(): boolean;
};
