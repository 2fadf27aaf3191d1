import type { Redis } from 'ioredis';
import { type ClientTimes, closeClient, inTime, openClient } from './open-client.ts';
import { type RedisCommand, RedisUnavailable } from './redis-link.ts';
import type { ServerTarget } from './redis-target.ts';

export type LinkSettings = ClientTimes & {
  /** Commands that may wait for a reply of one server at once; more are refused. */
  readonly inFlightMax: number;
  /** Pause between two looks at who the server is and whether it answers. */
  readonly checkMs: number;
  /** `where` names the server, never a password. */
  readonly onStateChange: (state: 'ready' | 'away', where: string, cause: string) => void;
};

/** The server is not the one that decides about the key any more, or about anything: it may be another server next time. */
const otherServer = /^(?:READONLY|MASTERDOWN|NOREPLICAS)\b/;
/** The server has lost keys to another one; it may itself become something else. */
const otherOwner = /^(?:MOVED|CLUSTERDOWN)\b/;

/**
 * One connection for commands. It knows which server it leads to (`run_id` and replication id) before any command may be sent (G2):
 * commands are sent in the same breath in which the identity is read, so an identity never meets another connection.
 * away → (connected, identity read) → ready → (closed, silent, or an error that means another server) → away, for ever, until `close`.
 * While ready the identity is read again every `checkMs`, and at once after MOVED: a server that was demoted and promoted again behind
 * an open connection is found without an order on it. A server that does not answer that question is away: nobody waits for it.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #settings: LinkSettings;
  readonly #where: string;
  readonly #checks: NodeJS.Timeout;
  #identity: string | null = null;
  #isChecking = false;
  /** After MOVED: what follows waits until the server has said again who it is. */
  #doubt: Promise<void> | null = null;
  #inFlight = 0;
  #lastError = 'not connected yet';
  #nextReady = newLatch();
  #closed = false;

  constructor(target: ServerTarget, settings: LinkSettings) {
    this.#settings = settings;
    this.#where = whereOf(target);
    this.#client = openClient(target, settings);
    this.#client.on('error', (error: Error) => {
      this.#lastError = error.message;
    });
    this.#client.on('sentinelError', (error: Error) => {
      this.#lastError = error.message;
    });
    this.#client.on('ready', () => this.#check());
    this.#client.on('close', () => this.#forgetIdentity('the connection has closed'));
    this.#checks = setInterval(() => this.#check(), settings.checkMs);
  }

  /** null while unknown. */
  get identity(): string | null {
    return this.#identity;
  }

  /** Resolves once commands may be sent. Rejects with `RedisUnavailable` after `timeoutMs`; the connection goes on trying. */
  async ready(timeoutMs: number): Promise<void> {
    if (this.#identity !== null) return;
    await inTime(this.#nextReady.promise, timeoutMs, () => this.#whyAway());
  }

  /**
   * Sends at once or rejects at once; only while the identity is being read again, it waits for that.
   * Rejects with `RedisUnavailable`: whether the command took effect is then unknown, unless its `cause` is an error reply of Redis.
   */
  async send<Reply>(command: RedisCommand<Reply>): Promise<Reply> {
    if (this.#identity === null) throw new RedisUnavailable(this.#whyAway());
    if (this.#inFlight >= this.#settings.inFlightMax) {
      throw new RedisUnavailable(`Redis is behind: ${this.#inFlight} commands wait for their replies`);
    }
    this.#inFlight += 1;
    try {
      if (this.#doubt !== null) await this.#doubt;
      const identity = this.#identity;
      if (identity === null) throw new Error(this.#lastError);
      return await command(this.#client, identity);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (otherServer.test(message)) this.#leave(message);
      else if (otherOwner.test(message)) this.#doubtIdentity();
      throw new RedisUnavailable(`Redis: ${message}`, { cause });
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Waits for replies under way, then closes for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#checks);
    this.#forgetIdentity('closed');
    await closeClient(this.#client);
  }

  #doubtIdentity(): void {
    // Commands under way were sent before this question, and what comes later waits for its answer: one at a time is enough.
    this.#doubt ??= this.#identify().finally(() => {
      this.#doubt = null;
    });
  }

  #leave(cause: string): void {
    if (this.#identity === null || this.#client.status !== 'ready') return;
    this.#forgetIdentity(cause);
    this.#client.disconnect(true);
  }

  #check(): void {
    if (this.#closed || this.#client.status !== 'ready') return;
    if (this.#isChecking) return;
    this.#isChecking = true;
    void this.#identify().finally(() => {
      this.#isChecking = false;
    });
  }

  async #identify(): Promise<void> {
    const { stream } = this.#client;
    try {
      const [server, replication] = await Promise.all([this.#client.info('server'), this.#client.info('replication')]);
      const runId = /^run_id:(\w+)/m.exec(server)?.[1];
      const replicationId = /^master_replid:(\w+)/m.exec(replication)?.[1];
      if (runId === undefined || replicationId === undefined) throw new Error('INFO names no run_id or master_replid');
      // The connection may have closed while it was being asked; the next one asks for itself.
      if (this.#client.status !== 'ready' || this.#client.stream !== stream || this.#closed) return;
      this.#learn(`${runId}:${replicationId}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#client.stream === stream) this.#forgetIdentity(message);
    }
  }

  #learn(identity: string): void {
    const wasAway = this.#identity === null;
    this.#identity = identity;
    if (!wasAway) return;
    this.#nextReady.open();
    this.#settings.onStateChange('ready', this.#where, '');
  }

  #forgetIdentity(cause: string): void {
    if (this.#identity === null) {
      if (this.#client.status === 'ready') this.#lastError = cause;
      return;
    }
    this.#identity = null;
    this.#nextReady = newLatch();
    this.#lastError = cause;
    if (!this.#closed) this.#settings.onStateChange('away', this.#where, cause);
  }

  #whyAway(): string {
    return `Redis is away: ${this.#where}: ${this.#lastError}`;
  }
}

const whereOf = (target: ServerTarget): string =>
  target.shape === 'single'
    ? `${target.address.host}:${target.address.port}`
    : `${target.name} of ${target.sentinels.map(({ host, port }) => `${host}:${port}`).join(', ')}`;

function newLatch(): { readonly promise: Promise<void>; readonly open: () => void } {
  const opened: { resolve?: () => void } = {};
  const promise = new Promise<void>((resolve) => {
    opened.resolve = resolve;
  });
  return { promise, open: () => opened.resolve?.() };
}
