/** Lets `ratePerSecond` pass in the long run and `burst` at once. Without a timer: what has flowed in is reckoned when somebody takes. */
export class TokenBucket {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #reckonedAtMs: number;

  constructor({ ratePerSecond, burst }: { ratePerSecond: number; burst: number }, nowMs: number) {
    this.#ratePerMs = ratePerSecond / 1_000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#reckonedAtMs = nowMs;
  }

  /** False: too fast; nothing is taken then. */
  take(cost: number, nowMs: number): boolean {
    const flowedMs = Math.max(0, nowMs - this.#reckonedAtMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + flowedMs * this.#ratePerMs);
    this.#reckonedAtMs = nowMs;
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }
}
