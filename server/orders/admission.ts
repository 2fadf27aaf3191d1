import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';

export type AdmissionSettings = {
  /** Orders under way beyond which new ones are shed, however fast they are. */
  readonly inFlightMax: number;
  /** Longest that every order of an interval may have taken before that is a queue and no burst. */
  readonly targetMs: number;
  readonly intervalMs: number;
  /** How long four times the target is borne, less for longer and more for shorter delays; and how long nobody came when a crowd is over. */
  readonly patienceMs: number;
};

export const admissionDefaults = { targetMs: 200, intervalMs: 200, patienceMs: 1_000 } as const;

/** What an order that was let in came to. `other` says nothing about the queue: it waited for a gate that is rebuilt, say. */
export type AdmittedAs = 'ordered' | 'refused' | 'other';

/** Groups need some company to be worth their statement. */
const limitMin = 64;

/**
 * Lets new orders in, or sheds them before their latency collapses (OR-16). By delay, not by count: as CoDel does, a burst may queue, and
 * what is shed is a queue that stands. When even the quickest order of every interval took longer than the target, for a second at four
 * times the target, less at more and longer at less, so many are let in as leave within the target at the present rate. Then the limit
 * follows the delay until nobody is shed any more: up by a twentieth while the target is kept, else wherever `PowerSearch` finds it. The
 * event loop's lateness counts as delay: a request waits there before anybody sees it.
 */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #clock: Clock;
  #inFlight = 0;
  #limit: number;
  #standing = false;
  /** Time above the target × how far above it, in ms², since an interval was last below. */
  #excess = 0;
  #startedAtMs: number;
  #finished = 0;
  #shed = 0;
  #quickestMs: Record<'ordered' | 'refused', number> = { ordered: Infinity, refused: Infinity };
  #latenessMs = Infinity;
  #delayMs = 0;
  readonly #search = new PowerSearch();

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
    this.#search.forget();
    this.#excess = 0;
    this.#limit = this.#settings.inFlightMax;
    this.#delayMs = 0;
    this.#beginInterval();
  }

  #decide(elapsedMs: number): void {
    const { inFlightMax, targetMs, patienceMs } = this.#settings;
    this.#delayMs = this.#delayOf(elapsedMs);
    const isAbove = this.#delayMs > targetMs;
    this.#excess = isAbove ? this.#excess + (this.#delayMs - targetMs) * elapsedMs : 0;
    if (isAbove) {
      if (!this.#standing && this.#excess < 3 * targetMs * patienceMs) return;
      const leaving = (this.#finished / elapsedMs) * targetMs;
      const limit = this.#standing
        ? this.#limit * this.#search.step(this.#finished, this.#delayMs, elapsedMs)
        : leaving;
      this.#standing = true;
      this.#limit = Math.floor(Math.min(inFlightMax, Math.max(limitMin, limit)));
    } else if (this.#standing) {
      this.#search.forget();
      const isOver = this.#shed === 0 && this.#inFlight < this.#limit / 2;
      this.#standing = !isOver;
      this.#limit = isOver ? inFlightMax : Math.min(inFlightMax, Math.ceil(this.#limit * 1.05));
    }
  }

  /**
   * Orders and refusals go different ways: the slower of the two is the queue. Where nothing finished though some were under way, it is a whole
   * interval, and no less than before.
   */
  #delayOf(elapsedMs: number): number {
    const quickest = Object.values(this.#quickestMs).filter(Number.isFinite);
    const lateness = Number.isFinite(this.#latenessMs) ? this.#latenessMs : 0;
    if (this.#finished === 0 && this.#inFlight > 0) return Math.max(this.#delayMs, lateness + elapsedMs);
    if (quickest.length === 0) return lateness;
    return lateness + Math.max(...quickest);
  }
}

/** Long enough that some groups have been committed, and short enough for a crowd that comes and goes. */
const epochMs = 600;
const stepDown = 0.75;

/**
 * Looks for the limit at which throughput / delay, the power of a queue, is largest (L. Kleinrock, Power and deterministic rules of thumb for
 * probabilistic problems in computer communications, ICC 1979). Where orders wait for each other, fewer at once are quicker and none is lost
 * by it: down. Where they wait for something else, a slow disk or an event loop that is busy with shedding, fewer at once are only fewer: up.
 */
class PowerSearch {
  #factor = stepDown;
  #power = 0;
  #passedMs = 0;
  #finished = 0;
  #delayMsSum = 0;
  #intervals = 0;
  #settlingMs = 0;

  /** Of one more interval with the present limit: by what to multiply it. */
  step(finished: number, delayMs: number, elapsedMs: number): number {
    if (this.#settlingMs > 0) {
      this.#settlingMs -= elapsedMs;
      return 1;
    }
    this.#passedMs += elapsedMs;
    this.#finished += finished;
    this.#delayMsSum += delayMs;
    this.#intervals += 1;
    if (this.#passedMs < epochMs) return 1;
    const power = this.#finished / this.#passedMs / (this.#delayMsSum / this.#intervals);
    if (power === 0) this.#factor = stepDown;
    else if (power < this.#power) this.#factor = 1 / this.#factor;
    this.#power = power;
    this.#beginEpoch();
    // What finishes until then was let in before this step.
    this.#settlingMs = delayMs;
    return this.#factor;
  }

  forget(): void {
    this.#factor = stepDown;
    this.#power = 0;
    this.#settlingMs = 0;
    this.#beginEpoch();
  }

  #beginEpoch(): void {
    this.#passedMs = 0;
    this.#finished = 0;
    this.#delayMsSum = 0;
    this.#intervals = 0;
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
