import { type LinkSettings, RedisConnection } from './redis-connection.ts';
import type { ChannelListener, RedisCommand, RedisLink } from './redis-link.ts';
import { RedisSubscriber } from './redis-subscriber.ts';
import type { ServerTarget } from './redis-target.ts';

/** One server answers for every key: a connection for commands, and one for subscriptions. */
export class ServerLink implements RedisLink {
  readonly shape: 'single' | 'sentinel';
  readonly target: ServerTarget;
  readonly #connection: RedisConnection;
  readonly #subscriber: RedisSubscriber;

  constructor(target: ServerTarget, settings: LinkSettings) {
    this.shape = target.shape;
    this.target = target;
    this.#connection = new RedisConnection(target, settings);
    this.#subscriber = new RedisSubscriber(target, settings);
  }

  async ready(timeoutMs: number): Promise<void> {
    await Promise.all([this.#connection.ready(timeoutMs), this.#subscriber.ready(timeoutMs)]);
  }

  send<Reply>(_key: string, command: RedisCommand<Reply>): Promise<Reply> {
    return this.#connection.send(command);
  }

  subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>> {
    return this.#subscriber.subscribe(channel, listener);
  }

  async eachServer<Reply>(command: RedisCommand<Reply>): Promise<readonly Reply[]> {
    return [await this.#connection.send(command)];
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#subscriber.close()]);
  }
}
