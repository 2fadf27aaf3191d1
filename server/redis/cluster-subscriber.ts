import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { ClusterTopology } from './cluster-topology.ts';
import { slotOf } from './hash-slot.ts';
import { closeClient, inTime, openClient } from './open-client.ts';
import type { LinkSettings } from './redis-connection.ts';
import { RedisUnavailable } from './redis-link.ts';
import { probe } from './redis-subscriber.ts';
import type { RedisAddress } from './redis-target.ts';
import { addressText, parseRedirect } from './slot-map.ts';

type BytesListener = { message(bytes: Buffer): void; interrupted(): void };

type Channel = {
  readonly slot: number;
  readonly listeners: Set<{ readonly listener: BytesListener }>;
  /** The client on which the subscription stands; null: on none, as far as is known. */
  home: NodeClient | null;
};

type NodeClient = { readonly address: RedisAddress; readonly client: Redis; readonly stopProbing: () => void };

/** Pause before subscriptions that could not be made are tried again. */
const mendAgainMs = 200;
/** A server that is not connected now is not waited for longer: its slots may be about to have another owner. */
const connectedWithinMs = 500;
const redirectsMax = 5;

/**
 * Subscriptions to sharded channels: each stands on the server that serves the slot of its name. It follows the slot when that moves
 * (the server says so and drops it, or its connection closes, or the map changes), and then its listeners are told that messages
 * between may be missing.
 */
export class ClusterSubscriber {
  readonly #topology: ClusterTopology;
  readonly #settings: LinkSettings;
  readonly #clients = new Map<string, NodeClient>();
  readonly #channels = new Map<string, Channel>();
  #mending: Promise<void> | null = null;
  #mendAgain = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ topology, settings }: { topology: ClusterTopology; settings: LinkSettings }) {
    this.#topology = topology;
    this.#settings = settings;
  }

  /** Resolves once it is connected to every server that serves slots. */
  async ready(timeoutMs: number): Promise<void> {
    const owners = [...this.#topology.map.owners().values()];
    await Promise.all(owners.map((address) => isReady(this.#clientAt(address).client, timeoutMs)));
  }

  async subscribe(name: string, listener: BytesListener): Promise<() => Promise<void>> {
    const entry = { listener };
    const channel = this.#channels.get(name) ?? { slot: slotOf(name), listeners: new Set(), home: null };
    this.#channels.set(name, channel);
    channel.listeners.add(entry);
    try {
      await this.#stand(name, channel);
    } catch (cause) {
      await this.#remove(name, channel, entry);
      throw new RedisUnavailable('Redis does not acknowledge the subscription', { cause });
    }
    return () => this.#remove(name, channel, entry);
  }

  /** Puts every subscription where it belongs, now and until it is done. */
  mend(): void {
    if (this.#closed) return;
    if (this.#mending !== null) {
      this.#mendAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#mending = this.#mendOnce().finally(() => {
      this.#mending = null;
      if (this.#mendAgain) this.mend();
    });
  }

  async #mendOnce(): Promise<void> {
    if ((await this.#mendAll()) || this.#closed) return;
    this.#timer = setTimeout(() => this.mend(), mendAgainMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#channels.clear();
    await Promise.all([...this.#clients.values()].map((node) => this.#leave(node)));
  }

  /** True if every subscription stands on its owner. */
  async #mendAll(): Promise<boolean> {
    this.#mendAgain = false;
    const owners = this.#topology.map.owners();
    // A server that serves no slot keeps no subscription: what stood there is made elsewhere first.
    const misplaced = [...this.#channels].filter(([, channel]) => !this.#isHome(channel));
    const outcomes = await Promise.allSettled(
      misplaced.map(async ([name, channel]) => {
        await this.#stand(name, channel);
        for (const { listener } of channel.listeners) listener.interrupted();
      }),
    );
    const isDone = outcomes.every(({ status }) => status === 'fulfilled');
    if (isDone) {
      for (const [text, node] of this.#clients) if (!owners.has(text)) void this.#leave(node);
    }
    return isDone;
  }

  #isHome({ home, slot }: Channel): boolean {
    const owner = this.#topology.map.ownerOf(slot);
    return home !== null && owner !== null && addressText(owner) === addressText(home.address);
  }

  /** Asked even if it stands: only the acknowledgement says so. Rejects if the owner does not answer, or nobody owns the slot. */
  async #stand(name: string, channel: Channel): Promise<void> {
    for (let redirects = 0; ; redirects += 1) {
      const owner = this.#topology.map.ownerOf(channel.slot);
      if (owner === null || this.#closed) throw new RedisUnavailable(`no server serves slot ${channel.slot}`);
      const node = this.#clientAt(owner);
      try {
        await isReady(node.client, connectedWithinMs);
        const { stream } = node.client;
        await node.client.ssubscribe(name);
        // It closed in the meantime: what was acknowledged is gone with it.
        if (node.client.stream !== stream || node.client.status !== 'ready')
          throw new Error('the connection has closed');
      } catch (error) {
        const redirect = parseRedirect(error instanceof Error ? error.message : '', owner);
        if (redirect?.kind !== 'moved' || redirects >= redirectsMax) throw error;
        this.#topology.map.assign(channel.slot, redirect.owner);
        continue;
      }
      const before = channel.home;
      channel.home = node;
      if (before !== null && before !== node) await before.client.sunsubscribe(name).catch(() => {});
      // Nobody listens any more: it was given up while it was being made.
      if (!this.#channels.has(name)) await node.client.sunsubscribe(name).catch(() => {});
      return;
    }
  }

  async #remove(name: string, channel: Channel, entry: { readonly listener: BytesListener }): Promise<void> {
    if (!channel.listeners.delete(entry) || channel.listeners.size > 0 || this.#channels.get(name) !== channel) return;
    this.#channels.delete(name);
    // Not connected: nothing is subscribed there any more.
    await channel.home?.client.sunsubscribe(name).catch(() => {});
  }

  #clientAt(address: RedisAddress): NodeClient {
    const text = addressText(address);
    const known = this.#clients.get(text);
    if (known !== undefined) return known;
    const client = openClient(this.#topology.serverAt(address), this.#settings);
    const node = { address, client, stopProbing: probe(client, this.#settings.checkMs) };
    this.#clients.set(text, node);
    client.on('error', () => {});
    client.on('smessageBuffer', (name: Buffer, bytes: Buffer) => {
      for (const { listener } of this.#channels.get(name.toString())?.listeners ?? []) listener.message(bytes);
    });
    // `moved`: the server has dropped a subscription because it does not serve the slot any more; it does not say to whom it went.
    for (const event of ['close', 'moved']) client.on(event, () => this.#lose(node));
    return node;
  }

  #lose(node: NodeClient): void {
    if (this.#closed) return;
    let lost = 0;
    for (const channel of this.#channels.values()) {
      if (channel.home !== node) continue;
      channel.home = null;
      lost += 1;
    }
    if (lost === 0) return;
    void this.#topology.refresh().finally(() => this.mend());
  }

  async #leave(node: NodeClient): Promise<void> {
    node.stopProbing();
    this.#clients.delete(addressText(node.address));
    await closeClient(node.client);
  }
}

async function isReady(client: Redis, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return;
  const waiting = new AbortController();
  try {
    await inTime(once(client, 'ready', { signal: waiting.signal }), timeoutMs);
  } finally {
    waiting.abort();
  }
}
