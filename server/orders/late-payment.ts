import type { WireError } from '../../contract/errors.ts';
import { wireError } from '../../contract/errors.ts';
import type { ReserveRequest } from '../stock/stock-engine.ts';
import type { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { LedgerOrder, OrderLedger, PayOutcome, PayRequest } from './order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';
import { type ReserveDeps, reserveOnceMore } from './reserve-once-more.ts';
import { type ResolveDeps, resolveAttempts } from './tail.ts';

type FinalPayment = Extract<PayOutcome, { kind: 'final' }>;

export type LatePaymentDeps = ReserveDeps & {
  readonly ledger: Pick<OrderLedger, 'payReacquired' | 'markRefundDue' | 'resolve'>;
  readonly follower: Pick<GateFollower, 'confirm' | 'settle' | 'release'>;
  readonly keeper: Pick<GateKeeper, 'ensureOpen'>;
  readonly makeRid: () => string;
};

type Attempt = { readonly kind: 'final'; readonly payment: FinalPayment } | { readonly kind: 'again' } | Refused;
type Refused = { readonly kind: 'refused'; readonly error: WireError };

const attemptsMax = 3;
const unavailable: Refused = { kind: 'refused', error: wireError('unavailable') };

/**
 * A4: money for an order that has no units yet (`placed`) or no longer (`expired`). Units are reserved under a new rid of their own, so
 * that the late release of the first attempt cannot free them; without units the order is `refund_due` and an operator sees it.
 * `refused` is retryable: the provider repeats its callback until it is final.
 */
export async function payLate(
  deps: LatePaymentDeps,
  request: PayRequest,
  order: LedgerOrder,
): Promise<{ kind: 'final'; payment: FinalPayment } | Refused> {
  for (let number = 0; number < attemptsMax; number += 1) {
    const attempt = await attemptLate(deps, request, order);
    if (attempt.kind !== 'again') return attempt;
  }
  return unavailable;
}

async function attemptLate(deps: LatePaymentDeps, request: PayRequest, order: LedgerOrder): Promise<Attempt> {
  const { livestreamId } = order;
  const rid = deps.makeRid();
  const outcome = await reserveOnceMore(deps, livestreamId, requestOf(order, rid));
  if (outcome.kind === 'overloaded') return unavailable;
  if (outcome.kind === 'unavailable') return unknown(deps, livestreamId, rid);
  if (outcome.kind === 'rebuilding') {
    const kept = await deps.keeper.ensureOpen(livestreamId, 'missing');
    if (kept === 'away') return unavailable;
    return kept === 'gone' ? refundDue(deps, request, order) : { kind: 'again' };
  }
  if (outcome.kind !== 'reserved') return refundDue(deps, request, order);

  const { epoch } = outcome;
  const paid = await deps.ledger.payReacquired({ ...request, rid, epoch }).catch((error: unknown) => {
    // O4, O5: only what certainly did not happen may be given back.
    return error instanceof LedgerRefused ? ('refused' as const) : null;
  });
  if (paid === null) return unknown(deps, livestreamId, rid);
  if (paid === 'refused') {
    await deps.follower.release(livestreamId, { rid, unbind: true });
    return unavailable;
  }
  if (paid.kind === 'fenced') {
    await deps.follower.release(livestreamId, { rid, unbind: true });
    await deps.keeper.ensureOpen(livestreamId, 'fenced', epoch);
    return { kind: 'again' };
  }
  if (paid.kind === 'final' && paid.outcome === 'paid' && paid.transition !== null) {
    await deps.follower.settle(livestreamId, rid);
    return { kind: 'final', payment: paid };
  }
  await deps.follower.release(livestreamId, { rid, unbind: true });
  if (paid.kind !== 'final') return { kind: 'again' };
  // The place that these units had taken over is the first attempt's again: with the order it goes.
  if (paid.transition !== null) await deps.follower.release(livestreamId, { rid: order.orderId, unbind: false });
  return { kind: 'final', payment: paid };
}

/**
 * Nobody knows what became of this attempt. It is decided now (O6) and not when its lease ends: until then it may hold the last units,
 * and the repeated callback would find none for its own order. If the ledger cannot be asked the tail decides it after the lease.
 */
async function unknown(deps: ResolveDeps, livestreamId: string, rid: string): Promise<Refused> {
  await resolveAttempts(deps, livestreamId, [rid]).catch(() => {});
  return unavailable;
}

const requestOf = ({ orderId, bodyHash, buyerId, deviceId, lines }: LedgerOrder, rid: string): ReserveRequest => ({
  rid,
  key: null,
  bodyHash,
  buyerId,
  deviceId,
  lines: lines.map(({ skuId, quantity }) => ({ skuId, quantity })),
  reacquires: orderId,
});

async function refundDue(deps: LatePaymentDeps, request: PayRequest, order: LedgerOrder): Promise<Attempt> {
  const outcome = await deps.ledger.markRefundDue(request).catch((error: unknown) => {
    // Done or not: the callback is repeated, and its payment id has one answer.
    if (error instanceof LedgerRefused || error instanceof LedgerUnknown) return null;
    throw error;
  });
  if (outcome === null) return unavailable;
  if (outcome.kind !== 'final') return { kind: 'again' };
  // A placed order gives its place and its count towards the limits back.
  if (outcome.transition !== null) {
    await deps.follower.release(order.livestreamId, { rid: order.orderId, unbind: false });
  }
  return { kind: 'final', payment: outcome };
}
