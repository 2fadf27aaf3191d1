import type { RefundCallback, RefundRequest, RefundState } from '../../contract/orders.ts';
import { Prisma, type PrismaClient, type RefundRequest as Row } from '../../generated/prisma/client.ts';

/** A refund whose lease this node holds; `attempt` counts from 1. */
export type ClaimedRefund = {
  readonly refundId: string;
  readonly paymentId: string;
  readonly orderId: string;
  readonly livestreamId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly reason: string;
  readonly createdAtMs: number;
  readonly attempt: number;
};

/** What became of an attempt. `again`: the provider is asked once more after the pause. */
export type AttemptOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'again'; readonly afterMs: number; readonly error: string }
  | { readonly kind: 'failed'; readonly error: string };

export type RefundStore = ReturnType<typeof createRefundStore>;

/** Rows of refunds, on PostgreSQL's clock. Nodes share them: a claim is a lease, and every change is conditional on the state. */
export function createRefundStore(prisma: PrismaClient) {
  return {
    async list(filter: { livestreamId: string; state?: RefundState; limit: number }): Promise<RefundRequest[]> {
      const { livestreamId, state, limit } = filter;
      const rows = await prisma.refundRequest.findMany({
        where: { livestreamId, ...(state === undefined ? {} : { state }) },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: limit,
      });
      return rows.map(refundOf);
    },
    async find(refundId: string): Promise<(RefundRequest & { readonly livestreamId: string }) | null> {
      const row = await prisma.refundRequest.findUnique({ where: { id: refundId } });
      return row === null ? null : { ...refundOf(row), livestreamId: row.livestreamId };
    },
    /** What is due and nobody else's, oldest first. The lease outlives the longest attempt. */
    claim: async (limit: number, leaseMs: number): Promise<ClaimedRefund[]> =>
      (
        await prisma.$queryRaw<(Omit<ClaimedRefund, 'amountMinor'> & { amountMinor: bigint })[]>`
          UPDATE refund_requests AS r
             SET lease_until = clock_timestamp() + ${leaseMs}::int * interval '1 millisecond', attempts = attempts + 1, changed_at = clock_timestamp()
            FROM (SELECT id FROM refund_requests
                   WHERE state = 'pending' AND next_attempt_at <= clock_timestamp() AND coalesce(lease_until <= clock_timestamp(), true)
                   ORDER BY next_attempt_at LIMIT ${limit} FOR UPDATE SKIP LOCKED) AS due
           WHERE r.id = due.id
          RETURNING r.id AS "refundId", r.payment_id AS "paymentId", r.order_id AS "orderId", r.livestream_id AS "livestreamId",
                    r.amount_minor AS "amountMinor", r.currency, r.reason, stockcast_ms(r.created_at)::float8 AS "createdAtMs", r.attempts AS attempt`
      ).map(({ amountMinor, ...row }) => Object.assign(row, { amountMinor: Number(amountMinor) })),
    /** Only while it is still pending: the provider's own word, or an operator's, may have been faster. */
    async finish(refundId: string, outcome: AttemptOutcome): Promise<void> {
      const pauseMs = outcome.kind === 'again' ? outcome.afterMs : 0;
      const state = outcome.kind === 'again' ? 'pending' : outcome.kind;
      await prisma.$executeRaw`
        UPDATE refund_requests SET state = ${state}::refund_state, error = ${outcome.kind === 'delivered' ? null : outcome.error},
               lease_until = NULL, next_attempt_at = clock_timestamp() + ${pauseMs}::bigint * interval '1 millisecond', changed_at = clock_timestamp()
         WHERE id = ${refundId} AND state = 'pending'`;
    },
    /** Nobody is configured to be asked: people pay these back. */
    handOver: (): Promise<number> =>
      prisma.$executeRaw`
        UPDATE refund_requests SET state = 'manual', lease_until = NULL, changed_at = clock_timestamp() WHERE state = 'pending'`,
    /** True: it was in one of these states and is asked for anew, from the first attempt on. */
    retry: async (refundId: string, from: readonly RefundState[]): Promise<boolean> =>
      (await prisma.$executeRaw`
        UPDATE refund_requests SET state = 'pending', attempts = 0, error = NULL, lease_until = NULL,
               next_attempt_at = clock_timestamp(), changed_at = clock_timestamp()
         WHERE id = ${refundId} AND state IN (${Prisma.join(from.map((state) => Prisma.sql`${state}::refund_state`))})`) ===
      1,
    move: async (
      refundId: string,
      from: readonly RefundState[],
      to: RefundState,
      error: string | null,
    ): Promise<boolean> =>
      (await prisma.$executeRaw`
        UPDATE refund_requests SET state = ${to}::refund_state, error = ${error}, lease_until = NULL, changed_at = clock_timestamp()
         WHERE id = ${refundId} AND state IN (${Prisma.join(from.map((state) => Prisma.sql`${state}::refund_state`))})`) ===
      1,
    async countByState(): Promise<ReadonlyMap<RefundState, number>> {
      const rows = await prisma.refundRequest.groupBy({
        by: ['state'],
        where: { state: { in: ['pending', 'failed', 'manual'] } },
        _count: true,
      });
      return new Map(rows.map(({ state, _count }) => [state, _count]));
    },
  };
}

/** States that a provider's word changes; `completed` and what an operator settled are final. */
export const wordOfProvider: Record<RefundCallback['type'], { from: readonly RefundState[]; to: RefundState }> = {
  'payment.refunded': { from: ['pending', 'delivered', 'failed', 'manual'], to: 'completed' },
  'payment.refund_failed': { from: ['pending', 'delivered'], to: 'failed' },
};

function refundOf(row: Row): RefundRequest {
  return {
    refundId: row.id,
    orderId: row.orderId,
    paymentId: row.paymentId,
    amountMinor: Number(row.amountMinor),
    currency: row.currency,
    reason: row.reason,
    state: row.state,
    attempts: row.attempts,
    error: row.error,
    nextAttemptAtMs: row.state === 'pending' ? row.nextAttemptAt.getTime() : null,
    createdAtMs: row.createdAt.getTime(),
    changedAtMs: row.changedAt.getTime(),
  };
}
