import { randomUUID } from 'node:crypto';
import { createAdapter } from '@socket.io/redis-adapter';
import type { Logger } from 'pino';
import { memoryPresence, type Presence } from './fanout/presence.ts';
import { redisPresence } from './fanout/redis-presence.ts';
import type { Clock } from './lib/clock.ts';
import { closeRedis, openRedis, RedisConnection } from './redis/redis-connection.ts';
import { MemoryStockEngine } from './stock/memory-engine.ts';
import { connectRedisEngine } from './stock/redis-engine/redis-engine.ts';
import type { StockEngine, StockEngineSettings } from './stock/stock-engine.ts';

/** What depends on whether there is a Redis: the gate, the count of viewers over nodes, and the adapter for events that are no levels. */
export type OpenGate = {
  readonly engine: StockEngine;
  readonly presence: Presence;
  /** undefined: one node, Socket.IO's own adapter. */
  readonly socketAdapter: ReturnType<typeof createAdapter> | undefined;
  /** Rejects while the gate cannot be asked. */
  ping(): Promise<unknown>;
  close(): Promise<void>;
};

/** How long a start waits for Redis before it says that it cannot be reached. */
const startTimeoutMs = 5_000;

export async function openGate(options: {
  readonly redisUrl: string | null;
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly log: Logger;
}): Promise<OpenGate> {
  const { redisUrl, clock, settings, log } = options;
  if (redisUrl === null) {
    const engine = new MemoryStockEngine({ clock, settings });
    return {
      engine,
      presence: memoryPresence({ clock }),
      socketAdapter: undefined,
      ping: () => Promise.resolve(),
      close: () => engine.close(),
    };
  }
  const engine = await connectRedisEngine({ url: redisUrl, timeoutMs: startTimeoutMs }, { clock, settings });
  const connection = new RedisConnection({
    url: redisUrl,
    onStateChange: (state, cause) => log.warn({ state, cause }, 'connection to Redis'),
  });
  await connection.ready(startTimeoutMs);
  const publisher = openRedis({ url: redisUrl });
  const subscriber = openRedis({ url: redisUrl });
  for (const client of [publisher, subscriber]) client.on('error', (error) => log.debug({ err: error }, 'redis'));
  return {
    engine,
    presence: redisPresence({ connection, nodeId: randomUUID() }),
    socketAdapter: createAdapter(publisher, subscriber, { key: 'sc:socket.io' }),
    ping: () => connection.send((client) => client.ping()),
    async close() {
      await engine.close();
      await connection.close();
      await Promise.all([publisher, subscriber].map((client) => closeRedis(client)));
    },
  };
}
