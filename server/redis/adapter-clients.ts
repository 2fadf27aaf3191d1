import { Redis } from 'ioredis';
import type { ClusterLink } from './cluster-link.ts';
import { addressOptions, closeClient, keepTrying } from './open-client.ts';
import type { ServerTarget } from './redis-target.ts';

/** What `@socket.io/redis-adapter` is given. It carries events that clients also learn otherwise, never levels. */
export type AdapterClients<Client> = {
  readonly publisher: Client;
  readonly subscriber: Client;
  readonly close: () => Promise<void>;
};

/**
 * The adapter expects clients that never fail: subscriptions are made again after a reconnect, and what cannot be published now is
 * dropped, so that nothing queues up while Redis is away.
 */
export function adapterClients(target: ServerTarget, onError: (error: Error) => void): AdapterClients<Redis> {
  const [publisher, subscriber] = [openAdapterClient(target, onError), openAdapterClient(target, onError)];
  return {
    publisher,
    subscriber,
    close: async () => void (await Promise.all([publisher, subscriber].map(closeClient))),
  };
}

const connectTimeoutMs = 2_000;

function openAdapterClient(target: ServerTarget, onError: (error: Error) => void): Redis {
  const client = new Redis({
    ...addressOptions(target, connectTimeoutMs),
    maxRetriesPerRequest: null,
    connectTimeout: connectTimeoutMs,
    connectionName: 'stockcast-adapter',
  });
  client.on('error', onError);
  keepTrying(client);
  const publish = client.publish.bind(client);
  return Object.assign(client, {
    publish: (channel: string | Buffer, message: string | Buffer): Promise<number> =>
      client.status === 'ready' ? publish(channel, message).catch(() => 0) : Promise.resolve(0),
  });
}

/** The part of an ioredis cluster client that the sharded adapter uses, on a link that is there anyway. */
export type ShardedClient = {
  readonly isCluster: true;
  nodes(): readonly { send_command(name: string, args: readonly string[]): Promise<unknown> }[];
  spublish(channel: string, message: string | Buffer): Promise<number>;
  ssubscribe(channel: string): Promise<void>;
  sunsubscribe(channel: string): Promise<void>;
  on(event: 'smessageBuffer', listener: (channel: Buffer, message: Buffer) => void): void;
};

/** Pause before a subscription of the adapter's is tried again; once made, it is kept up by the link. */
const subscribeAgainMs = 500;

export function shardedAdapterClients(link: ClusterLink): AdapterClients<ShardedClient> {
  const subscriptions = new Map<string, { stop: (() => Promise<void>) | null }>();
  const listeners: ((channel: Buffer, message: Buffer) => void)[] = [];

  const keepSubscribed = async (channel: string, entry: { stop: (() => Promise<void>) | null }): Promise<void> => {
    const name = Buffer.from(channel);
    while (subscriptions.get(channel) === entry) {
      try {
        const stop = await link.subscribeBytes(channel, (message) => {
          for (const tell of listeners) tell(name, message);
        });
        if (subscriptions.get(channel) === entry) entry.stop = stop;
        else await stop();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, subscribeAgainMs));
      }
    }
  };
  const client: ShardedClient = {
    isCluster: true,
    // One that counts over the whole cluster: a sharded channel has its subscribers on one shard.
    nodes: () => [
      {
        send_command: async (name, args) => {
          const counts = await link.eachServer((redis) => redis.call(name, ...args) as Promise<[string, number]>);
          return [args[1], counts.reduce((sum, [, count]) => sum + count, 0)];
        },
      },
    ],
    spublish: (channel, message) =>
      link.send(channel, async (redis) => Number(await redis.spublish(channel, message))).catch(() => 0),
    async ssubscribe(channel) {
      const entry = { stop: null };
      subscriptions.set(channel, entry);
      await keepSubscribed(channel, entry);
    },
    async sunsubscribe(channel) {
      const entry = subscriptions.get(channel);
      subscriptions.delete(channel);
      await entry?.stop?.();
    },
    on(_event, listener) {
      listeners.push(listener);
    },
  };
  return {
    publisher: client,
    subscriber: client,
    close: async () => {
      subscriptions.clear();
    },
  };
}
