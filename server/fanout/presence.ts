import type { Clock } from '../lib/clock.ts';

/** A node's count counts this long; nodes report every 2 s. */
export const PRESENCE_FRESH_MS = 6_000;

/** People in a room over all nodes, some seconds old at most. */
export type Presence = {
  /** This node's count; 0 takes the node out. */
  report(livestreamId: string, count: number): Promise<void>;
  /** Sum over the nodes that reported lately. */
  total(livestreamId: string): Promise<number>;
};

/** For one process, or several in a test: each node has a presence of its own over one shared board. */
export type PresenceBoard = Map<string, Map<string, { readonly count: number; readonly atMs: number }>>;

export function memoryPresence(options: { clock: Clock; nodeId?: string; board?: PresenceBoard }): Presence {
  const { clock, nodeId = 'self', board = new Map() } = options;
  return {
    async report(livestreamId, count) {
      const nodes = board.get(livestreamId) ?? new Map();
      if (count === 0) nodes.delete(nodeId);
      else nodes.set(nodeId, { count, atMs: clock.now() });
      if (nodes.size === 0) board.delete(livestreamId);
      else board.set(livestreamId, nodes);
    },
    async total(livestreamId) {
      const freshFromMs = clock.now() - PRESENCE_FRESH_MS;
      let total = 0;
      for (const { count, atMs } of board.get(livestreamId)?.values() ?? []) {
        if (atMs >= freshFromMs) total += count;
      }
      return total;
    },
  };
}
