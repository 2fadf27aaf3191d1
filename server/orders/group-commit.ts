import type { Metrics } from '../metrics/metrics.ts';
import { StatementRefused } from './ledger-errors.ts';
import type { AppendOutcome, NewOrder, OrderLedger } from './order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';

/** The queue is full: this order was never sent. A known failure, and a retry is welcome. */
export class LedgerOverloaded extends Error {
  override readonly name = 'LedgerOverloaded';
}

/**
 * Calls `end` when a group has waited for its answer for long enough, unless it is cancelled before: PostgreSQL hangs, or the way to it
 * does. Its orders are answered then, and the next group is sent; the statement may commit all the same, and only resolve decides (O5, O6).
 */
type Patience = (end: () => void) => () => void;

type Waiting = {
  readonly order: NewOrder;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: Error) => void;
};

const groupMax = 500;

/**
 * Group commit: orders that arrive while a statement is under way go together in the next one. A lone order waits for nobody, and the
 * busier it is, the larger the groups: the lock of a hot item is held through the commit, so groups make speed, not connections.
 */
export class GroupCommit {
  readonly #ledger: Pick<OrderLedger, 'append'>;
  readonly #metrics: Pick<Metrics, 'commitSeconds' | 'commitGroupSize' | 'ledgerQueueLength'>;
  readonly #queueLengthMax: number;
  readonly #inFlightMax: number;
  readonly #patience: Patience;
  #waiting: Waiting[] = [];
  #inFlight = 0;
  #idle: (() => void)[] = [];

  constructor(deps: {
    ledger: Pick<OrderLedger, 'append'>;
    metrics: Pick<Metrics, 'commitSeconds' | 'commitGroupSize' | 'ledgerQueueLength'>;
    /** Orders that may wait for a statement; beyond it they are shed at once. */
    queueLengthMax: number;
    /** Statements under way at the same time, 1 or 2. */
    inFlightMax?: number;
    /** Default: as long as the ledger takes. */
    patience?: Patience;
  }) {
    this.#ledger = deps.ledger;
    this.#metrics = deps.metrics;
    this.#queueLengthMax = deps.queueLengthMax;
    this.#inFlightMax = deps.inFlightMax ?? 1;
    this.#patience = deps.patience ?? (() => () => undefined);
  }

  /** The outcome is durable when it arrives. Rejects with `LedgerOverloaded`, `LedgerRefused` or `LedgerUnknown`. */
  append(order: NewOrder): Promise<AppendOutcome> {
    if (this.#waiting.length >= this.#queueLengthMax) {
      return Promise.reject(new LedgerOverloaded('More orders are waiting for the ledger than it can take'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order, resolve, reject });
      this.#start();
    });
  }

  /** Resolves when nothing waits and nothing is under way. Orders that arrive meanwhile are waited for too. */
  drain(): Promise<void> {
    if (this.#inFlight === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #start(): void {
    while (this.#inFlight < this.#inFlightMax && this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, groupMax);
      this.#inFlight += 1;
      void this.#commit(group).finally(() => {
        this.#inFlight -= 1;
        this.#start();
        if (this.#inFlight > 0) return;
        for (const resolve of this.#idle.splice(0)) resolve();
      });
    }
    this.#metrics.ledgerQueueLength.set(this.#waiting.length);
  }

  #answerTo(group: readonly Waiting[]): Promise<readonly AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      const cancel = this.#patience(() => reject(new LedgerUnknown('The ledger does not answer')));
      this.#ledger
        .append(group.map(({ order }) => order))
        .then(resolve, reject)
        .finally(cancel);
    });
  }

  /** Never rejects: whatever happens, every order of the group learns it. */
  async #commit(group: readonly Waiting[]): Promise<void> {
    const stop = this.#metrics.commitSeconds.startTimer();
    this.#metrics.commitGroupSize.observe(group.length);
    try {
      const outcomes = await this.#answerTo(group);
      stop();
      for (const [index, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new LedgerUnknown('The ledger gave no outcome for this order'));
        else resolve(outcome);
      }
    } catch (error) {
      stop();
      // O2: one order must not fail its neighbours. Halves find it in few statements, and the rest commits.
      if (error instanceof StatementRefused && !isForAll(error) && group.length > 1) {
        const middle = group.length >> 1;
        await this.#commit(group.slice(0, middle));
        await this.#commit(group.slice(middle));
        return;
      }
      const reason = error instanceof LedgerRefused ? error : unknownOf(error);
      for (const { reject } of group) reject(reason);
    }
  }
}

/** A server that takes no writes or has no room: no order of the group is the reason. */
const isForAll = ({ sqlState }: StatementRefused): boolean => /^(25|53)/.test(sqlState);

/** O5: an error that nobody expected says nothing about the commit. */
const unknownOf = (error: unknown): LedgerUnknown =>
  error instanceof LedgerUnknown
    ? error
    : new LedgerUnknown('The ledger failed in an unexpected way', { cause: error });
