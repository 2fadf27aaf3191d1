import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { type ClusterWorker, Supervisor } from './supervisor.ts';

type Fate = 'ready' | 'fails' | 'dies' | 'hangs';

/** Workers that do what they are told, and a clock that stands still but for pauses. */
function stage({ count = 2, fates = [] as Fate[] } = {}) {
  let nowMs = 0;
  let made = 0;
  const pauses: number[] = [];
  const events: string[] = [];
  const workers: (ClusterWorker & { readonly id: string; die(how: string): void; leaves: boolean })[] = [];
  const fork = (slot: number): ClusterWorker => {
    made += 1;
    const id = `${slot}#${made}`;
    events.push(`fork ${id}`);
    const fate = fates.shift() ?? 'ready';
    let die: (how: string) => void = () => undefined;
    const exited = new Promise<string>((resolve) => {
      die = (how) => resolve(how);
    });
    const worker = {
      id,
      pid: made,
      leaves: true,
      started: new Promise<Awaited<ClusterWorker['started']>>((resolve) => {
        if (fate === 'ready') resolve({ kind: 'ready' });
        if (fate === 'fails') resolve({ kind: 'failed', reason: 'the port is taken', forGood: true });
      }),
      exited,
      die,
      drain: () => {
        events.push(`drain ${id}`);
        if (worker.leaves) die('exit code 0');
      },
      kill: () => {
        events.push(`kill ${id}`);
        die('SIGKILL');
      },
    };
    if (fate === 'dies') die('exit code 1');
    workers.push(worker);
    return worker;
  };
  const supervisor = new Supervisor({
    count,
    fork,
    startWithinMs: 180_000,
    leaveWithinMs: 10_000,
    clock: { now: () => nowMs },
    // A pause that is ended early takes no time; the others are over at once, and the clock has moved.
    pause: async (ms, signal) => {
      // Nobody is so late here: this pause only ends early.
      if (ms === 180_000) return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) return;
      pauses.push(ms);
      nowMs += ms;
    },
    log: pino({ level: 'silent' }),
    say: () => undefined,
  });
  return {
    supervisor,
    workers,
    events,
    pauses,
    wait: (ms: number) => {
      nowMs += ms;
    },
    serving: () => supervisor.serving.map(({ slot, worker }) => `${slot}#${worker.pid}`),
  };
}

/** Lets everything that is due happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a start', () => {
  test('[CU-5] the first worker starts alone, then the others', async () => {
    const { supervisor, events, serving } = stage({ count: 3 });
    const starting = supervisor.start();
    expect(events).toEqual(['fork 1#1']);
    await starting;
    expect(serving()).toEqual(['1#1', '2#2', '3#3']);
  });

  test('[CU-6] a worker that says why it cannot start ends the start with its reason', async () => {
    const { supervisor, events } = stage({ fates: ['fails'] });
    await expect(supervisor.start()).rejects.toThrow('the port is taken');
    expect(events).toEqual(['fork 1#1', 'kill 1#1']);
  });

  test('[CU-6] a worker that only dies is tried three times, with pauses', async () => {
    const { supervisor, events, pauses } = stage({ fates: ['dies', 'dies', 'dies'] });
    await expect(supervisor.start()).rejects.toThrow('Worker 1 ended while it started: exit code 1');
    expect(events.filter((event) => event.startsWith('fork'))).toHaveLength(3);
    expect(pauses).toEqual([500, 1_000]);
  });
});

describe('afterwards', () => {
  test('[CU-6] a worker that ends by itself is replaced, later each time, and at once again after a minute of health', async () => {
    const { supervisor, workers, pauses, serving, wait } = stage({ count: 1 });
    await supervisor.start();
    for (const expected of [500, 1_000, 2_000, 4_000]) {
      workers.at(-1)?.die('SIGSEGV');
      await settle();
      expect(pauses.at(-1)).toBe(expected);
    }
    wait(60_001);
    workers.at(-1)?.die('SIGSEGV');
    await settle();
    expect(pauses.at(-1)).toBe(500);
    expect(serving()).toEqual(['1#6']);
    expect(supervisor.restarts).toBe(5);
  });

  test('[CU-6] a place whose worker does not start any more is tried for ever, at most 30 s apart', async () => {
    const fates: Fate[] = ['ready', ...Array<Fate>(10).fill('fails')];
    const { supervisor, workers, pauses, serving } = stage({ count: 1, fates });
    await supervisor.start();
    workers[0]?.die('SIGKILL');
    for (let turn = 0; turn < 20; turn += 1) await settle();
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    expect(serving()).toEqual(['1#12']);
  });
});

describe('a rolling restart', () => {
  test('[CU-7] one worker at a time: the new one is ready, then the old one leaves, then the next', async () => {
    const { supervisor, events, serving } = stage({ count: 2 });
    await supervisor.start();
    events.splice(0);
    await supervisor.roll();
    expect(events).toEqual(['fork 1#3', 'drain 1#1', 'fork 2#4', 'drain 2#2']);
    expect(serving()).toEqual(['1#3', '2#4']);
    expect(supervisor.restarts).toBe(0);
  });

  test('[CU-7] a new worker that does not start ends it; the old ones go on', async () => {
    const { supervisor, events, serving } = stage({ count: 2, fates: ['ready', 'ready', 'ready', 'fails'] });
    await supervisor.start();
    events.splice(0);
    await expect(supervisor.roll()).rejects.toThrow('at worker 2; the others are as they were. the port is taken');
    expect(events).toEqual(['fork 1#3', 'drain 1#1', 'fork 2#4', 'kill 2#4']);
    expect(serving()).toEqual(['1#3', '2#2']);
  });

  test('[CU-7] a new worker that only dies is tried again before it ends', async () => {
    const { supervisor, events, serving } = stage({ count: 1, fates: ['ready', 'dies', 'dies'] });
    await supervisor.start();
    await supervisor.roll();
    expect(events.filter((event) => event.startsWith('fork'))).toHaveLength(4);
    expect(events.at(-1)).toBe('drain 1#1');
    expect(serving()).toEqual(['1#4']);
  });

  test('[CU-7] a worker that dies during it, and one that is asked for twice, leave one worker a place', async () => {
    const { supervisor, workers, serving } = stage({ count: 2 });
    await supervisor.start();
    const rolling = [supervisor.roll(), supervisor.roll()];
    workers[0]?.die('SIGKILL');
    workers[1]?.die('SIGKILL');
    await Promise.all(rolling);
    await settle();
    expect(serving().map((each) => each[0])).toEqual(['1', '2']);
    const alive = await Promise.all(
      workers.map((worker) => Promise.race([worker.exited, settle().then(() => 'alive')])),
    );
    expect(alive.filter((how) => how === 'alive')).toHaveLength(2);
  });

  test('[CU-8] who does not leave in time is killed', async () => {
    const { supervisor, workers, events } = stage({ count: 1 });
    await supervisor.start();
    const [stubborn] = workers;
    if (stubborn !== undefined) stubborn.leaves = false;
    await supervisor.stop();
    expect(events.slice(1)).toEqual(['drain 1#1', 'kill 1#1']);
    expect(supervisor.serving).toEqual([]);
  });

  test('[CU-8] a stop ends a worker that is just starting, and none is started afterwards', async () => {
    const { supervisor, workers, events } = stage({ count: 1, fates: ['ready', 'hangs'] });
    await supervisor.start();
    workers[0]?.die('SIGKILL');
    await settle();
    await supervisor.stop();
    await settle();
    expect(events).toEqual(['fork 1#1', 'fork 1#2', 'kill 1#2', 'kill 1#2']);
  });
});
