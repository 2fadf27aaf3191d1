/**
 * What every rival sends for a change: one event with the same payload as ours, numbered the same way. A rival without conflation sends
 * one such frame for each change; its stock is a counter in memory, which costs it nothing.
 */
export class Counter {
  readonly livestreamId: string;
  readonly #scarce: number;
  #sent = 0;
  #scarceUnits = 1;
  readonly #units = new Map<number, number>();

  constructor(livestreamId: string, items: number) {
    this.livestreamId = livestreamId;
    this.#scarce = items - 1;
  }

  get position(): number {
    return this.#sent;
  }

  take(item: number): object {
    const left = (this.#units.get(item) ?? 100_000_000) - 1;
    this.#units.set(item, left);
    return this.#payload(item, left);
  }

  scarce(units: 0 | 1): object {
    this.#scarceUnits = units;
    return this.#payload(this.#scarce, units);
  }

  snapshot(): object {
    const rows = [...this.#units].map(([item, left]) => [item, this.#sent, left, 2]);
    rows.push([this.#scarce, this.#sent, this.#scarceUnits, this.#scarceUnits > 0 ? 2 : 3]);
    return { livestreamId: this.livestreamId, lane: 'viewers', frame: this.#sent, epoch: 1, upTo: this.#sent, rows };
  }

  #payload(item: number, left: number): object {
    this.#sent += 1;
    return {
      livestreamId: this.livestreamId,
      frame: this.#sent,
      epoch: 1,
      upTo: this.#sent,
      rows: [[item, this.#sent, left, left > 0 ? 2 : 3]],
    };
  }
}
