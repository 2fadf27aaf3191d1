import type { Clock } from '../lib/clock.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import type { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { OrderLedger, Resolution } from './order-ledger.ts';

export type ResolveDeps = {
  readonly ledger: Pick<OrderLedger, 'resolve'>;
  readonly follower: Pick<GateFollower, 'confirm' | 'settle' | 'release'>;
};

type Deps = ResolveDeps & {
  readonly engine: Pick<StockEngine, 'overdue' | 'holds' | 'read' | 'putItems' | 'prune'>;
  readonly ledger: Pick<OrderLedger, 'recentResolutions' | 'revisions' | 'definitions'>;
  readonly keeper: Pick<GateKeeper, 'ensureOpen'>;
  readonly clock: Clock;
};

/** Attempts in one question to the ledger. */
const resolveMax = 500;
const pruneMax = 2_000;

/** What became of attempts is repeated for this long: several rounds, so that one round that fails loses nothing. */
const repeatWindowMs = 5_000;
/** After a longer pause than this (a start, Redis or PostgreSQL away) a change may have left the window unseen. */
const pauseMaxMs = repeatWindowMs - 1_000;

/**
 * The tail (A3): whatever the gate has missed of the ledger, because a node died or a call failed, is applied again within a second.
 * Two ways: usually the changes of the last seconds are repeated; in the first round, and in the first after a pause, every hold of the
 * gate is compared instead (I3). Everything here is idempotent, so every node may run it.
 */
export class LedgerTail {
  readonly #deps: Deps;
  /** Beginning of the last whole round of each livestream. */
  readonly #wholeAtMs = new Map<string, number>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** One round. Rejects if gate or ledger cannot be asked; the next round then makes up for it. */
  async follow(livestreamId: string): Promise<void> {
    const { engine, ledger, clock } = this.#deps;
    const startedAtMs = clock.now();
    if (!(await compareRevisions(this.#deps, livestreamId))) return;
    const beforeMs = this.#wholeAtMs.get(livestreamId);
    const sinceMs = startedAtMs - (beforeMs ?? 0);
    // A clock that was set back says nothing about the pause.
    const paused = beforeMs === undefined || sinceMs > pauseMaxMs || sinceMs < 0;
    const [overdue, changed] = await Promise.all([
      engine.overdue(livestreamId, resolveMax),
      paused ? [] : ledger.recentResolutions(livestreamId, repeatWindowMs),
    ]);
    const suspects = new Set(overdue.map(({ rid }) => rid));
    if (paused) {
      // A pending attempt is somebody's until its lease has ended: then it is overdue.
      const holds = await engine.holds(livestreamId);
      for (const { rid, state } of holds) if (state !== 'pending') suspects.add(rid);
    }
    await Promise.all(changed.map((resolution) => applyResolution(this.#deps, livestreamId, resolution)));
    await resolveAttempts(this.#deps, livestreamId, [...suspects]);
    await engine.prune(livestreamId, pruneMax);
    this.#wholeAtMs.set(livestreamId, startedAtMs);
  }

  /** Forgets livestreams that are not among these. */
  keepOnly(livestreamIds: ReadonlySet<string>): void {
    for (const livestreamId of this.#wholeAtMs.keys()) {
      if (!livestreamIds.has(livestreamId)) this.#wholeAtMs.delete(livestreamId);
    }
  }
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

/**
 * O6: decides attempts of unknown outcome, and tells the gate what became of the others. Rejects if the ledger cannot be asked: then
 * nothing is decided.
 */
export async function resolveAttempts(deps: ResolveDeps, livestreamId: string, rids: readonly string[]): Promise<void> {
  for (let first = 0; first < rids.length; first += resolveMax) {
    const resolutions = await deps.ledger.resolve(livestreamId, rids.slice(first, first + resolveMax));
    await Promise.all(resolutions.map((resolution) => applyResolution(deps, livestreamId, resolution)));
  }
}

/** The gate takes over the ledger's state; the key of a void attempt is free again. */
async function applyResolution(
  { follower }: Pick<ResolveDeps, 'follower'>,
  livestreamId: string,
  { rid, state, expiresAtMs }: Resolution,
): Promise<void> {
  if (state === 'paid') await follower.settle(livestreamId, rid);
  else if ((state === 'held' || state === 'placed') && expiresAtMs !== null) {
    await follower.confirm(livestreamId, { rid, expiresAtMs });
  } else await follower.release(livestreamId, { rid, unbind: state === 'void' });
}
