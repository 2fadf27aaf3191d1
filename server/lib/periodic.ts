import { systemTimers, type Timers } from './timers.ts';

/** Something that runs until it is stopped; `stop` resolves when its last run has ended. */
export type Periodic = {
  /** Runs now, or right after the run that is under way. */
  kick(): void;
  stop(): Promise<void>;
};

/**
 * Runs `work` every `intervalMs`, never twice at once: the pause begins when a run ends. A run that fails is reported and the next one
 * comes as usual, so that a database that is away for a minute does not end expiry for ever.
 */
export function runPeriodically(
  intervalMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
  timers: Pick<Timers, 'after'> = systemTimers,
): Periodic {
  let cancel: () => void;
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;

  const run = (): void => {
    cancel();
    again = false;
    running = work()
      .catch(onError)
      .finally(() => {
        running = undefined;
        if (stopped) return;
        cancel = timers.after(again ? 0 : intervalMs, run);
      });
  };
  cancel = timers.after(intervalMs, run);

  return {
    kick() {
      if (stopped) return;
      if (running === undefined) run();
      else again = true;
    },
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}
