import type { DeliveredPoint } from './lane-flusher.ts';

export type SharedPayload = { readonly payload: object; readonly point: DeliveredPoint };

/** A storm brings thousands who ask for the same within a moment; their snapshots name a moment that is at most this old. */
const freshMs = 50;
/** Crowds come back from few places; who comes from another one gets a payload of its own. */
const placesMax = 64;

/**
 * Payloads made for one member and given to the others of its lane that need the very same: made once and, because the writer goes by the
 * object, encoded once. Nothing is kept of a state that is over.
 */
export class SharedPayloads {
  #state = '';
  #madeAtMs = 0;
  readonly #payloads = new Map<number, SharedPayload>();

  /** `state`: whatever the payload depends on beside `since` and a moment; `since`: the version that the member knows, −1 none. */
  take(at: { state: string; since: number; nowMs: number }, make: () => SharedPayload): SharedPayload {
    const ageMs = at.nowMs - this.#madeAtMs;
    if (this.#state !== at.state || ageMs > freshMs || ageMs < 0) {
      this.#payloads.clear();
      this.#state = at.state;
      this.#madeAtMs = at.nowMs;
    }
    const known = this.#payloads.get(at.since);
    if (known !== undefined) return known;
    const made = make();
    if (this.#payloads.size < placesMax) this.#payloads.set(at.since, made);
    return made;
  }
}
