import type { ReserveOutcome, ReserveRequest } from '../stock/stock-engine.ts';
import { GateUnavailable } from '../stock/stock-engine.ts';
import type { ReserveBatcher } from './reserve-batcher.ts';
import { GateOverloaded } from './reserve-batcher.ts';

export type ReserveDeps = {
  readonly gate: Pick<ReserveBatcher, 'reserve'>;
  readonly wait: (ms: number) => Promise<void>;
};

/** Pause before the same rid is asked once more after a lost reply of the gate (G3). */
const gateRetryMs = 100;

/**
 * Units for one attempt. A lost reply: the same rid once more (G3). `unavailable`: whether units were taken is unknown; the attempt's
 * lease ends by itself and the tail resolves it. `overloaded`: nothing was sent.
 */
export async function reserveOnceMore(
  { gate, wait }: ReserveDeps,
  livestreamId: string,
  request: ReserveRequest,
): Promise<ReserveOutcome | { readonly kind: 'unavailable' | 'overloaded' }> {
  for (const last of [false, true]) {
    try {
      return await gate.reserve(livestreamId, request);
    } catch (error) {
      if (error instanceof GateOverloaded) return { kind: 'overloaded' };
      if (!(error instanceof GateUnavailable)) throw error;
      if (!last) await wait(gateRetryMs);
    }
  }
  return { kind: 'unavailable' };
}
