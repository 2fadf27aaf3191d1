import { type ShownRow, Viewer } from '../../lib/viewer.ts';
import type { Violation } from '../check/violation.ts';
import type { Show } from '../show.ts';
import type { Door, World } from './world.ts';

export type Watching = { readonly name: string; readonly livestreamId: string; readonly viewer: Viewer };

/** Everybody who looks on: a viewer and an operator of each livestream at each node. Collects what two of them saw differently. */
export class Watchers {
  readonly all: Watching[] = [];
  /** What each version of each item was shown as; one version has one value, at whichever node (V1). */
  readonly #values = new Map<string, { text: string; by: string }>();
  readonly #conflicts: Violation[] = [];

  static async start(world: World): Promise<Watchers> {
    const watchers = new Watchers();
    const wanted = world.shows.flatMap((show) =>
      world.doors.flatMap((door) => (['viewers', 'operators'] as const).map((lane) => ({ show, door, lane }))),
    );
    await Promise.all(wanted.map(({ show, door, lane }) => watchers.#watch(world, show, door, lane)));
    return watchers;
  }

  of(livestreamId: string): Watching[] {
    return this.all.filter((one) => one.livestreamId === livestreamId);
  }

  /** What they saw that a correct product never shows. */
  violations(): Violation[] {
    const books = this.all.flatMap(({ name, viewer: { book } }): Violation[] => [
      ...book.violations.map((text) => ({ check: 'levels', rule: 'V1', text: `${name}: ${text}`, evidence: [] })),
      ...(book.older === 0
        ? []
        : [
            {
              check: 'levels',
              rule: 'V1',
              text: `${name} was sent ${book.older} rows older than what it had been sent before`,
              evidence: [],
            },
          ]),
    ]);
    return [...this.#conflicts, ...books];
  }

  stop(): void {
    for (const { viewer } of this.all) viewer.stop();
  }

  async #watch(world: World, show: Show, door: Door, lane: 'viewers' | 'operators'): Promise<void> {
    const name = `${lane} of ${show.livestreamId} at ${door.name}`;
    const [buyer] = show.buyers;
    const viewer = await Viewer.watch({
      url: door.url,
      token: lane === 'operators' ? show.operatorToken : (buyer?.token ?? ''),
      livestreamId: show.livestreamId,
      lane,
      random: world.random,
      now: world.now,
      strict: true,
      onRow: (row, epoch) =>
        this.#compare(
          `${show.livestreamId} ${lane} epoch ${epoch} item ${row.index} version ${row.version}`,
          row,
          name,
        ),
    });
    this.all.push({ name, livestreamId: show.livestreamId, viewer });
  }

  #compare(what: string, { shown, held, sold }: ShownRow, by: string): void {
    // The status also follows the sale's state and the clock, which have no version of their own.
    const text = JSON.stringify([shown, held, sold]);
    const known = this.#values.get(what);
    if (known === undefined) this.#values.set(what, { text, by });
    else if (known.text !== text && this.#conflicts.length < 5) {
      this.#conflicts.push({
        check: 'levels',
        rule: 'V1',
        text: `${what} has two values`,
        evidence: [`${known.by}: ${known.text}`, `${by}: ${text}`],
      });
    }
  }
}
