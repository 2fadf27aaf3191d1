import { constants } from 'node:os';

/** A signal that comes again within this time is the same one. */
const sameMs = 1_000;

/**
 * Calls `stop` at the first SIGINT or SIGTERM. Another one ends the process at once: who sends it does not want to wait. One that follows
 * within a second is taken for the first: npm passes on the Ctrl-C that the terminal has sent to every process already.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAtMs: number | undefined;
  const hear = (signal: NodeJS.Signals): void => {
    if (firstAtMs === undefined) {
      firstAtMs = performance.now();
      stop(signal);
    } else if (performance.now() - firstAtMs > sameMs) process.exit(128 + constants.signals[signal]);
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
}
