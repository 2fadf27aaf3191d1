import { setImmediate as turn } from 'node:timers/promises';
import type { Timers } from '../lib/timers.ts';
import type { TestClock } from '../stock/stock-engine.fixtures.ts';

type Timer = { readonly atMs: number; readonly run: () => void };

/** Time that is moved by hand, in turns of the event loop. */
export class TestTimers implements Timers {
  readonly clock: TestClock;
  #soon: (() => void)[] = [];
  #timers = new Set<Timer>();

  constructor(clock: TestClock) {
    this.clock = clock;
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.clock.nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  /** One turn of the event loop: everything that asked for it before. */
  async oneTurn(): Promise<void> {
    await turn();
    for (const run of this.#soon.splice(0)) run();
    await turn();
  }

  /** Turns until nothing wants another one; time stands still. */
  async settle(): Promise<void> {
    do await this.oneTurn();
    while (this.#soon.length > 0);
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.clock.nowMs + ms;
    await this.settle();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.clock.nowMs = Math.max(this.clock.nowMs, due.atMs);
      due.run();
      await this.settle();
    }
    this.clock.nowMs = Math.max(this.clock.nowMs, untilMs);
  }
}
