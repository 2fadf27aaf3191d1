import { randomUUID } from 'node:crypto';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { memoryPresence, type Presence } from './fanout/presence.ts';
import { redisPresence } from './fanout/redis-presence.ts';
import { CannotStart } from './lib/cannot-start.ts';
import type { Clock } from './lib/clock.ts';
import { closeRedis, RedisConnection } from './redis/redis-connection.ts';
import { MemoryStockEngine } from './stock/memory-engine.ts';
import { connectRedisEngine } from './stock/redis-engine/redis-engine.ts';
import { GateUnavailable, type StockEngine, type StockEngineSettings } from './stock/stock-engine.ts';

/** What depends on whether there is a Redis: the gate, the count of viewers over nodes, and the adapter for events that are no levels. */
export type OpenGate = {
  readonly engine: StockEngine;
  readonly presence: Presence;
  /** null: one node, Socket.IO's own adapter. */
  readonly socketAdapter: ReturnType<typeof createAdapter> | null;
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
      socketAdapter: null,
      ping: () => Promise.resolve(),
      close: () => engine.close(),
    };
  }
  const redis = { url: redisUrl, timeoutMs: startTimeoutMs };
  const engine = await connectRedisEngine(redis, { clock, settings }).catch((cause: unknown) => {
    if (!(cause instanceof GateUnavailable)) throw cause;
    throw new CannotStart(`${cause.message}. Is it running, and is REDIS_URL right?`, { cause });
  });
  const connection = new RedisConnection({
    url: redisUrl,
    onStateChange: (state, cause) => {
      if (state === 'ready') log.info('connected to Redis');
      else log.warn({ cause }, 'Redis is away; the connection is tried again');
    },
  });
  await connection.ready(startTimeoutMs);
  const publisher = adapterClient(redisUrl, log);
  const subscriber = adapterClient(redisUrl, log);
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

/**
 * The adapter expects a client that never fails: subscriptions are made again after a reconnect, and what cannot be published now is
 * dropped (it carries events that clients also learn otherwise, never levels), so nothing queues up while Redis is away.
 */
function adapterClient(url: string, log: Logger): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: null, connectionName: 'stockcast-adapter' });
  client.on('error', (error) => log.debug({ err: error }, 'redis adapter'));
  const publish = client.publish.bind(client);
  return Object.assign(client, {
    publish: (channel: string | Buffer, message: string | Buffer): Promise<number> =>
      client.status === 'ready' ? publish(channel, message).catch(() => 0) : Promise.resolve(0),
  });
}
