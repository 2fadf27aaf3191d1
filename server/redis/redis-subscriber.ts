import type { Redis } from 'ioredis';
import { closeRedis, inTime, openRedis, type RedisConnectionOptions, RedisUnavailable } from './redis-connection.ts';

export type ChannelListener = {
  message(text: string): void;
  /** The connection was lost and the subscription stands again: messages between may be missing. */
  interrupted(): void;
};

/** One connection for subscriptions; a channel is subscribed once, however many listen to it. */
export class RedisSubscriber {
  readonly #client: Redis;
  readonly #listeners = new Map<string, Set<{ readonly listener: ChannelListener }>>();

  constructor(options: RedisConnectionOptions) {
    this.#client = openRedis(options);
    // Told by `close` and `ready`; without a listener ioredis writes to the console.
    this.#client.on('error', () => {});
    this.#client.on('ready', () => void this.#subscribeAgain());
    this.#client.on('message', (channel: string, text: string) => {
      for (const { listener } of this.#listeners.get(channel) ?? []) listener.message(text);
    });
  }

  /** Resolves once it is connected. Rejects with `RedisUnavailable` after `timeoutMs`; it goes on trying. */
  async ready(timeoutMs: number): Promise<void> {
    if (this.#client.status === 'ready') return;
    await inTime(new Promise<void>((resolve) => this.#client.once('ready', () => resolve())), timeoutMs);
  }

  /** Resolves once Redis has acknowledged the subscription (V2). Rejects with `RedisUnavailable` if it cannot now. Returns how to stop. */
  async subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>> {
    const entry = { listener };
    const entries = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, entries.add(entry));
    try {
      // Asked even if the channel is subscribed: only the acknowledgement says that it stands on this very connection.
      await this.#client.subscribe(channel);
    } catch (cause) {
      this.#remove(channel, entry);
      throw new RedisUnavailable('Redis does not acknowledge the subscription', { cause });
    }
    return async () => {
      if (!this.#remove(channel, entry)) return;
      // Not connected: nothing is subscribed there any more.
      await this.#client.unsubscribe(channel).catch(() => {});
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await closeRedis(this.#client);
  }

  /** True if nobody listens to the channel any more. */
  #remove(channel: string, entry: { readonly listener: ChannelListener }): boolean {
    const entries = this.#listeners.get(channel);
    if (entries === undefined || !entries.delete(entry) || entries.size > 0) return false;
    this.#listeners.delete(channel);
    return true;
  }

  async #subscribeAgain(): Promise<void> {
    const channels = [...this.#listeners.keys()];
    if (channels.length === 0) return;
    try {
      await this.#client.subscribe(...channels);
    } catch {
      // Half-connected helps nobody: the next `ready` begins again.
      if (this.#client.status === 'ready') this.#client.disconnect(true);
      return;
    }
    for (const channel of channels) {
      for (const { listener } of this.#listeners.get(channel) ?? []) listener.interrupted();
    }
  }
}
