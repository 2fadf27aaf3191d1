import type { AlertTier, NotificationChannel } from '../../contract/alerts.ts';
import type { Clock } from '../lib/clock.ts';
import type { DeliveryRow } from './delivery-log.ts';
import { reaches, tierOrder } from './notice.ts';
import type { SendOutcome } from './outcome.ts';

export type LaneDeps = {
  readonly clock: Clock;
  /** Resolves after so many milliseconds, or at once when the signal says so. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ chance() < 1, for the jitter of retries. */
  readonly chance: () => number;
  /** The channel as it is now; null: it is gone; `unknown`: the database is away since the start. */
  channel(): Promise<NotificationChannel | null | 'unknown'>;
  /** 0: the room for one request was taken; else how long there is none. */
  take(channel: NotificationChannel, tier: AlertTier): Promise<number>;
  mute(channel: NotificationChannel, untilMs: number): Promise<void>;
  send(channel: NotificationChannel, rows: readonly DeliveryRow[], signal: AbortSignal): Promise<SendOutcome>;
  /** The newest state of rows. */
  save(rows: readonly DeliveryRow[]): void;
  /** A row that failed here for good and may go another way. */
  passOn(row: DeliveryRow): void;
};

/** Messages that wait in memory; more wait in the delivery log and are adopted when there is room. */
export const waitingMax = 1_000;
const attemptsMax = 8;
/** With another channel to turn to, nobody waits for this one for long. */
const attemptsBeforeNext = 3;
const patienceMs: Record<AlertTier, number> = { red: 15_000, orange: 45_000, yellow: 90_000 };
/** What is older than this is in the console and helps nobody on a phone. */
const ageMaxMs = 45 * 60_000;
const firstPauseMs = 1_000;
const pauseMaxMs = 60_000;

type Waiting = { row: DeliveryRow; notBeforeMs: number };

/**
 * The queue of one channel and recipient: one request at a time. Below the rate limit every message goes by itself; when it has to wait,
 * what has gathered goes as one digest. Red goes first, by itself, and may use the part of the limit that is kept for it.
 */
export class SendLane {
  readonly #deps: LaneDeps;
  readonly #stopping = new AbortController();
  #waiting: Waiting[] = [];
  #wake = new AbortController();
  #folding = false;
  #running: Promise<void> | undefined;

  constructor(deps: LaneDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#waiting.length;
  }

  has(deliveryId: string): boolean {
    return this.#waiting.some(({ row }) => row.deliveryId === deliveryId);
  }

  /** False when the lane is full: the row stays in the delivery log only. */
  add(row: DeliveryRow): boolean {
    if (this.#waiting.length >= waitingMax || this.#stopping.signal.aborted) return false;
    this.#waiting.push({ row, notBeforeMs: 0 });
    this.#wake.abort();
    this.#running ??= this.#run();
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      // Whoever arrives from here on ends the pause at the end of this step.
      this.#wake = new AbortController();
      const channel = await this.#deps.channel();
      this.#giveUpOld();
      if (channel === 'unknown') {
        await this.#pause(firstPauseMs);
      } else if (channel === null || !channel.enabled) {
        this.#fail(this.#waiting.splice(0), 'the channel was removed or switched off');
      } else {
        await this.#step(channel);
      }
    }
    // In the same turn as the last look at the queue: whoever comes later starts anew.
    this.#running = undefined;
  }

  async #step(channel: NotificationChannel): Promise<void> {
    const batch = this.#pick();
    const [first] = batch;
    if (first === undefined) {
      const next = Math.min(...this.#waiting.map(({ notBeforeMs }) => notBeforeMs));
      await this.#pause(next - this.#deps.clock.now());
      return;
    }
    const waitMs = await this.#deps.take(channel, first.row.tier);
    if (waitMs > 0) {
      this.#folding = true;
      this.#leaveToOthers(waitMs);
      if (this.#waiting.length > 0) await this.#pause(waitMs);
      return;
    }
    const outcome = await this.#deps.send(channel, rowsOf(batch), this.#stopping.signal);
    // What was under way when the program stopped may have arrived or not: it stays waiting and is sent again.
    if (this.#stopping.signal.aborted && outcome.kind !== 'sent') return;
    await this.#settle(channel, batch, outcome);
    if (this.#waiting.length === 0) this.#folding = false;
  }

  /** What goes next: the most urgent message that is due, or while folding all of them of its class. */
  #pick(): Waiting[] {
    const nowMs = this.#deps.clock.now();
    const due = this.#waiting.filter(({ notBeforeMs }) => notBeforeMs <= nowMs);
    const red = due.filter(({ row }) => row.tier === 'red');
    const candidates = red.length > 0 ? red : due.toSorted((a, b) => tierOrder[b.row.tier] - tierOrder[a.row.tier]);
    return this.#folding ? candidates : candidates.slice(0, 1);
  }

  async #settle(channel: NotificationChannel, batch: readonly Waiting[], outcome: SendOutcome): Promise<void> {
    const { clock } = this.#deps;
    const counted = outcome.kind === 'throttled' ? 0 : 1;
    for (const waiting of batch) {
      const error = outcome.kind === 'sent' ? null : outcome.reason;
      waiting.row = { ...waiting.row, attempts: waiting.row.attempts + counted, error };
    }
    if (outcome.kind === 'sent') {
      this.#remove(batch);
      this.#deps.save(batch.map(({ row }) => Object.assign({}, row, { state: 'sent' as const })));
    } else if (outcome.kind === 'refused') {
      this.#remove(batch);
      this.#fail(batch, outcome.reason);
    } else if (outcome.kind === 'throttled') {
      await this.#deps.mute(channel, clock.now() + outcome.forMs);
      this.#deps.save(rowsOf(batch));
    } else {
      for (const waiting of batch) waiting.notBeforeMs = clock.now() + this.#backOffMs(waiting.row.attempts);
      const spent = batch.filter(({ row }) => row.attempts >= attemptsOf(row));
      this.#remove(spent);
      this.#deps.save(rowsOf(batch.filter((waiting) => !spent.includes(waiting))));
      this.#fail(spent, outcome.reason);
    }
  }

  /** Doubling, half of it by chance, so that messages that failed together do not come back together. */
  #backOffMs(attempts: number): number {
    const full = Math.min(pauseMaxMs, firstPauseMs * 2 ** (attempts - 1));
    return full / 2 + this.#deps.chance() * (full / 2);
  }

  /** Rows with another channel to turn to do not wait out a long throttle. */
  #leaveToOthers(waitMs: number): void {
    const impatient = this.#waiting.filter(
      ({ row }) => row.message.otherwise.length > 0 && waitMs > patienceMs[row.tier],
    );
    this.#remove(impatient);
    this.#fail(impatient, `no room within the channel's limit for ${Math.ceil(waitMs / 1_000)} s`);
  }

  #giveUpOld(): void {
    const eldestMs = this.#deps.clock.now() - ageMaxMs;
    const old = this.#waiting.filter(({ row }) => row.createdAtMs < eldestMs);
    this.#remove(old);
    this.#fail(old, 'too old to be of use');
  }

  #fail(batch: readonly Waiting[], reason: string): void {
    const rows = batch.map(({ row }) =>
      Object.assign({}, row, { state: 'failed' as const, error: row.error ?? reason }),
    );
    this.#deps.save(rows);
    for (const row of rows) this.#deps.passOn(row);
  }

  #remove(batch: readonly Waiting[]): void {
    const gone = new Set(batch);
    this.#waiting = this.#waiting.filter((waiting) => !gone.has(waiting));
  }

  /** Ends early when a message arrives: it may be red, and red has its own room. */
  async #pause(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#wake.signal, this.#stopping.signal]);
    await this.#deps.pause(Math.max(1, ms), signal);
  }
}

const rowsOf = (batch: readonly Waiting[]): readonly DeliveryRow[] => batch.map(({ row }) => row);

const attemptsOf = (row: DeliveryRow): number => (row.message.otherwise.length > 0 ? attemptsBeforeNext : attemptsMax);

/** The highest tier of some rows. */
export const highestTier = (rows: readonly Pick<DeliveryRow, 'tier'>[]): AlertTier =>
  rows.reduce<AlertTier>((highest, { tier }) => (reaches(tier, highest) ? tier : highest), 'yellow');
