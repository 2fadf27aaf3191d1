import type { StockEngine } from '../stock/stock-engine.ts';
import type { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { LedgerOrder, OrderLedger } from './order-ledger.ts';

type Deps = {
  readonly engine: Pick<StockEngine, 'overdue' | 'read' | 'putItems' | 'prune'>;
  readonly ledger: Pick<OrderLedger, 'resolve' | 'findByRids' | 'recentTransitions' | 'revisions' | 'definitions'>;
  readonly follower: Pick<GateFollower, 'confirm' | 'settle' | 'release'>;
  readonly keeper: Pick<GateKeeper, 'ensureOpen'>;
};

const overdueMax = 500;
const pruneMax = 2_000;

/** Transitions are repeated for this long: several rounds of the tail, so that one round that fails loses nothing. */
const transitionWindowMs = 5_000;

/**
 * The tail (A3): whatever the gate has missed of the ledger, because a node died or a call failed, is applied again within a second.
 * Everything here is idempotent, so every node may run it.
 */
export async function followLedger(deps: Deps, livestreamId: string): Promise<void> {
  if (!(await compareRevisions(deps, livestreamId))) return;
  const [overdue, recent] = await Promise.all([
    deps.engine.overdue(livestreamId, overdueMax),
    deps.ledger.recentTransitions(livestreamId, transitionWindowMs),
  ]);
  const pending = overdue.filter(({ state }) => state === 'pending').map(({ rid }) => rid);
  const confirmed = overdue.filter(({ state }) => state !== 'pending').map(({ rid }) => rid);
  await Promise.all([
    resolveAttempts(deps, livestreamId, pending),
    compareWithLedger(deps, livestreamId, confirmed),
    ...recent.map(({ rid, order }) => applyState(deps, livestreamId, rid, order)),
  ]);
  await deps.engine.prune(livestreamId, pruneMax);
}

/** B4 and A5: an epoch that differs means a rebuild; pools and terms whose revision the gate has not got are sent again. */
async function compareRevisions(deps: Deps, livestreamId: string): Promise<boolean> {
  const [revisions, reading] = await Promise.all([deps.ledger.revisions(livestreamId), deps.engine.read(livestreamId)]);
  if (revisions === null) return false;
  if (reading === null) {
    await deps.keeper.ensureOpen(livestreamId, 'missing');
    return false;
  }
  if (reading.epoch !== revisions.epoch) {
    await deps.keeper.ensureOpen(livestreamId, 'epoch');
    return false;
  }
  const known = new Map(reading.items.map((item) => [item.skuId, item]));
  const behind = revisions.items.some(({ skuId, poolRev, termsRev }) => {
    const item = known.get(skuId);
    return item === undefined || item.poolRev < poolRev || item.termsRev < termsRev;
  });
  if (!behind && reading.infoRev >= revisions.infoRev) return true;
  const definitions = await deps.ledger.definitions(livestreamId);
  if (definitions !== null) await deps.engine.putItems(livestreamId, definitions.items, definitions.infoRev);
  return true;
}

/** O6: decides attempts of unknown outcome. void → the units and the key are free; else the gate takes over the ledger's state. */
export async function resolveAttempts(
  deps: Pick<Deps, 'ledger' | 'follower'>,
  livestreamId: string,
  rids: readonly string[],
): Promise<void> {
  if (rids.length === 0) return;
  const resolutions = await deps.ledger.resolve(livestreamId, rids);
  await Promise.all(
    resolutions.map(({ rid, state, expiresAtMs }) => {
      if (state === 'void') return deps.follower.release(livestreamId, { rid, unbind: true });
      if (state === 'paid') return deps.follower.settle(livestreamId, rid);
      if ((state === 'held' || state === 'placed') && expiresAtMs !== null) {
        return deps.follower.confirm(livestreamId, { rid, expiresAtMs });
      }
      return deps.follower.release(livestreamId, { rid, unbind: false });
    }),
  );
}

/** Holds whose expiry has passed by the gate's hint: the ledger knows what became of them. */
async function compareWithLedger(deps: Deps, livestreamId: string, rids: readonly string[]): Promise<void> {
  if (rids.length === 0) return;
  const orders = await deps.ledger.findByRids(rids);
  const found = new Set(orders.map(({ orderId }) => orderId));
  await Promise.all(orders.map((order) => applyState(deps, livestreamId, order.orderId, order)));
  const lost = rids.filter((rid) => !found.has(rid));
  await resolveAttempts(deps, livestreamId, lost);
}

async function applyState(
  { follower }: Pick<Deps, 'follower'>,
  livestreamId: string,
  rid: string,
  order: LedgerOrder,
): Promise<void> {
  if (order.state === 'held' || order.state === 'placed') return;
  // An order that took its units on payment was settled under the rid of that payment (A4): its own place is given back.
  if ((order.state === 'paid' || order.state === 'refunded') && order.takes === 'hold') {
    await follower.settle(livestreamId, rid);
  } else {
    await follower.release(livestreamId, { rid, unbind: false });
  }
}
