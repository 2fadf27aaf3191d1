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
): Periodic {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;

  const run = (): void => {
    clearTimeout(timer);
    again = false;
    running = work()
      .catch(onError)
      .finally(() => {
        running = undefined;
        if (stopped) return;
        timer = setTimeout(run, again ? 0 : intervalMs);
        timer.unref();
      });
  };
  timer = setTimeout(run, intervalMs);
  timer.unref();

  return {
    kick() {
      if (stopped) return;
      if (running === undefined) run();
      else again = true;
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
