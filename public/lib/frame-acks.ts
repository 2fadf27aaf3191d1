/** Frames that may be unacknowledged before an acknowledgement goes out at once. */
export const framesPerAck = 16;
/** Longest time that a received frame stays unacknowledged under traffic. */
export const ackWithinMs = 1_000;

/** Decides when the server is told which frame has been worked off: every 16 frames, or once a second under traffic. */
export class FrameAcks {
  #newest: number | null = null;
  #waiting = 0;
  #waitingSinceMs = 0;

  /** A frame has been worked off; returns the number to acknowledge now, or null. */
  worked(frame: number, nowMs: number): number | null {
    if (this.#waiting === 0) this.#waitingSinceMs = nowMs;
    this.#waiting += 1;
    this.#newest = frame;
    return this.#waiting >= framesPerAck ? this.#take() : null;
  }

  /** Called several times a second; returns the number to acknowledge now, or null. */
  due(nowMs: number): number | null {
    return this.#waiting > 0 && nowMs - this.#waitingSinceMs >= ackWithinMs ? this.#take() : null;
  }

  /** Another connection numbers its frames anew. */
  reset(): void {
    this.#newest = null;
    this.#waiting = 0;
  }

  #take(): number | null {
    this.#waiting = 0;
    return this.#newest;
  }
}
