import type { Metrics } from '../metrics/metrics.ts';
import type { GateHold, GateReading, StockEngine } from '../stock/stock-engine.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { LedgerAudit, OrderLedger } from './order-ledger.ts';

type Deps = {
  readonly engine: Pick<StockEngine, 'read' | 'holds'>;
  readonly ledger: Pick<OrderLedger, 'audit'>;
  readonly keeper: Pick<GateKeeper, 'ensureOpen'>;
  readonly metrics: Pick<Metrics, 'driftUnits'>;
  readonly wait: (ms: number) => Promise<void>;
  readonly report: (event: { livestreamId: string; drift: number; rebuilt: boolean }) => void;
};

/** Orders in flight differ for as long as a commit and the tail take; what is left after this many looks is drift. */
const looksMax = 5;
const pauseMs = 1_000;

/**
 * Compares gate and ledger (I3), once a minute and after a refusal by the guard (B4). Attempts in flight explain a difference, so it
 * looks again before it calls it drift; drift without explanation is reported and the gate is rebuilt. Returns the units of drift.
 */
export async function checkDrift(deps: Deps, livestreamId: string): Promise<number> {
  let drift = 0;
  for (let look = 0; look < looksMax; look += 1) {
    if (look > 0) await deps.wait(pauseMs);
    const ledger = await deps.ledger.audit(livestreamId);
    const [reading, holds] = await Promise.all([deps.engine.read(livestreamId), deps.engine.holds(livestreamId)]);
    // A gate that is missing or of another epoch is the tail's business, not drift.
    if (ledger === null || reading === null || reading.epoch !== ledger.epoch) return 0;
    drift = driftOf(reading, ledger) - pendingUnits(holds);
    if (drift <= 0) break;
  }
  drift = Math.max(0, drift);
  deps.metrics.driftUnits.set({ livestream: livestreamId }, drift);
  if (drift > 0) {
    const kept = await deps.keeper.ensureOpen(livestreamId, 'drift');
    deps.report({ livestreamId, drift, rebuilt: kept === 'open' });
  }
  return drift;
}

/** Units by which gate and ledger differ, over all items and counts. */
export function driftOf(reading: GateReading, ledger: LedgerAudit): number {
  const atGate = new Map(reading.items.map((item) => [item.skuId, item]));
  return ledger.items.reduce((sum, item) => {
    const gate = atGate.get(item.skuId) ?? { allotted: 0, held: 0, sold: 0 };
    const between =
      Math.abs(gate.allotted - item.allotted) + Math.abs(gate.held - item.held) + Math.abs(gate.sold - item.sold);
    return sum + between + Math.abs(item.held - item.heldByOrders) + Math.abs(item.sold - item.soldByOrders);
  }, 0);
}

function pendingUnits(holds: readonly GateHold[]): number {
  const units = holds
    .filter(({ state }) => state === 'pending')
    .flatMap(({ lines }) => lines.map(({ quantity }) => quantity));
  return units.reduce((sum, quantity) => sum + quantity, 0);
}
