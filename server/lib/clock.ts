/** Time as a parameter: domain code never reads the machine's clock itself. */
export type Clock = {
  /** Milliseconds since 1970-01-01T00:00Z. */
  now(): number;
};

export const systemClock: Clock = { now: () => Date.now() };

/**
 * For durations: begins as the machine's clock and from then on counts what really passes. The machine's clock may be set back, and
 * whoever waits until a moment by it then waits that much longer.
 */
export const steadyClock: Clock = { now: () => Math.round(performance.timeOrigin + performance.now()) };
