import { delay } from '../../lib/limiter.ts';
import type { FaultWindow } from '../history.ts';
import type { Rig } from '../rig/rig.ts';
import { faults } from './faults.ts';
import type { PlannedFault } from './schedule.ts';

export type NemesisReport = { readonly injected: Map<string, number>; readonly skipped: number };

/**
 * Breaks what the plan says when it says so. A fault waits for what another one has in hand; what has not begun when the round is over is
 * left out. Resolves when everything is whole again.
 */
export async function runNemesis(options: {
  readonly rig: Rig;
  readonly plan: readonly PlannedFault[];
  readonly windows: FaultWindow[];
  /** The round is over: nothing new is broken. */
  readonly over: AbortSignal;
  /** The program ends: nothing is waited for. */
  readonly stopping: AbortSignal;
  readonly now: () => number;
  readonly tell: (text: string) => void;
}): Promise<NemesisReport> {
  const { rig, plan, windows, over, stopping, now, tell } = options;
  const injected = new Map<string, number>();
  let skipped = 0;
  const locks = new Locks();
  const beganAtMs = now();
  await Promise.all(
    plan.map(async (fault) => {
      await delay(beganAtMs + fault.atMs - now(), over);
      const { needs, run } = faults[fault.kind];
      await locks.hold([...needs(fault, rig)].sort(), async () => {
        if (over.aborted) {
          skipped += 1;
          return;
        }
        const window: FaultWindow = { kind: fault.kind, beganAtMs: now(), healedAtMs: Number.POSITIVE_INFINITY };
        windows.push(window);
        injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
        await run(rig, fault, stopping);
        window.healedAtMs = now();
        tell(
          `${fault.kind} (node ${fault.node + 1}, ${((window.healedAtMs - window.beganAtMs) / 1_000).toFixed(1)} s)`,
        );
      });
    }),
  );
  return { injected, skipped };
}

/** One holder of each name at a time, in the order of asking. Names are asked for in one order by everybody, so nobody waits for ever. */
class Locks {
  readonly #tails = new Map<string, Promise<void>>();

  async hold(names: readonly string[], work: () => Promise<void>): Promise<void> {
    const [name, ...rest] = names;
    if (name === undefined) return work();
    const before = this.#tails.get(name) ?? Promise.resolve();
    const turn = before.then(() => this.hold(rest, work));
    this.#tails.set(
      name,
      turn.catch(() => undefined),
    );
    await turn;
  }
}
