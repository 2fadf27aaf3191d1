import { setTimeout as wait } from 'node:timers/promises';
import { ClusterSubscriber } from './cluster-subscriber.ts';
import { ClusterTopology } from './cluster-topology.ts';
import { slotOf } from './hash-slot.ts';
import { type LinkSettings, RedisConnection } from './redis-connection.ts';
import { type ChannelListener, type RedisCommand, type RedisLink, RedisUnavailable } from './redis-link.ts';
import type { ClusterTarget, RedisAddress } from './redis-target.ts';
import { addressText, parseRedirect, type Redirect } from './slot-map.ts';

/** Servers that one command may be led to before it is refused: a map that circles is no map. */
const redirectsMax = 5;
/** Keys on their way from one server to another arrive within milliseconds. */
const tryAgainMs = 20;
/** A server outside the map that a redirection led to is kept connected for this long after its last command. */
const strangerMs = 30_000;

/**
 * A Redis Cluster: one connection for commands, and one for subscriptions, to each server that serves slots. A livestream lives on one
 * of them, so `identity` is that server's (G2). A command goes elsewhere only after a reply that says that it has not been executed
 * (MOVED, ASK, TRYAGAIN), and then with the identity that was read from that other server; after anything else its caller decides (G3).
 */
export class ClusterLink implements RedisLink {
  readonly shape = 'cluster';
  readonly #settings: LinkSettings;
  readonly #topology: ClusterTopology;
  readonly #subscriber: ClusterSubscriber;
  readonly #connections = new Map<string, RedisConnection>();
  readonly #usedAtMs = new Map<string, number>();
  #closed = false;

  constructor(target: ClusterTarget, settings: LinkSettings) {
    this.#settings = {
      ...settings,
      onStateChange: (state, where, cause) => {
        settings.onStateChange(state, where, cause);
        // Its slots may be somebody else's by now.
        if (state === 'away' && !this.#closed) void this.#topology.refresh();
      },
    };
    this.#topology = new ClusterTopology({
      target,
      settings,
      connections: () => this.#connections,
      onAnswer: () => this.#follow(),
    });
    this.#subscriber = new ClusterSubscriber({ topology: this.#topology, settings });
  }

  async ready(timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    while (!this.#topology.map.isComplete) {
      if (performance.now() > untilMs) {
        throw new RedisUnavailable(`Redis is away: no server tells who serves all slots: ${this.#topology.lastError}`);
      }
      await Promise.race([this.#topology.refresh(), wait(Math.min(timeoutMs, 100))]);
      await wait(10);
    }
    const remainingMs = () => Math.max(1, untilMs - performance.now());
    await Promise.all([...this.#connections.values()].map((connection) => connection.ready(remainingMs())));
    await this.#subscriber.ready(remainingMs());
  }

  async send<Reply>(key: string, command: RedisCommand<Reply>): Promise<Reply> {
    const slot = slotOf(key);
    const untilMs = performance.now() + this.#settings.commandTimeoutMs;
    let owner = this.#topology.map.ownerOf(slot);
    let isAsking = false;
    for (let redirects = 0; ; redirects += 1) {
      if (owner === null) {
        void this.#topology.refresh();
        throw new RedisUnavailable(`Redis is away: no server of the cluster serves slot ${slot}`);
      }
      try {
        return await this.#sendTo(owner, command, {
          isAsking,
          waitMs: redirects === 0 ? 0 : untilMs - performance.now(),
        });
      } catch (error) {
        const redirect = redirectOf(error, owner);
        if (redirect === null || redirects >= redirectsMax || performance.now() > untilMs) {
          if (redirect !== null || isClusterDown(error)) void this.#topology.refresh();
          throw error;
        }
        if (redirect.kind === 'again') {
          await wait(tryAgainMs);
          redirects -= 1;
          continue;
        }
        isAsking = redirect.kind === 'ask';
        owner = redirect.owner;
        if (redirect.kind === 'moved') this.#learn(slot, owner);
      }
    }
  }

  subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>> {
    return this.#subscriber.subscribe(channel, {
      message: (bytes) => listener.message(bytes.toString()),
      interrupted: () => listener.interrupted(),
    });
  }

  /** As `subscribe`, with what was sent as it is. */
  subscribeBytes(channel: string, listener: (bytes: Buffer) => void): Promise<() => Promise<void>> {
    return this.#subscriber.subscribe(channel, { message: listener, interrupted: () => {} });
  }

  async eachServer<Reply>(command: RedisCommand<Reply>): Promise<readonly Reply[]> {
    const owners = [...this.#topology.map.owners().keys()];
    const connections = owners.flatMap((text) => this.#connections.get(text) ?? []);
    const answers = await Promise.allSettled(connections.map((connection) => connection.send(command)));
    const replies = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (replies.length > 0) return replies;
    throw failed?.reason ?? new RedisUnavailable(`Redis is away: ${this.#topology.lastError}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#topology.close();
    await Promise.all([this.#subscriber.close(), ...[...this.#connections.values()].map((each) => each.close())]);
  }

  async #sendTo<Reply>(
    owner: RedisAddress,
    command: RedisCommand<Reply>,
    { isAsking, waitMs }: { isAsking: boolean; waitMs: number },
  ): Promise<Reply> {
    const connection = this.#connectionTo(owner);
    // Only after a redirection: its target may be new here.
    if (waitMs > 0) await connection.ready(waitMs);
    if (!isAsking) return connection.send(command);
    return connection.send((client, identity) => {
      // Both leave in one breath, so that ASKING belongs to this command and to no other.
      client.asking().catch(() => {});
      return command(client, identity);
    });
  }

  #learn(slot: number, owner: RedisAddress): void {
    this.#topology.map.assign(slot, owner);
    this.#subscriber.mend();
    // One slot has moved: others may have.
    void this.#topology.refresh();
  }

  #connectionTo(address: RedisAddress): RedisConnection {
    if (this.#closed) throw new RedisUnavailable('Redis is away: closed');
    const text = addressText(address);
    this.#usedAtMs.set(text, performance.now());
    const known = this.#connections.get(text);
    if (known !== undefined) return known;
    const opened = new RedisConnection(this.#topology.serverAt(address), this.#settings);
    this.#connections.set(text, opened);
    return opened;
  }

  /** The map may have changed: connections to those that serve slots now, none to those that serve none. */
  #follow(): void {
    if (this.#closed) return;
    const owners = this.#topology.map.owners();
    for (const [text, address] of owners) if (!this.#connections.has(text)) this.#connectionTo(address);
    for (const [text, connection] of this.#connections) {
      const idleMs = performance.now() - (this.#usedAtMs.get(text) ?? 0);
      if (owners.has(text) || (idleMs < strangerMs && connection.identity !== null)) continue;
      this.#connections.delete(text);
      this.#usedAtMs.delete(text);
      void connection.close();
    }
    this.#subscriber.mend();
  }
}

/** What Redis has replied; empty if it was something else. */
const replyOf = (error: unknown): string =>
  error instanceof RedisUnavailable && error.cause instanceof Error ? error.cause.message : '';

const redirectOf = (error: unknown, asked: RedisAddress): Redirect | null => parseRedirect(replyOf(error), asked);
const isClusterDown = (error: unknown): boolean => replyOf(error).startsWith('CLUSTERDOWN');
