import { randomUUID } from 'node:crypto';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import type { Logger } from 'pino';
import { memoryPresence, type Presence } from './fanout/presence.ts';
import { redisPresence } from './fanout/redis-presence.ts';
import { CannotStart } from './lib/cannot-start.ts';
import type { Clock } from './lib/clock.ts';
import { adapterClients, shardedAdapterClients } from './redis/adapter-clients.ts';
import type { ClusterLink } from './redis/cluster-link.ts';
import { openRedis } from './redis/open-redis.ts';
import type { RedisLink } from './redis/redis-link.ts';
import { judgeServer } from './redis/redis-requirements.ts';
import type { ServerTarget } from './redis/redis-target.ts';
import { MemoryStockEngine } from './stock/memory-engine.ts';
import { RedisStockEngine } from './stock/redis-engine/redis-engine.ts';
import { GateUnavailable, type StockEngine, type StockEngineSettings } from './stock/stock-engine.ts';

type SocketAdapter = ReturnType<typeof createAdapter> | ReturnType<typeof createShardedAdapter>;

/** What depends on whether there is a Redis: the gate, the count of viewers over nodes, and the adapter for events that are no levels. */
export type OpenGate = {
  readonly engine: StockEngine;
  readonly presence: Presence;
  /** null: one node, Socket.IO's own adapter. */
  readonly socketAdapter: SocketAdapter | null;
  /** Rejects while the gate cannot be asked; of a cluster, while no server of it can. */
  ping(): Promise<unknown>;
  close(): Promise<void>;
};

/** How long a start waits for Redis before it says that it cannot be reached. */
const startTimeoutMs = 5_000;
const adapterKey = 'sc:socket.io';

export async function openGate(options: {
  readonly redisUrl: string | null;
  readonly clock: Clock;
  readonly settings: StockEngineSettings;
  readonly log: Logger;
  /** A Redis whose settings would interrupt sales is refused, not only warned about. */
  readonly production?: boolean;
}): Promise<OpenGate> {
  const { redisUrl, clock, settings, log, production = false } = options;
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
  const link = openRedis({
    url: redisUrl,
    onStateChange: (state, where, cause) => {
      if (state === 'ready') log.info({ redis: where }, 'connected to Redis');
      else log.warn({ redis: where, cause }, 'Redis is away; the connection is tried again');
    },
  });
  const engine = new RedisStockEngine({ link, clock, settings });
  try {
    await engine.ready(startTimeoutMs).catch((cause: unknown) => {
      if (!(cause instanceof GateUnavailable)) throw cause;
      throw new CannotStart(`${cause.message}. Is it running, and is REDIS_URL right?`, { cause });
    });
    await checkServers({ link, production, log });
  } catch (error) {
    await engine.close();
    throw error;
  }
  const adapter = link.shape === 'cluster' ? shardedAdapter(link) : plainAdapter(link.target, log);
  return {
    engine,
    presence: redisPresence({ link, nodeId: randomUUID() }),
    socketAdapter: adapter.create,
    ping: () => link.eachServer((client) => client.ping()),
    async close() {
      await adapter.close();
      await engine.close();
    },
  };
}

/** Throws `CannotStart` if a server is one on which the gate cannot stand. */
async function checkServers(parts: { link: RedisLink; production: boolean; log: Logger }): Promise<void> {
  const { link, production, log } = parts;
  const infos = await link.eachServer((client) => client.info());
  const doubts = infos.flatMap((info) => {
    const judged = judgeServer(info, link.shape, production);
    if (judged.kind === 'unsuitable') throw new CannotStart(`${judged.sentence}.`);
    return judged.kind === 'doubtful' ? [judged.sentence] : [];
  });
  for (const sentence of new Set(doubts)) log.warn(sentence);
}

type Adapter = { readonly create: SocketAdapter; close(): Promise<void> };

function plainAdapter(target: ServerTarget, log: Logger): Adapter {
  const { publisher, subscriber, close } = adapterClients(target, (error) =>
    log.debug({ err: error }, 'redis adapter'),
  );
  return { create: createAdapter(publisher, subscriber, { key: adapterKey }), close };
}

/** One channel for all events between nodes: a channel of its own for each buyer's room would be subscribed with every viewer. */
function shardedAdapter(link: ClusterLink): Adapter {
  const { publisher, subscriber, close } = shardedAdapterClients(link);
  const options = { channelPrefix: adapterKey, subscriptionMode: 'static' } as const;
  return { create: createShardedAdapter(publisher, subscriber, options), close };
}
