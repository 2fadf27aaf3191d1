import { Pool, type PoolClient, type PoolConfig } from 'pg';

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void;

/** What the driver says of a server that nobody answers for: a statement that meets it was certainly never sent (O4). */
class NotReachable extends Error {
  override readonly name = 'NotReachable';
  readonly code = 'ECONNREFUSED';
  readonly syscall = 'connect';
  readonly errno = -111;
}

/**
 * A pool that keeps nobody waiting who would wait in vain: while the database is away, and when `waitingMax` wait for a connection already,
 * whoever comes is refused at once instead of after the time limit.
 */
export class GuardedPool extends Pool {
  readonly #isAway: () => boolean;
  readonly #waitingMax: number;

  constructor(config: PoolConfig, guard: { readonly isAway: () => boolean; readonly waitingMax: number }) {
    super(config);
    this.#isAway = guard.isAway;
    this.#waitingMax = guard.waitingMax;
  }

  override connect(): Promise<PoolClient>;
  override connect(connected: Connected): void;
  override connect(connected?: Connected): Promise<PoolClient> | void {
    const refusal = this.#refusal();
    if (refusal === null) return connected === undefined ? super.connect() : super.connect(connected);
    if (connected === undefined) return Promise.reject(refusal);
    process.nextTick(connected, refusal, undefined, () => undefined);
  }

  #refusal(): NotReachable | null {
    if (this.#isAway()) return new NotReachable('the database is away');
    if (this.waitingCount < this.#waitingMax) return null;
    return new NotReachable('more statements wait for a connection than can be served');
  }
}
