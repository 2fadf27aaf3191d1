import { setTimeout as sleep } from 'node:timers/promises';
import type { OrderForOperator } from '../../contract/orders.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { GateSnapshot, ItemDefinition } from '../stock/stock-engine.ts';
import { type AppendReply, appendStatement } from './append-statement.ts';
import { isContention, ledgerErrorOf } from './ledger-errors.ts';
import type {
  AppendOutcome,
  LedgerAudit,
  LedgerOrder,
  LedgerRefused,
  LedgerUnknown,
  NewOrder,
  OrderLedger,
  PayOutcome,
  PayRequest,
  Resolution,
  Transition,
} from './order-ledger.ts';

type Settings = {
  readonly prisma: Pick<PrismaClient, '$queryRaw'>;
  /** For the jitter of retries: 0 ≤ random() < 1. */
  readonly random?: () => number;
  /** Hears of every statement that failed in the end, beside whoever asked for it. */
  readonly onFailure?: (error: LedgerRefused | LedgerUnknown) => void;
};

type PayReply =
  | { readonly kind: 'not_found' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'needs_units'; readonly order: LedgerOrder }
  | {
      readonly kind: 'final';
      readonly outcome: 'paid' | 'refund_due';
      readonly order: LedgerOrder;
      /** The attempt whose units paid: the order's own, or the re-acquired one. */
      readonly settled: string | null;
      readonly changed: boolean;
    };

const attemptsMax = 4;

/**
 * The ledger in PostgreSQL: every method is one statement, most of them one PL/pgSQL function of `prisma/migrations`, which holds the
 * rules; nothing is decided here. Contention (deadlock, write conflict, lock timeout) is tried again with jitter, four times in all.
 * Every method rejects with `LedgerRefused` or `LedgerUnknown` only.
 */
export function createPrismaLedger({ prisma, random = Math.random, onFailure = () => {} }: Settings): OrderLedger {
  /** One statement with one column `json` and at most one row. Our own functions make that text, so its shape is known. */
  async function ask<Reply>(sql: Prisma.Sql, attempts = attemptsMax): Promise<Reply | null> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const [row] = await prisma.$queryRaw<{ json: string | null }[]>(sql);
        return typeof row?.json === 'string' ? (JSON.parse(row.json) as Reply) : null;
      } catch (error) {
        const ledgerError = ledgerErrorOf(error);
        if (attempt === attempts || !isContention(ledgerError)) {
          onFailure(ledgerError);
          throw ledgerError;
        }
        await sleep(random() * 10 * 2 ** attempt);
      }
    }
  }
  const list = async <Row>(sql: Prisma.Sql, attempts = attemptsMax): Promise<Row[]> =>
    (await ask<Row[]>(sql, attempts)) ?? [];
  const pay = async (request: PayRequest, mode: 'pay' | 'reacquire' | 'refuse', attempt = { rid: '', epoch: 0 }) =>
    payOutcomeOf(
      await ask<PayReply>(Prisma.sql`SELECT stockcast_pay(${request.paymentId}, ${request.orderId}, ${request.amountMinor}::bigint,
        ${request.currency}, ${mode}, ${attempt.rid}, ${attempt.epoch}::int) AS json`),
    );

  return {
    append: (orders) => append(orders, ask),
    // Whoever waits for an insert longer than the statement does may ask again later: one attempt.
    resolve: (livestreamId, rids) =>
      list<Resolution>(Prisma.sql`SELECT stockcast_resolve(${livestreamId}, ${[...rids]}::text[]) AS json`, 1),

    find: async (orderId) => (await ask<LedgerOrder>(oneOrder(orderId))) ?? null,
    ordersOfBuyer: (livestreamId, buyerId) =>
      list<LedgerOrder>(ordersWhere(Prisma.sql`o.livestream_id = ${livestreamId} AND o.buyer_id = ${buyerId}`, 100)),
    orders: (filter) => list<OrderForOperator>(ordersForOperators(filter)),

    pay: async (request) => notFenced(await pay(request, 'pay')),
    payReacquired: (request) => pay(request, 'reacquire', request),
    markRefundDue: async (request) => notFenced(await pay(request, 'refuse')),

    async cancel(orderId, actor) {
      const reply = await ask<{ order: LedgerOrder; changed: boolean }>(
        Prisma.sql`SELECT stockcast_cancel(${orderId}, ${actor}) AS json`,
      );
      if (reply === null) return null;
      return { order: reply.order, transition: reply.changed ? transitionOf(reply.order) : null };
    },
    expireDue: async (limit) =>
      (await list<LedgerOrder>(Prisma.sql`SELECT stockcast_expire_due(${limit}::int) AS json`)).map((order) =>
        transitionOf(order),
      ),
    refund: (orderId, actor, reason, paymentId = null) =>
      ask<NonNullable<Awaited<ReturnType<OrderLedger['refund']>>>>(
        Prisma.sql`SELECT stockcast_refund(${orderId}, ${actor}, ${reason}, ${paymentId}) AS json`,
      ),

    recentResolutions: (livestreamId, withinMs) =>
      list<Resolution>(Prisma.sql`SELECT stockcast_recent_resolutions(${livestreamId}, ${withinMs}::bigint) AS json`),
    fenceAndRead: (livestreamId, keyWindowMs) =>
      ask<GateSnapshot>(Prisma.sql`SELECT stockcast_fence(${livestreamId}, ${keyWindowMs}::bigint) AS json`),
    audit: (livestreamId) => ask<LedgerAudit>(Prisma.sql`SELECT stockcast_audit(${livestreamId}) AS json`),
    revisions: (livestreamId) =>
      ask<NonNullable<Awaited<ReturnType<OrderLedger['revisions']>>>>(
        Prisma.sql`SELECT stockcast_revisions(${livestreamId}) AS json`,
      ),
    definitions: (livestreamId) =>
      ask<{ infoRev: number; items: ItemDefinition[] }>(
        Prisma.sql`SELECT stockcast_definitions(${livestreamId}) AS json`,
      ),

    openOrders: async (livestreamId) =>
      (await ask<number>(Prisma.sql`SELECT count(*)::text AS json FROM orders
        WHERE livestream_id = ${livestreamId} AND state IN ('held', 'placed')`)) ?? 0,
    countRefundDue: async () =>
      (await ask<number>(
        Prisma.sql`SELECT count(DISTINCT order_id)::text AS json FROM payments WHERE state = 'refund_due'`,
      )) ?? 0,
  };
}

/** A repeated rid inside a group is a repeated append: it gets what the first one got, told as `exists`. */
async function append(
  orders: readonly NewOrder[],
  ask: <Reply>(sql: Prisma.Sql) => Promise<Reply | null>,
): Promise<readonly AppendOutcome[]> {
  const distinct = [...new Map(orders.map((order) => [order.rid, order])).values()];
  const statement = appendStatement(distinct);
  const reply = await ask<AppendReply>(statement.sql);
  if (reply === null) throw new Error('stockcast_append answered nothing');
  const outcomes = statement.outcomesOf(reply);
  if (distinct.length === orders.length) return outcomes;
  const first = new Map(distinct.map(({ rid }, index) => [rid, outcomes[index]]));
  const seen = new Set<string>();
  return orders.map(({ rid }) => {
    const outcome = first.get(rid);
    if (outcome === undefined) throw new Error(`order ${rid} has no outcome`);
    if (seen.has(rid) && outcome.kind === 'committed') {
      return { kind: 'exists', state: outcome.order.state, order: outcome.order };
    }
    seen.add(rid);
    return outcome;
  });
}

const transitionOf = (order: LedgerOrder, rid = order.orderId): Transition => ({
  rid,
  livestreamId: order.livestreamId,
  order,
});

function payOutcomeOf(reply: PayReply | null): PayOutcome | { kind: 'fenced' } {
  if (reply === null || reply.kind === 'not_found') return { kind: 'not_found' };
  if (reply.kind === 'fenced') return { kind: 'fenced' };
  if (reply.kind === 'needs_units') return { kind: 'needs_units', order: reply.order };
  const { kind, outcome, order, settled, changed } = reply;
  return { kind, outcome, order, transition: changed ? transitionOf(order, settled ?? order.orderId) : null };
}

/** Only a re-acquisition can be fenced. */
const notFenced = (outcome: PayOutcome | { kind: 'fenced' }): PayOutcome =>
  outcome.kind === 'fenced' ? { kind: 'not_found' } : outcome;

const oneOrder = (orderId: string): Prisma.Sql =>
  Prisma.sql`SELECT stockcast_order(o)::text AS json FROM orders o WHERE o.id = ${orderId} AND o.state <> 'void' AND o.reacquires IS NULL`;

/** Newest first; fences are no orders. */
const ordersWhere = (condition: Prisma.Sql, limit: number): Prisma.Sql => Prisma.sql`
  SELECT json_agg(stockcast_order(o) ORDER BY o.created_at DESC, o.id DESC)::text AS json FROM (
    SELECT o.* FROM orders o WHERE ${condition} AND o.state <> 'void' AND o.reacquires IS NULL
      ORDER BY o.created_at DESC, o.id DESC LIMIT ${limit}) AS o`;

function ordersForOperators(filter: Parameters<OrderLedger['orders']>[0]): Prisma.Sql {
  const conditions = [
    Prisma.sql`o.livestream_id = ${filter.livestreamId} AND o.state <> 'void' AND o.reacquires IS NULL`,
    // By code points, as the index: everything that begins so, and characters in it mean nothing more.
    ...(filter.orderId === undefined
      ? []
      : [Prisma.sql`o.id >= ${filter.orderId} AND o.id < ${`${filter.orderId}\u{10ffff}`}`]),
    ...(filter.state === undefined ? [] : [Prisma.sql`o.state = ${filter.state}::order_state`]),
    ...(filter.buyerId === undefined ? [] : [Prisma.sql`o.buyer_id = ${filter.buyerId}`]),
    ...(filter.refundDue === true
      ? [Prisma.sql`EXISTS (SELECT 1 FROM payments d WHERE d.order_id = o.id AND d.state = 'refund_due')`]
      : []),
    ...(filter.before === undefined
      ? []
      : [Prisma.sql`(o.created_at, o.id) < (SELECT b.created_at, b.id FROM orders b WHERE b.id = ${filter.before})`]),
  ];
  return Prisma.sql`
    SELECT json_agg(stockcast_order(o) - 'key' - 'bodyHash' - 'takes' || jsonb_build_object('payments', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('paymentId', p.id, 'amountMinor', p.amount_minor, 'currency', p.currency,
                 'state', p.state, 'reason', p.reason, 'receivedAtMs', stockcast_ms(p.received_at), 'refund', CASE WHEN r.id IS NULL
                 THEN NULL ELSE jsonb_build_object('refundId', r.id, 'state', r.state, 'error', r.error) END)
                 ORDER BY p.received_at, p.id), '[]')
          FROM payments p LEFT JOIN refund_requests r ON r.payment_id = p.id WHERE p.order_id = o.id)) ORDER BY o.created_at DESC, o.id DESC)::text AS json
      FROM (SELECT o.* FROM orders o WHERE ${Prisma.join(conditions, ' AND ')}
              ORDER BY o.created_at DESC, o.id DESC LIMIT ${filter.limit}) AS o`;
}
