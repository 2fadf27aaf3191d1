import type { Redis } from 'ioredis';

/** Redis could not be asked, did not answer in time, or answered with an error; `cause` says which. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

/** Sends in its synchronous part. `identity` is of the server that it is sent to (G2). */
export type RedisCommand<Reply> = (client: Redis, identity: string) => Promise<Reply>;

export type ChannelListener = {
  message(text: string): void;
  /** The subscription was lost and stands again: messages between may be missing. */
  interrupted(): void;
};

/**
 * The one way to Redis, whatever its shape: a server, the primary that sentinels name, or a cluster.
 * Nothing is kept for later and nothing is sent twice, except a command that a server has certainly not executed because the key has
 * moved: that one goes to the new owner, with the new owner's identity (G2, G3).
 */
export type RedisLink = {
  readonly shape: 'single' | 'sentinel' | 'cluster';

  /** Resolves once every server that holds keys may be asked. Rejects with `RedisUnavailable` after `timeoutMs`; goes on trying. */
  ready(timeoutMs: number): Promise<void>;

  /**
   * Sends to the server that holds `key`, or rejects at once. Every key of the command is in the slot of `key`.
   * Rejects with `RedisUnavailable`: whether the command took effect is then unknown, unless its `cause` is an error reply of Redis.
   */
  send<Reply>(key: string, command: RedisCommand<Reply>): Promise<Reply>;

  /**
   * Resolves once Redis has acknowledged the subscription (V2). Rejects with `RedisUnavailable` if it cannot now. Returns how to stop.
   * In a cluster the channel belongs to the slot of its name, and its messages are sent with SPUBLISH: they stay on that shard.
   */
  subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>>;

  /** The connections that lead to servers which hold keys and that can be asked now. Rejects with `RedisUnavailable` if there is none. */
  eachServer<Reply>(command: RedisCommand<Reply>): Promise<readonly Reply[]>;

  close(): Promise<void>;
};
