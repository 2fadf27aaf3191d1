import type { ResumePoint } from './level-store.ts';

/** Silence after which numbers on the page are called stale. */
export const staleAfterMs = 5_000;
/** Silence after which a connection that calls itself open is opened anew: browsers cannot see a half-open one. */
export const deadAfterMs = 15_000;

/** What silence on an open connection means; heartbeats come about once a second. */
export function judgeSilence(silentMs: number): 'fresh' | 'stale' | 'dead' {
  if (silentMs >= deadAfterMs) return 'dead';
  return silentMs >= staleAfterMs ? 'stale' : 'fresh';
}

const behindForMs = 300;
const jitterMs = 700;
const answerWithinMs = 5_000;

/**
 * Decides when to ask for a resync. A heartbeat names what the gate has reached; a client that has not received that much 300 ms later
 * asks once, after a random pause, and again only if no snapshot comes for five seconds.
 */
export class ResyncPolicy {
  readonly #random: () => number;
  #target: ResumePoint | null = null;
  #askAtMs = 0;
  #askedAtMs: number | null = null;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The gate has reached `target`, which is more than what is known here. The oldest unreached target counts. */
  behind(target: ResumePoint, nowMs: number): void {
    if (this.#target !== null) return;
    this.#target = target;
    this.#askAtMs = nowMs + behindForMs + this.#random() * jitterMs;
  }

  /** Called several times a second; true exactly when a resync must be sent now. */
  due(isBehind: (target: ResumePoint) => boolean, nowMs: number): boolean {
    if (this.#askedAtMs !== null && nowMs - this.#askedAtMs < answerWithinMs) return false;
    if (this.#target === null) return false;
    if (!isBehind(this.#target)) {
      this.reset();
      return false;
    }
    if (nowMs < this.#askAtMs) return false;
    this.#askedAtMs = nowMs;
    return true;
  }

  /** A snapshot came, or the connection is another. */
  reset(): void {
    this.#target = null;
    this.#askedAtMs = null;
  }
}
