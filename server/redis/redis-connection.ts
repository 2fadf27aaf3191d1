import { Redis } from 'ioredis';

export type RedisConnectionOptions = {
  readonly url: string;
  /** A command without a reply after this long has an unknown outcome. Default 2,000 ms. */
  readonly commandTimeoutMs?: number;
  /** Commands that may wait for a reply at once; more are refused. Default 2,000. */
  readonly inFlightMax?: number;
  /** 0 ≤ x < 1, for the jitter between attempts to reconnect. */
  readonly random?: () => number;
  readonly onStateChange?: (state: 'ready' | 'away', cause: string) => void;
};

/** Redis could not be asked, did not answer in time, or answered with an error; `cause` says which. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

const backoffMinMs = 50;
const backoffMaxMs = 2_000;

/** Doubles from 50 ms to 2 s, half of it by chance, so that many nodes do not come back in one moment. For ever. */
export function backoffMs(attempt: number, random: () => number): number {
  const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempt - 1, 16));
  return Math.round(ceilingMs * (0.5 + random() / 2));
}

/** A client that never sends a command twice by itself and never keeps one for later (G3): both would be somebody else's decision. */
export function openRedis({ url, commandTimeoutMs = 2_000, random = Math.random }: RedisConnectionOptions): Redis {
  return new Redis(url, {
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    // A server that has stopped without closing its connections is given up, or nothing would ever reconnect.
    socketTimeout: commandTimeoutMs * 3,
    connectTimeout: commandTimeoutMs,
    retryStrategy: (attempt: number) => backoffMs(attempt, random),
    connectionName: 'stockcast',
  });
}

/** Says that this connection may lead to another server than before: ask again who it is. */
const identityErrors = /^(?:MOVED|READONLY|ASK|CLUSTERDOWN|MASTERDOWN)\b/;

/**
 * One connection for commands. It knows which server it leads to (`run_id` and replication id) before any command may be sent (G2):
 * commands are sent in the same breath in which the identity is read, so an identity never meets another connection.
 * away → (connected, identity read) → ready → (closed, or an error that may mean another server) → away, for ever, until `close`.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #inFlightMax: number;
  readonly #onStateChange: NonNullable<RedisConnectionOptions['onStateChange']>;
  #identity: string | null = null;
  #inFlight = 0;
  #lastError = 'not connected yet';
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: RedisConnectionOptions) {
    this.#inFlightMax = options.inFlightMax ?? 2_000;
    this.#onStateChange = options.onStateChange ?? (() => {});
    this.#client = openRedis(options);
    this.#client.on('error', (error: Error) => {
      this.#lastError = error.message;
    });
    this.#client.on('ready', () => void this.#identify());
    this.#client.on('close', () => this.#forgetIdentity('the connection has closed'));
  }

  /** null while unknown. */
  get identity(): string | null {
    return this.#identity;
  }

  /** Resolves once commands may be sent. Rejects with `RedisUnavailable` after `timeoutMs`; the connection goes on trying. */
  async ready(timeoutMs: number): Promise<void> {
    if (this.#identity !== null) return;
    await inTime(new Promise<void>((resolve) => this.#waiting.push(resolve)), timeoutMs, () => this.#whyAway());
  }

  /**
   * Sends at once or rejects at once. `command` must send in its synchronous part.
   * Rejects with `RedisUnavailable`: whether the command took effect is then unknown, unless its `cause` is an error reply of Redis.
   */
  async send<Reply>(command: (client: Redis, identity: string) => Promise<Reply>): Promise<Reply> {
    const identity = this.#identity;
    if (identity === null) throw new RedisUnavailable(this.#whyAway());
    if (this.#inFlight >= this.#inFlightMax) {
      throw new RedisUnavailable(`Redis is behind: ${this.#inFlight} commands wait for their replies`);
    }
    this.#inFlight += 1;
    try {
      return await command(this.#client, identity);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (identityErrors.test(message) && this.#identity === identity) {
        this.#forgetIdentity(message);
        this.#client.disconnect(true);
      }
      throw new RedisUnavailable(`Redis: ${message}`, { cause });
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Waits for replies under way, then closes for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forgetIdentity('closed');
    await closeRedis(this.#client);
  }

  async #identify(): Promise<void> {
    try {
      const [server, replication] = await Promise.all([this.#client.info('server'), this.#client.info('replication')]);
      const runId = /^run_id:(\w+)/m.exec(server)?.[1];
      const replicationId = /^master_replid:(\w+)/m.exec(replication)?.[1];
      if (runId === undefined || replicationId === undefined) throw new Error('INFO names no run_id or master_replid');
      // The connection may have closed while it was being asked; the next one asks for itself.
      if (this.#client.status !== 'ready' || this.#closed) return;
      this.#identity = `${runId}:${replicationId}`;
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : String(error);
      if (!this.#closed && this.#client.status === 'ready') this.#client.disconnect(true);
      return;
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#onStateChange('ready', '');
  }

  #forgetIdentity(cause: string): void {
    if (this.#identity === null) return;
    this.#identity = null;
    this.#lastError = cause;
    this.#onStateChange('away', cause);
  }

  #whyAway(): string {
    return `Redis is away: ${this.#lastError}`;
  }
}

/** How long the other side may take to close its end of a connection; then it is closed without it. */
const closeGraceMs = 500;

/** QUIT lets replies under way arrive; a server that does not answer it is left without. Never rejects, and ends in bounded time. */
export async function closeRedis(client: Redis): Promise<void> {
  if (client.status === 'ready') await client.quit().catch(() => {});
  // Between two attempts to reconnect there is nothing to end but the next attempt: no event would come.
  const isConnected = client.status !== 'end' && client.status !== 'reconnecting';
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
  client.disconnect();
  if (!isConnected) return;
  await inTime(ended, closeGraceMs).catch(() => client.stream?.destroy());
}

/** Rejects with `RedisUnavailable` if `promise` has not resolved after `timeoutMs`. */
export async function inTime(
  promise: Promise<void>,
  timeoutMs: number,
  why = () => 'Redis is away: not connected',
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisUnavailable(why())), timeoutMs);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
