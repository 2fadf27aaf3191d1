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

const looksMax = 5;
const pauseMs = 1_000;

/**
 * Compares gate and ledger (I3), once a minute and after a refusal by the guard (B4). They cannot be read at one moment: while a livestream
 * sells, the later reading knows more. So each reading of the ledger is compared with the gate just before it and a second after it, and only
 * by how much they differ in one direction every time, over five looks, is drift; it is reported and the gate is rebuilt. Drift that is
 * smaller than what moves meanwhile is found when it is quieter. Returns the units of drift.
 */
export async function checkDrift(deps: Deps, livestreamId: string): Promise<number> {
  const drift = await lastingDrift(deps, livestreamId);
  // A gate that is missing or of another epoch is the tail's business, not drift.
  if (drift === null) return 0;
  deps.metrics.driftUnits.set({ livestream: livestreamId }, drift);
  if (drift > 0) {
    const kept = await deps.keeper.ensureOpen(livestreamId, 'drift');
    deps.report({ livestreamId, drift, rebuilt: kept === 'open' });
  }
  return drift;
}

type GateLook = { readonly reading: GateReading; readonly holds: readonly GateHold[] };

async function lastingDrift({ engine, ledger, wait }: Deps, livestreamId: string): Promise<number | null> {
  const lookAtGate = async (): Promise<GateLook | null> => {
    const [reading, holds] = await Promise.all([engine.read(livestreamId), engine.holds(livestreamId)]);
    return reading === null ? null : { reading, holds };
  };
  let lasting: Differences | null = null;
  let gate = await lookAtGate();
  for (let look = 1; ; look += 1) {
    const audit = await ledger.audit(livestreamId);
    for (const isLater of [false, true]) {
      if (isLater) {
        if (look === looksMax) return unitsOf(lasting);
        await wait(pauseMs);
        gate = await lookAtGate();
      }
      if (gate === null || audit === null || gate.reading.epoch !== audit.epoch) return null;
      lasting = bothOf(lasting, differencesOf(gate, audit));
      if (unitsOf(lasting) === 0) return 0;
    }
  }
}

/** Units by name of a count and direction; what is not there is 0. */
type Differences = ReadonlyMap<string, number>;

const unitsOf = (differences: Differences | null): number =>
  [...(differences ?? [])].reduce((sum, [, units]) => sum + units, 0);

/** What is in both, as much as is in both. */
function bothOf(one: Differences | null, other: Differences): Differences {
  if (one === null) return other;
  return new Map([...other].map(([name, units]) => [name, Math.min(units, one.get(name) ?? 0)]));
}

/** Attempts that are pending at the gate may be in the ledger or not: their units are neither too many nor too few. */
function differencesOf({ reading, holds }: GateLook, ledger: LedgerAudit): Differences {
  const atGate = new Map(reading.items.map((item) => [item.skuId, item]));
  const pending = pendingUnits(holds);
  const differences = new Map<string, number>();
  for (const item of ledger.items) {
    const { skuId } = item;
    const gate = atGate.get(skuId) ?? { allotted: 0, held: 0, sold: 0 };
    const counts = {
      allotted: { least: gate.allotted, most: gate.allotted, ledger: item.allotted },
      held: { least: gate.held - (pending.get(skuId) ?? 0), most: gate.held, ledger: item.held },
      sold: { least: gate.sold, most: gate.sold, ledger: item.sold },
      // These are read in one statement.
      heldByOrders: { least: item.heldByOrders, most: item.heldByOrders, ledger: item.held },
      soldByOrders: { least: item.soldByOrders, most: item.soldByOrders, ledger: item.sold },
    };
    for (const [name, { least, most, ledger: counted }] of Object.entries(counts)) {
      if (least > counted) differences.set(`${skuId} ${name} more`, least - counted);
      if (most < counted) differences.set(`${skuId} ${name} less`, counted - most);
    }
  }
  return differences;
}

/** By item. */
function pendingUnits(holds: readonly GateHold[]): ReadonlyMap<string, number> {
  const units = new Map<string, number>();
  for (const { state, lines } of holds) {
    if (state !== 'pending') continue;
    for (const { skuId, quantity } of lines) units.set(skuId, (units.get(skuId) ?? 0) + quantity);
  }
  return units;
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
