import { CannotStart } from '../lib/cannot-start.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';

/** One process that serves. */
export type ClusterWorker = {
  readonly pid: number;
  /** Resolves when it takes requests, or with the reason why it never will. */
  readonly started: Promise<
    { readonly kind: 'ready' } | { readonly kind: 'failed'; readonly reason: string; readonly forGood: boolean }
  >;
  /** Resolves when it is gone, with words for the log. */
  readonly exited: Promise<string>;
  /** Takes nothing new, moves its clients, finishes what is under way, and leaves. */
  drain(): void;
  kill(): void;
};

export type SupervisorOptions = {
  readonly count: number;
  /** Starts a worker for a place (1 … count); a place outlives its workers. */
  readonly fork: (slot: number) => ClusterWorker;
  /** How long a worker may take to start, and to leave. */
  readonly startWithinMs: number;
  readonly leaveWithinMs: number;
  readonly clock: Clock;
  /** Resolves after so many ms, or early when the signal says so. */
  readonly pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly log: Log;
  readonly say: (line: string) => void;
};

const attemptsMax = 3;
const pauseMinMs = 500;
const pauseMaxMs = 30_000;
/** A worker that has run for so long was all right; its end is the first again. */
const stableMs = 60_000;

type LaunchOutcome =
  | { readonly kind: 'serving' }
  | { readonly kind: 'failed'; readonly reason: string; readonly forGood: boolean };

type Slot = {
  readonly number: number;
  worker: ClusterWorker | null;
  /** The next worker of this place while it starts: two, where a rolling restart comes while a dead one is being replaced. */
  readonly starting: Set<ClusterWorker>;
  failures: number;
  /** Ends the pause before the next attempt. */
  turn: AbortController;
};

/**
 * Keeps `count` workers running. A place is: starting → serving → (the worker is gone: pause, doubling) → starting; or, in a rolling restart,
 * serving twice for a moment: the new worker is ready before the old one drains.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  #stopping = false;
  #rolling: Promise<void> | undefined;
  #restarts = 0;
  /** Workers that drain; a stop waits for them too. */
  readonly #leaving = new Set<ClusterWorker>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      worker: null,
      starting: new Set(),
      failures: 0,
      turn: new AbortController(),
    }));
  }

  /** Workers that serve, by their places. */
  get serving(): readonly { readonly slot: number; readonly worker: ClusterWorker }[] {
    return this.#slots.flatMap(({ number, worker }) => (worker === null ? [] : [{ slot: number, worker }]));
  }

  /** Workers that were started again because one had ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * The first alone, so that what has to be done once is done by it; then the others at once. A worker that cannot start, or does not three
   * times, is the end: rejects with its reason. Afterwards a place is tried for ever: what it lacks then (a database away) lies outside.
   */
  async start(): Promise<void> {
    const [first, ...others] = this.#slots;
    if (first === undefined) return;
    await this.#startFirst(first);
    await Promise.all(others.map((slot) => this.#startFirst(slot)));
  }

  /**
   * Replaces every worker by a new one, a place at a time: the next only when the new one is ready and the old one is gone. A new worker that
   * does not start ends it, and the old ones go on. One at a time; asked for during another, it follows that one.
   */
  async roll(): Promise<void> {
    const before = this.#rolling ?? Promise.resolve();
    const rolling = before.catch(() => undefined).then(() => this.#rollAll());
    this.#rolling = rolling;
    await rolling;
  }

  /** Drains all workers at once; kills those that do not leave in time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const slot of this.#slots) {
      slot.turn.abort();
      for (const worker of slot.starting) worker.kill();
      if (slot.worker !== null) void this.#leave(slot.worker);
      slot.worker = null;
    }
    const starting = this.#slots.flatMap((slot) => [...slot.starting]);
    await Promise.all([...this.#leaving, ...starting].map((worker) => worker.exited));
  }

  async #startFirst(slot: Slot): Promise<void> {
    const outcome = await this.#launchPatiently(slot);
    if (outcome.kind === 'failed') throw new CannotStart(outcome.reason);
  }

  /** A machine that is busy, or a database that is just coming back, is no reason to give up at once. */
  async #launchPatiently(slot: Slot): Promise<LaunchOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#launch(slot);
      if (outcome.kind === 'serving' || outcome.forGood || attempt === attemptsMax || this.#stopping) return outcome;
      this.#options.log.warn({ slot: slot.number, reason: outcome.reason }, 'a worker did not start; once more');
      await this.#options.pause(pauseMinMs * 2 ** (attempt - 1));
    }
  }

  /** Starts a worker and, once it serves, makes it the one of its place: the one before drains, and is gone when this resolves. */
  async #launch(slot: Slot): Promise<LaunchOutcome> {
    const { fork, pause, startWithinMs, say } = this.#options;
    const startedAtMs = this.#options.clock.now();
    const worker = fork(slot.number);
    slot.starting.add(worker);
    const patience = new AbortController();
    const outcome = await Promise.race([
      worker.started,
      worker.exited.then((how) => ({
        kind: 'died' as const,
        reason: `Worker ${slot.number} ended while it started: ${how}`,
      })),
      pause(startWithinMs, patience.signal).then(() => ({
        kind: 'died' as const,
        reason: `Worker ${slot.number} did not start within ${startWithinMs / 1_000} s`,
      })),
    ]);
    patience.abort();
    slot.starting.delete(worker);
    if (outcome.kind !== 'ready') {
      worker.kill();
      await worker.exited;
      return { kind: 'failed', reason: outcome.reason, forGood: outcome.kind === 'failed' && outcome.forGood };
    }
    if (this.#stopping) {
      await this.#leave(worker);
      return { kind: 'serving' };
    }
    const before = slot.worker;
    slot.worker = worker;
    void this.#watch(slot, worker);
    say(
      `worker ${slot.number}: pid ${worker.pid} · ${((this.#options.clock.now() - startedAtMs) / 1_000).toFixed(1)} s`,
    );
    // Whoever had this place leaves it, however it came to be there meanwhile.
    if (before !== null) await this.#leave(before);
    return { kind: 'serving' };
  }

  async #watch(slot: Slot, worker: ClusterWorker): Promise<void> {
    const { clock, log } = this.#options;
    const readyAtMs = clock.now();
    const how = await worker.exited;
    // Another one has taken its place, or everything stops: it was asked to leave.
    if (slot.worker !== worker || this.#stopping) return;
    slot.worker = null;
    // A rolling restart is about to put one there.
    if (slot.starting.size > 0) return;
    if (clock.now() - readyAtMs > stableMs) slot.failures = 0;
    log.error({ slot: slot.number, pid: worker.pid, how }, 'a worker has ended by itself; another one takes its place');
    await this.#restart(slot);
  }

  async #restart(slot: Slot): Promise<void> {
    const turn = new AbortController();
    slot.turn = turn;
    while (!this.#stopping && !turn.signal.aborted) {
      const againInMs = Math.min(pauseMaxMs, pauseMinMs * 2 ** slot.failures);
      slot.failures += 1;
      await this.#options.pause(againInMs, turn.signal);
      if (this.#stopping || turn.signal.aborted) return;
      this.#restarts += 1;
      const outcome = await this.#launch(slot);
      if (outcome.kind === 'serving') return;
      this.#options.log.error(
        { slot: slot.number, reason: outcome.reason },
        'a worker does not start; it is tried again',
      );
    }
  }

  async #rollAll(): Promise<void> {
    for (const slot of this.#slots) {
      if (this.#stopping) return;
      // A place that waits for its next attempt gets it now.
      slot.turn.abort();
      const outcome = await this.#launchPatiently(slot);
      if (outcome.kind === 'failed') {
        if (this.#stopping) return;
        if (slot.worker === null) void this.#restart(slot);
        throw new CannotStart(
          `The rolling restart has ended at worker ${slot.number}; the others are as they were. ${outcome.reason}`,
        );
      }
      slot.failures = 0;
    }
  }

  async #leave(worker: ClusterWorker): Promise<void> {
    const { pause, leaveWithinMs, log } = this.#options;
    this.#leaving.add(worker);
    worker.drain();
    const patience = new AbortController();
    const late = pause(leaveWithinMs, patience.signal).then(() => 'late' as const);
    if ((await Promise.race([worker.exited, late])) === 'late') {
      log.error({ pid: worker.pid }, 'a worker has not left in time; it is killed');
      worker.kill();
      await worker.exited;
    }
    patience.abort();
    this.#leaving.delete(worker);
  }
}
