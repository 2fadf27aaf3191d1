import { Redis } from 'ioredis';
import { addressOptions } from './open-client.ts';
import type { LinkSettings, RedisConnection } from './redis-connection.ts';
import type { ClusterTarget, RedisAddress, ServerTarget } from './redis-target.ts';
import { addressText, parseSlots, SlotMap, type SlotRange } from './slot-map.ts';

/** What one server of the cluster says about all of it. */
type View = { readonly isOk: boolean; readonly epoch: number; readonly ranges: readonly SlotRange[] };

export type ClusterTopologyParts = {
  readonly target: ClusterTarget;
  readonly settings: LinkSettings;
  /** Connections to servers that hold keys; those that are away are not asked. */
  readonly connections: () => ReadonlyMap<string, RedisConnection>;
  /** The map is as new as the cluster has told; it may have changed. */
  readonly onAnswer: () => void;
};

/** Pause between two questions while all is well: what changes is told by MOVED and by connections that close. */
const calmMs = 5_000;
/** While something is amiss. */
const pressingMs = 200;
/** Between any two: a burst of MOVED asks once. */
const pauseMs = 50;
/** Servers that are asked at once. */
const askedMax = 5;

/**
 * Keeps the map of slots of a cluster. Servers of the cluster may disagree for a moment after a failover or a partition: of those that
 * answer, the one with the newest epoch is believed, and what MOVED says about one slot is newer than any map.
 */
export class ClusterTopology {
  readonly map = new SlotMap();
  readonly #parts: ClusterTopologyParts;
  #known: readonly RedisAddress[];
  #asking: Promise<void> | null = null;
  #askAgain = false;
  #timer: NodeJS.Timeout | undefined;
  #lastError = 'not asked yet';
  #closed = false;

  constructor(parts: ClusterTopologyParts) {
    this.#parts = parts;
    this.#known = parts.target.seeds;
    void this.refresh();
  }

  get lastError(): string {
    return this.#lastError;
  }

  /** A server for commands and subscriptions of one node of the cluster. */
  serverAt(address: RedisAddress): ServerTarget {
    const { credentials, tls } = this.#parts.target;
    return { shape: 'single', address, credentials, tls, db: 0 };
  }

  /** Asks soon; if it is asking already, once more afterwards: the answer under way may be older than the reason. */
  refresh(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#asking !== null) {
      this.#askAgain = true;
      return this.#asking;
    }
    clearTimeout(this.#timer);
    this.#asking = this.#ask().finally(() => {
      this.#asking = null;
      const isPressing = this.#askAgain;
      this.#askAgain = false;
      this.#schedule(isPressing ? pauseMs : this.#isWell() ? calmMs : pressingMs);
    });
    return this.#asking;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), ms);
  }

  #isWell(): boolean {
    const connections = this.#parts.connections();
    return this.map.isComplete && [...connections.values()].every(({ identity }) => identity !== null);
  }

  async #ask(): Promise<void> {
    const view = (await this.#askThoseAtHand()) ?? (await this.#askAnyone());
    if (view === null || this.#closed) return;
    this.map.replace(view.ranges);
    const owners = view.ranges.map(({ owner }) => owner);
    const replicas = view.ranges.flatMap((range) => range.replicas);
    // Seeds stay known: a cluster that was replaced behind the same names is found again.
    const all = [...owners, ...replicas, ...this.#parts.target.seeds].map(
      (address) => [addressText(address), address] as const,
    );
    this.#known = [...new Map(all).values()];
    this.#parts.onAnswer();
  }

  /** Those with an open connection, several at once; null if none of them answers. */
  async #askThoseAtHand(): Promise<View | null> {
    const ready = [...this.#parts.connections()].filter(([, { identity }]) => identity !== null);
    const asked = shuffled(ready, this.#parts.settings.random).slice(0, askedMax);
    const answers = await Promise.allSettled(
      asked.map(([text, connection]) => connection.send((client) => viewOf(client, addressOf(text)))),
    );
    const views = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const byTrust = views.toSorted((a, b) => Number(b.isOk) - Number(a.isOk) || b.epoch - a.epoch);
    return byTrust[0] ?? null;
  }

  /** Several at once, over connections that are closed again; the first answer counts. */
  async #askAnyone(): Promise<View | null> {
    const asked = shuffled(this.#known, this.#parts.settings.random).slice(0, askedMax);
    const answers = asked.map((address) =>
      this.#askAt(address).catch((error: unknown) => {
        this.#lastError = `${addressText(address)}: ${error instanceof Error ? error.message : String(error)}`;
        throw error;
      }),
    );
    return Promise.any(answers).catch(() => null);
  }

  async #askAt(address: RedisAddress): Promise<View> {
    const { commandTimeoutMs } = this.#parts.settings;
    const client = new Redis({
      ...addressOptions(this.serverAt(address), commandTimeoutMs),
      lazyConnect: true,
      retryStrategy: () => null,
      connectTimeout: commandTimeoutMs,
      commandTimeout: commandTimeoutMs,
      connectionName: 'stockcast',
    });
    let lastError: Error | undefined;
    client.on('error', (error: Error) => (lastError = error));
    try {
      await client.connect();
      return await viewOf(client, address);
    } catch (error) {
      // What went wrong first says more than that the connection is closed.
      throw lastError ?? error;
    } finally {
      client.disconnect();
    }
  }
}

async function viewOf(client: Redis, asked: RedisAddress): Promise<View> {
  const [info, slots] = await Promise.all([client.cluster('INFO'), client.cluster('SLOTS')]);
  return {
    isOk: /^cluster_state:ok/m.test(info),
    epoch: Number(/^cluster_current_epoch:(\d+)/m.exec(info)?.[1] ?? 0),
    ranges: parseSlots(slots, asked),
  };
}

/** The address in a text that `addressText` has written. */
function addressOf(text: string): RedisAddress {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

function shuffled<Value>(values: readonly Value[], random: () => number): readonly Value[] {
  return values
    .map((value) => ({ value, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
