/** Samples that count: with one heartbeat a second, a wrong clock that was set right is forgotten within these many seconds. */
const samplesMax = 8;

/**
 * Estimates the server's clock. Each sample is too early by the time its message took, so the greatest of the last few is the best: a
 * page that was busy for a moment does not set its countdowns back.
 */
export class ServerClock {
  readonly #offsets: number[] = [];

  /** `serverNowMs` as sent, `receivedAtMs` by the page's own clock. */
  sample(serverNowMs: number, receivedAtMs: number): void {
    this.#offsets.push(serverNowMs - receivedAtMs);
    if (this.#offsets.length > samplesMax) this.#offsets.shift();
  }

  /** Server's clock minus the page's, in ms; 0 before the first sample. */
  get offsetMs(): number {
    return this.#offsets.length === 0 ? 0 : Math.max(...this.#offsets);
  }
}
