import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import type { RealtimeServer } from './handshake.ts';

/** Joins that the other nodes are asked to take each second; a storm of 5,000 at once costs each of them a stall (`load-tests/README.md`). */
const movesPerSecond = 1_000;
/** Part of the time that is left for those who do not go by themselves. */
const lingerShare = 0.2;
const sliceSockets = 100;
const lookEveryMs = 20;

/**
 * Spreads the clients of a node that ends over time: each is told in how many ms it goes (`server:moving`), evenly spaced, in as much time as
 * their number needs. A client that does not know the event is disconnected a moment after it should have gone, so that it comes back by
 * itself, and spread out too.
 */
export async function moveClients(parts: {
  readonly io: RealtimeServer;
  readonly withinMs: number;
  readonly clock: Clock;
}): Promise<void> {
  const { io, withinMs, clock } = parts;
  const sockets = [...io.of('/').sockets.values()];
  if (sockets.length === 0) return;
  const lingerMs = withinMs * lingerShare;
  const windowMs = Math.min(withinMs - lingerMs, (sockets.length * 1_000) / movesPerSecond);
  const startedAtMs = clock.now();
  const leaving = sockets.map((socket, index) => ({ socket, atMs: startedAtMs + (windowMs * index) / sockets.length }));
  for (const [index, { socket, atMs }] of leaving.entries()) {
    socket.emit('server:moving', { inMs: Math.max(0, Math.round(atMs - clock.now())) });
    if (index % sliceSockets === sliceSockets - 1) await nextTurn();
  }
  while (leaving.length > 0) {
    const [next] = leaving;
    if (next === undefined || next.atMs + lingerMs > clock.now()) {
      if (leaving.every(({ socket }) => !socket.connected)) return;
      await wait(lookEveryMs);
      continue;
    }
    leaving.shift();
    // The connection, not the namespace: a client then comes back by itself.
    if (next.socket.connected) next.socket.conn.close();
  }
}
