/** Waiting as a parameter, as `Clock` is for time: tests drive it by hand. */
export type Timers = {
  /** After the input that is waiting now has been served: one turn of the event loop. */
  soon(run: () => void): void;
  /** Returns how to cancel. */
  after(delayMs: number, run: () => void): () => void;
};

export const systemTimers: Timers = {
  soon: (run) => {
    setImmediate(run);
  },
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
