import type { Clock } from '../../server/lib/clock.ts';
import type { Timers } from '../../server/lib/timers.ts';

/** Whatever can die: one run of a node's process. What a dead actor was waiting for never comes. */
export type Actor = { readonly name: string; alive: boolean };

/** Something that will happen. Events of one moment happen in the order in which they were asked for, unless a scheduler says otherwise. */
export type Happening = {
  readonly atMs: number;
  readonly order: number;
  /** null: nobody's, it happens whoever has died meanwhile. */
  readonly actor: Actor | null;
  readonly label: string;
  /** `timer`: happens at its time, not before it; `message`: may overtake others. */
  readonly kind: 'timer' | 'message';
  readonly run: () => void;
  cancelled: boolean;
};

export type Violation = { readonly rule: string; readonly text: string };

/** Not a moment of the real world: nothing in a history depends on when it is run. */
export const beginningMs = 1_760_000_000_000;

/**
 * Virtual time. One happening at a time runs, with everything that its promises lead to, and then the next one: no real timer, no real
 * I/O.
 */
export class World {
  nowMs = beginningMs;
  readonly violations: Violation[] = [];
  readonly trace: string[] = [];
  readonly #tracing: boolean;
  readonly #exact: boolean;
  readonly #queue: Happening[] = [];
  #asked = 0;
  happenings = 0;

  /** `exact`: what happens is named so that two happenings with one name are the same. */
  constructor(options: { tracing: boolean; exact?: boolean }) {
    this.#tracing = options.tracing;
    this.#exact = options.exact ?? false;
  }

  schedule(delayMs: number, actor: Actor | null, label: string, run: () => void, kind: Happening['kind'] = 'message') {
    const happening = { atMs: this.nowMs + delayMs, order: this.#asked, actor, label, kind, run, cancelled: false };
    this.#asked += 1;
    this.#push(happening);
    return happening;
  }

  /** Time of an actor: its timers die with it. */
  timersOf(actor: Actor): Timers {
    return {
      soon: (run) => void this.schedule(0, actor, 'soon', run, 'timer'),
      after: (delayMs, run) => {
        const happening = this.schedule(delayMs, actor, 'timer', run, 'timer');
        return () => {
          happening.cancelled = true;
        };
      },
    };
  }

  waitOf(actor: Actor): (ms: number) => Promise<void> {
    return (ms) => new Promise((resolve) => this.schedule(ms, actor, 'wait', resolve, 'timer'));
  }

  /** A clock that is wrong by so much. */
  clockOf(skewMs: number): Clock {
    return { now: () => this.nowMs + skewMs };
  }

  tell(text: () => string): void {
    if (this.#tracing) this.trace.push(`${String(this.nowMs - beginningMs).padStart(6)} ms  ${text()}`);
  }

  violate(rule: string, text: string): void {
    this.violations.push({ rule, text });
    this.tell(() => `!!! ${rule}: ${text}`);
  }

  /** Until nothing is left to happen before `untilMs`, or a rule is broken. */
  async run(untilMs: number): Promise<void> {
    await untilAtRest(() => {
      const next = this.#next(untilMs);
      if (next !== null) this.#happen(next);
      return next !== null;
    });
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** As `run`, in whatever order `choose` says; false: it has been there before. A function is something that it does itself. */
  async runChoosing(
    choose: (pending: readonly Happening[]) => Happening | (() => void) | 'end' | 'known',
  ): Promise<boolean> {
    let isKnown = false;
    await untilAtRest(() => {
      if (this.violations.length > 0) return false;
      const chosen = choose(this.#queue.filter(({ cancelled, actor }) => !cancelled && actor?.alive !== false));
      if (chosen === 'end' || chosen === 'known') {
        isKnown = chosen === 'known';
        return false;
      }
      if (typeof chosen === 'function') this.#guard('decision', chosen);
      else {
        this.take(chosen);
        this.#happen(chosen);
      }
      return true;
    });
    return !isKnown;
  }

  /** What an answer says, where happenings have to be told apart by it. */
  exactly(value: unknown): string {
    return this.#exact ? ` ${JSON.stringify(value)}` : '';
  }

  #next(untilMs: number): Happening | null {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.atMs > untilMs || this.violations.length > 0) return null;
      this.#pop();
      if (next.cancelled || next.actor?.alive === false) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      return next;
    }
  }

  #happen(happening: Happening): void {
    this.happenings += 1;
    this.#guard(happening.label, happening.run);
  }

  #guard(label: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.violate('BUG', `${label}: ${why}`);
    }
  }

  /** Takes one out of its turn: its time has come. */
  take(happening: Happening): void {
    this.#queue.splice(this.#queue.indexOf(happening), 1);
    this.nowMs = Math.max(this.nowMs, happening.atMs);
    // A sorted array is a heap.
    this.#queue.sort(before);
  }

  #push(happening: Happening): void {
    const queue = this.#queue;
    let at = queue.push(happening) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = queue[parent];
      if (above === undefined || before(above, happening) <= 0) break;
      queue[at] = above;
      at = parent;
    }
    queue[at] = happening;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let at = 0;
    for (;;) {
      const left = queue[2 * at + 1];
      const right = queue[2 * at + 2];
      const useRight = left !== undefined && right !== undefined && before(right, left) < 0;
      const child = useRight ? right : left;
      if (child === undefined || before(last, child) <= 0) break;
      queue[at] = child;
      at = 2 * at + (useRight ? 2 : 1);
    }
    queue[at] = last;
  }
}

const before = (a: Happening, b: Happening): number => a.atMs - b.atMs || a.order - b.order;

/**
 * Calls `step` until it answers false, and lets all promises come to rest after each call. Node's own way to do so between two callbacks
 * costs 0.4 µs a step where a turn of the event loop costs 8; without it, turns do the same, only slower.
 */
async function untilAtRest(step: () => boolean): Promise<void> {
  const { _tickCallback: settle } = process as { _tickCallback?: () => void };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  if (settle === undefined) {
    while (step()) await turn();
    return;
  }
  await new Promise<void>((resolve) => {
    // Promises settle only where nothing of them is under way: in a callback of the event loop itself.
    setImmediate(() => {
      while (step()) settle.call(process);
      resolve();
    });
  });
}
