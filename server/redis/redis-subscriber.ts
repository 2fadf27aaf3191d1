import type { Redis } from 'ioredis';
import { closeClient, inTime, openClient } from './open-client.ts';
import type { LinkSettings } from './redis-connection.ts';
import { type ChannelListener, RedisUnavailable } from './redis-link.ts';
import type { ServerTarget } from './redis-target.ts';

/** One connection for subscriptions to one server; a channel is subscribed once, however many listen to it. */
export class RedisSubscriber {
  readonly #client: Redis;
  readonly #stopProbing: () => void;
  readonly #listeners = new Map<string, Set<{ readonly listener: ChannelListener }>>();

  constructor(target: ServerTarget, settings: LinkSettings) {
    this.#client = openClient(target, settings);
    this.#stopProbing = probe(this.#client, settings.checkMs);
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

  /** As `RedisLink.subscribe`. */
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
    this.#stopProbing();
    this.#listeners.clear();
    await closeClient(this.#client);
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

/**
 * A connection that only listens cannot tell silence from a lost peer: it is asked from time to time, and left when it does not answer.
 * Returns how to stop.
 */
export function probe(client: Redis, everyMs: number): () => void {
  let isAsking = false;
  const timer = setInterval(() => {
    if (client.status !== 'ready' || isAsking) return;
    const { stream } = client;
    isAsking = true;
    void client
      .ping()
      .catch(() => {
        if (client.status === 'ready' && client.stream === stream) client.disconnect(true);
      })
      .finally(() => {
        isAsking = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}
