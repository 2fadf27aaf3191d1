import type { Clock } from '../lib/clock.ts';

export type ReadinessReport = {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly checks: Readonly<Record<string, 'ok' | 'failing'>>;
};

export type Readiness = {
  check(): Promise<ReadinessReport>;
  /** From now on not ready, so that a load balancer sends its requests elsewhere; there is no way back. */
  drain(): void;
  readonly draining: boolean;
};

/**
 * Whether this node should get requests: every probe (database, gate, …) answers within `timeoutMs`. A report is used for `maxAgeMs` and
 * probes never run twice at once, so that questions cannot become load. `onFailing` hears the reason, which strangers don't.
 */
export function createReadiness(options: {
  readonly probes: Readonly<Record<string, () => Promise<unknown>>>;
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly onFailing: (name: string, error: unknown) => void;
}): Readiness {
  const { probes, timeoutMs, maxAgeMs, clock, onFailing } = options;
  let draining = false;
  let last: { readonly checks: ReadinessReport['checks']; readonly atMs: number } | undefined;
  let running: Promise<ReadinessReport['checks']> | undefined;

  const probe = async (name: string): Promise<[string, 'ok' | 'failing']> => {
    try {
      await within(timeoutMs, Promise.resolve().then(probes[name]));
      return [name, 'ok'];
    } catch (error) {
      onFailing(name, error);
      return [name, 'failing'];
    }
  };
  const ask = async (): Promise<ReadinessReport['checks']> => {
    const checks = Object.fromEntries(await Promise.all(Object.keys(probes).map(probe)));
    last = { checks, atMs: clock.now() };
    running = undefined;
    return checks;
  };

  return {
    async check() {
      const fresh = last !== undefined && clock.now() - last.atMs < maxAgeMs ? last.checks : undefined;
      running ??= fresh === undefined ? ask() : undefined;
      const checks = fresh ?? (await running) ?? {};
      const ready = !draining && Object.values(checks).every((check) => check === 'ok');
      return { ready, draining, checks };
    },
    drain() {
      draining = true;
    },
    get draining() {
      return draining;
    },
  };
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
