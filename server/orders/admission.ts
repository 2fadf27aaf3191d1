import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';

export type AdmissionSettings = {
  /** Orders under way beyond which new ones are shed, however fast they are. */
  readonly inFlightMax: number;
  /** Longest that every order of an interval may have taken before that is a queue and no burst. */
  readonly targetMs: number;
  readonly intervalMs: number;
  /** How long every interval must have been above the target: a burst of thousands is through by then, or nearly. */
  readonly patienceMs: number;
};

export const admissionDefaults = { targetMs: 200, intervalMs: 200, patienceMs: 1_000 } as const;

/** What an order that was let in came to. `other` says nothing about the queue: it waited for a gate that is rebuilt, say. */
export type AdmittedAs = 'ordered' | 'refused' | 'other';

/** Groups need some company to be worth their statement. */
const limitMin = 64;

/**
 * Lets new orders in, or sheds them before their latency collapses (OR-16). By delay, not by count: as CoDel does, a burst may queue, and
 * what is shed is a queue that stands. When for a whole second even the quickest order of every interval took longer than the target, so
 * many are let in as leave within the target at the present rate; then the limit follows the delay, down by a tenth and up by a
 * twentieth, until nobody is shed any more. The event loop's lateness counts as delay: a request waits there before anybody sees it.
 */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #clock: Clock;
  #inFlight = 0;
  #limit: number;
  #standing = false;
  /** Since when every interval was above the target; null: the last one was not. */
  #aboveSinceMs: number | null = null;
  #startedAtMs: number;
  #finished = 0;
  #shed = 0;
  #quickestMs: Record<'ordered' | 'refused', number> = { ordered: Infinity, refused: Infinity };
  #latenessMs = Infinity;
  #delayMs = 0;

  constructor(settings: AdmissionSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#limit = settings.inFlightMax;
    this.#startedAtMs = clock.now();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Orders that may be under way at once now. */
  get limit(): number {
    return this.#limit;
  }

  /** What the quickest order of the last interval took, with the event loop's lateness. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** False: one more order is shed. */
  admits(): boolean {
    const quietMs = this.#inFlight === 0 ? this.#clock.now() - this.#startedAtMs : 0;
    if (quietMs >= this.#settings.patienceMs) this.#open();
    else this.#look();
    if (this.#inFlight < this.#limit) return true;
    this.#shed += 1;
    return false;
  }

  /** An order that was let in; call what comes back once, when it is answered. */
  enter(): (as: AdmittedAs) => void {
    const enteredAtMs = this.#clock.now();
    this.#inFlight += 1;
    return (as) => {
      this.#inFlight -= 1;
      this.#finished += 1;
      if (as !== 'other') this.#quickestMs[as] = Math.min(this.#quickestMs[as], this.#clock.now() - enteredAtMs);
      this.#look();
    };
  }

  /** How late a timer was, or 0. */
  observeLateness(ms: number): void {
    this.#latenessMs = Math.min(this.#latenessMs, ms);
  }

  #look(): void {
    const elapsedMs = this.#clock.now() - this.#startedAtMs;
    if (elapsedMs >= 0 && elapsedMs < this.#settings.intervalMs) return;
    // A clock that was set back has measured nothing.
    if (elapsedMs > 0) this.#decide(elapsedMs);
    this.#beginInterval();
  }

  #beginInterval(): void {
    this.#startedAtMs = this.#clock.now();
    this.#finished = 0;
    this.#shed = 0;
    this.#quickestMs = { ordered: Infinity, refused: Infinity };
    this.#latenessMs = Infinity;
  }

  /** Nobody was here for a while: what is remembered is of another crowd. */
  #open(): void {
    this.#standing = false;
    this.#aboveSinceMs = null;
    this.#limit = this.#settings.inFlightMax;
    this.#delayMs = 0;
    this.#beginInterval();
  }

  #decide(elapsedMs: number): void {
    const { inFlightMax, targetMs, patienceMs } = this.#settings;
    this.#delayMs = this.#delayOf(elapsedMs);
    const endsAtMs = this.#startedAtMs + elapsedMs;
    this.#aboveSinceMs = this.#delayMs > targetMs ? (this.#aboveSinceMs ?? this.#startedAtMs) : null;
    if (this.#aboveSinceMs !== null) {
      if (!this.#standing && endsAtMs - this.#aboveSinceMs < patienceMs) return;
      const leaving = (this.#finished / elapsedMs) * targetMs;
      const limit = this.#standing ? this.#limit * 0.9 : leaving;
      this.#standing = true;
      this.#limit = Math.floor(Math.min(inFlightMax, Math.max(limitMin, limit)));
    } else if (this.#standing) {
      const isOver = this.#shed === 0 && this.#inFlight < this.#limit / 2;
      this.#standing = !isOver;
      this.#limit = isOver ? inFlightMax : Math.min(inFlightMax, Math.ceil(this.#limit * 1.05));
    }
  }

  /** Orders and refusals go different ways: the slower of the two is the queue. Nothing finished though some were under way: a whole interval. */
  #delayOf(elapsedMs: number): number {
    const quickest = Object.values(this.#quickestMs).filter(Number.isFinite);
    const lateness = Number.isFinite(this.#latenessMs) ? this.#latenessMs : 0;
    if (quickest.length === 0) return lateness + (this.#finished === 0 && this.#inFlight > 0 ? elapsedMs : 0);
    return lateness + Math.max(...quickest);
  }
}

/** Adds what `/metrics` shows of it; once per registry. */
export function showAdmission(admission: Admission, registry: Registry): void {
  const registers = [registry];
  const show = (name: string, help: string, value: () => number) => {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(value()) });
  };
  show('stockcast_orders_in_flight', 'Orders between their arrival and their answer', () => admission.inFlight);
  show('stockcast_orders_in_flight_limit', 'Orders that may be under way at once now', () => admission.limit);
  show(
    'stockcast_order_delay_seconds',
    'What the quickest order of the last interval took: the queue, if it stays',
    () => admission.delayMs / 1_000,
  );
}
