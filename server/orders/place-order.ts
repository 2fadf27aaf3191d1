import { createHash } from 'node:crypto';
import { type DefiniteRefusal, type WireError, wireError } from '../../contract/errors.ts';
import type { Order, PlaceOrder } from '../../contract/orders.ts';
import type { Clock } from '../lib/clock.ts';
import type { Line, ReserveRequest } from '../stock/stock-engine.ts';
import type { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { AppendOutcome, LedgerOrder, NewOrder, OrderLedger } from './order-ledger.ts';
import { LedgerUnknown } from './order-ledger.ts';
import type { Buyer, PlaceOutcome } from './order-service.ts';
import { type ReserveDeps, reserveOnceMore } from './reserve-once-more.ts';

export type PlaceDeps = ReserveDeps & {
  readonly ledger: Pick<OrderLedger, 'find'>;
  /** Group commit: one promise an order; rejects with LedgerRefused, LedgerOverloaded or LedgerUnknown. */
  readonly append: (order: NewOrder) => Promise<AppendOutcome>;
  readonly follower: Pick<GateFollower, 'confirm' | 'release'>;
  readonly keeper: Pick<GateKeeper, 'ensureOpen'>;
  readonly holdTtlMsOf: (livestreamId: string) => Promise<number>;
  readonly payUrlOf: (order: Order) => string;
  /** B4: a refusal by the guard asks for a drift check. */
  readonly checkDrift: (livestreamId: string) => void;
  readonly makeRid: () => string;
  readonly clock: Clock;
};

/** Attempts of one request: a first, and after a rebuild or a fence some more; each has its own rid. */
const attemptsMax = 4;

/** How long a buyer's request waits for a gate that is being rebuilt before it is told to retry. */
const rebuildWaitMs = 1_500;

type Attempt =
  | { readonly kind: 'answer'; readonly outcome: PlaceOutcome }
  /** The gate was closed, or the ledger has fenced this epoch: reserve anew with a new rid. */
  | {
      readonly kind: 'again';
      readonly error: WireError;
      readonly reason: 'missing' | 'fenced';
      readonly epoch: number;
    };

const refused = (error: WireError): PlaceOutcome => ({ kind: 'refused', error });
const answer = (outcome: PlaceOutcome): Attempt => ({ kind: 'answer', outcome });

/** The path of an order: reserve → append → acknowledge → confirm (O1–O7). Never rejects for what gate or ledger can do. */
export async function placeOrder(
  deps: PlaceDeps,
  livestreamId: string,
  buyer: Buyer,
  order: PlaceOrder,
): Promise<PlaceOutcome> {
  const lines = addUp(order.lines);
  const prepared = {
    key: `${buyer.buyerId}/${order.idempotencyKey}`,
    bodyHash: digest(lines),
    buyerId: buyer.buyerId,
    deviceId: buyer.deviceId ?? order.deviceId ?? null,
    lines,
    reacquires: null,
  };
  let error = wireError('rebuilding');
  for (let number = 0; number < attemptsMax; number += 1) {
    const attempt = await attemptOrder(deps, livestreamId, { ...prepared, rid: deps.makeRid() });
    if (attempt.kind === 'answer') return attempt.outcome;
    error = attempt.error;
    const kept = await Promise.race([
      deps.keeper.ensureOpen(livestreamId, attempt.reason, attempt.epoch),
      deps.wait(rebuildWaitMs).then(() => 'away' as const),
    ]);
    if (kept === 'gone') return refused(wireError('not_open'));
    if (kept === 'away') break;
  }
  return refused(error);
}

async function attemptOrder(deps: PlaceDeps, livestreamId: string, request: ReserveRequest): Promise<Attempt> {
  const outcome = await reserveOnceMore(deps, livestreamId, request);
  switch (outcome.kind) {
    case 'reserved':
      return appendReserved(deps, livestreamId, request, outcome);
    case 'rebuilding':
      return { kind: 'again', error: wireError('rebuilding'), reason: 'missing', epoch: -1 };
    case 'known':
      return answer(await answerKnown(deps, outcome.rid));
    case 'idempotency_mismatch':
    case 'unavailable':
    case 'overloaded':
      return answer(refused(wireError(outcome.kind)));
    default:
      return answer(refused(refusalError(outcome)));
  }
}

async function appendReserved(
  deps: PlaceDeps,
  livestreamId: string,
  request: ReserveRequest,
  reserved: { readonly takes: 'hold' | 'pay'; readonly epoch: number },
): Promise<Attempt> {
  const { rid } = request;
  const { takes, epoch } = reserved;
  let outcome: AppendOutcome;
  try {
    const holdTtlMs = await deps.holdTtlMsOf(livestreamId);
    outcome = await deps.append({ ...request, livestreamId, takes, epoch, holdTtlMs });
  } catch (error) {
    if (error instanceof LedgerUnknown) {
      // O5: it may have been committed. Only resolve may give these units back: the tail does, once the pending lease has ended.
      return answer(refused(wireError('in_progress')));
    }
    // O4: certainly not committed (refused, or shed by a full queue).
    await deps.follower.release(livestreamId, { rid, unbind: true });
    const code = error instanceof Error && error.name === 'LedgerOverloaded' ? 'overloaded' : 'unavailable';
    return answer(refused(wireError(code)));
  }
  return afterAppend(deps, livestreamId, request, { outcome, epoch });
}

async function afterAppend(
  deps: PlaceDeps,
  livestreamId: string,
  { rid, bodyHash }: ReserveRequest,
  { outcome, epoch }: { outcome: AppendOutcome; epoch: number },
): Promise<Attempt> {
  switch (outcome.kind) {
    case 'committed':
      // O3: the acknowledgement waits for nothing more; a confirm that is lost is repeated by the tail.
      void deps.follower.confirm(livestreamId, { rid, expiresAtMs: outcome.order.expiresAtMs });
      return answer(accepted(deps, 'accepted', outcome.order));
    case 'key_conflict':
      await deps.follower.release(livestreamId, { rid, unbind: true });
      if (outcome.order.bodyHash !== bodyHash) return answer(refused(wireError('idempotency_mismatch')));
      return answer(accepted(deps, 'duplicate', outcome.order));
    case 'does_not_fit':
      await deps.follower.release(livestreamId, { rid, unbind: true });
      deps.checkDrift(livestreamId);
      return answer(refused(wireError(outcome.anyLeft ? 'insufficient' : 'sold_out', { skuId: outcome.skuId })));
    case 'fenced':
      await deps.follower.release(livestreamId, { rid, unbind: true });
      return { kind: 'again', error: wireError('rebuilding'), reason: 'fenced', epoch };
    case 'exists':
      // Somebody resolved this attempt while its append was on the way: the state in the ledger is the answer.
      if (outcome.order !== null && outcome.state !== 'void') return answer(accepted(deps, 'accepted', outcome.order));
      return answer(refused(wireError('in_progress')));
  }
}

/** O7: held or later → that order; pending → what the ledger says now; nothing there yet → in_progress. */
async function answerKnown(deps: PlaceDeps, rid: string): Promise<PlaceOutcome> {
  try {
    const order = await deps.ledger.find(rid);
    return order === null ? refused(wireError('in_progress')) : accepted(deps, 'duplicate', order);
  } catch {
    return refused(wireError('unavailable'));
  }
}

function accepted(deps: PlaceDeps, kind: 'accepted' | 'duplicate', ledgerOrder: LedgerOrder): PlaceOutcome {
  const order = wireOrder(ledgerOrder);
  return { kind, order, payUrl: deps.payUrlOf(order) };
}

function refusalError(outcome: { kind: DefiniteRefusal; skuId: string; limit?: number; counted?: number }): WireError {
  const { kind, skuId, limit, counted } = outcome;
  return wireError(kind, {
    skuId,
    ...(limit === undefined ? {} : { limit }),
    ...(counted === undefined ? {} : { counted }),
  });
}

/** What a buyer may know of a ledger row. */
export function wireOrder(order: LedgerOrder): Order {
  const { orderId, livestreamId, state, lines, totalMinor, currency, createdAtMs, expiresAtMs } = order;
  return { orderId, livestreamId, state, lines, totalMinor, currency, createdAtMs, expiresAtMs };
}

/** The same SKU twice is one line (G3 counts it once), sorted so that the order of lines does not matter to the digest. */
export function addUp(lines: readonly Line[]): readonly Line[] {
  const quantities = new Map<string, number>();
  for (const { skuId, quantity } of lines) quantities.set(skuId, (quantities.get(skuId) ?? 0) + quantity);
  return [...quantities].map(([skuId, quantity]) => ({ skuId, quantity })).sort((a, b) => (a.skuId < b.skuId ? -1 : 1));
}

function digest(lines: readonly Line[]): string {
  const text = lines.map(({ skuId, quantity }) => `${skuId} ${quantity}`).join('\n');
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
