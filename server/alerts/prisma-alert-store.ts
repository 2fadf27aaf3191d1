import * as z from 'zod/mini';
import { Alert, type AlertBasis, AlertEvent, AlertTier } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { Lease } from '../db/lease.ts';

/** An alert with `dueAtMs`: until then the node that raised it sends its messages; past it another node does (AL-14). */
const StoredAlert = z.extend(Alert, { dueAtMs: z.nullable(z.int()) });
export type StoredAlert = z.infer<typeof StoredAlert>;

export type NewCrossing = {
  readonly skuId: string;
  readonly basis: AlertBasis;
  readonly generation: number;
  /** In their order; those that fired before are left out by the database. */
  readonly tiers: readonly AlertTier[];
  /** Of the alert, if this crossing makes a new one. */
  readonly alertId: string;
  readonly facts: Readonly<Record<string, number>>;
  readonly reasons: readonly Text[];
  readonly note: string;
  readonly task: { readonly taskId: string; readonly quantity: number; readonly note: string } | null;
};

const Raised = z.object({ won: z.array(AlertTier), alert: z.nullable(StoredAlert) });
/** `won`: tiers that this call raised; empty: another call was first, or the alert was muted by this one. */
export type Raised = z.infer<typeof Raised>;

const Changed = z.object({ outcome: z.enum(['done', 'unchanged', 'conflict', 'muting']), alert: StoredAlert });
export type Changed = z.infer<typeof Changed>;

export type AlertChange =
  | { readonly kind: 'acknowledged' | 'unsilenced' | 'resolved' | 'claimed' }
  /** `forgotten`: because its time without action is over. */
  | { readonly kind: 'unacknowledged'; readonly forgotten: boolean }
  | { readonly kind: 'silenced'; readonly untilMs: number }
  | { readonly kind: 'assigned'; readonly personId: string | null }
  /** From `step` to the next one. */
  | { readonly kind: 'escalated'; readonly step: number };

export type ChangeRequest = {
  readonly livestreamId: string;
  readonly alertId: string;
  readonly atMs: number;
  readonly actor: string;
  readonly note: string;
};

export type AlertTimes = {
  /** An unacknowledged alert of this tier goes to the next person or channel after so long. */
  readonly orangeMs: number;
  readonly redMs: number;
  /** An acknowledgement without action ends after so long. */
  readonly unackMs: number;
  /** How long the node that raised a tier has for its messages before another node sends them. */
  readonly leaseMs: number;
  /** Escalations of one raise, at most. */
  readonly stepsMax: number;
};

const dueKinds = ['claimed', 'escalated', 'unacknowledged', 'unsilenced', 'ended'] as const;
const Due = z.object({ kind: z.enum(dueKinds), alert: StoredAlert });
export type Due = z.infer<typeof Due>;

export type AlertStore = ReturnType<typeof createPrismaAlertStore>;

/** More at once than a console shows; keeps an answer bounded. */
const LIST_MAX = 500;
/** Of one round; the next one takes the rest. */
const DUE_MAX = 200;

/**
 * Alerts in PostgreSQL. Every change is one statement, a function of `prisma/migrations/…_alerts` that holds the rules; every change of
 * an alert's state takes the livestream's page of the book first, so that changes are one after the other. Rejects with what the
 * database throws.
 */
export function createPrismaAlertStore(
  prisma: Pick<PrismaClient, '$queryRaw' | '$executeRaw'>,
  times: AlertTimes,
  lease: Pick<Lease, 'fence'>,
) {
  /** Rows of one column `json`; our own functions make them, and they are parsed all the same: they end on the wire. */
  const rows = async <Schema extends z.ZodMiniType>(schema: Schema, sql: Prisma.Sql): Promise<z.output<Schema>[]> => {
    const found = await prisma.$queryRaw<{ json: unknown }[]>(sql);
    return found.map(({ json }) => schema.parse(json));
  };
  const alertsWhere = (where: Prisma.Sql) =>
    rows(
      StoredAlert,
      Prisma.sql`SELECT stockcast_alert(a) AS json FROM alerts a WHERE ${where}
        ORDER BY (a.state = 'resolved'), a.tier DESC, a.raised_at DESC, a.id LIMIT ${LIST_MAX}`,
    );

  return {
    /** AL-9: one statement for all crossings of a livestream. `won` says which tiers this call raised. Rejects without the lease. */
    async raise(livestreamId: string, atMs: number, crossings: readonly NewCrossing[]): Promise<Raised[]> {
      const request = json({ livestreamId, atMs, crossings, ...times });
      const raised = await rows(
        Raised,
        Prisma.sql`SELECT stockcast_raise_alerts(${request}) AS json WHERE ${lease.fence()}`,
      );
      // It answers for every crossing.
      if (raised.length < crossings.length) throw new Error('another node evaluates alerts now');
      return raised;
    },

    /** AL-13. Empty when another node was first or evaluates now, or when no alert was open. */
    clear: (basis: {
      readonly livestreamId: string;
      readonly skuId: string;
      readonly basis: AlertBasis;
      readonly generation: number;
      readonly atMs: number;
      readonly note: string;
    }): Promise<StoredAlert[]> =>
      rows(
        StoredAlert,
        Prisma.sql`SELECT stockcast_clear_basis(${json({ ...basis, ...times })}) AS json WHERE ${lease.fence()}`,
      ),

    /** The alert first, then others whose muting changed; empty: no such alert in this livestream. */
    change: (request: ChangeRequest, change: AlertChange): Promise<Changed[]> =>
      rows(Changed, Prisma.sql`SELECT stockcast_change_alert(${json({ ...request, ...change, ...times })}) AS json`),

    /** AL-14: the messages are on their way; ends the lease and keeps what was done. */
    async finish(alert: StoredAlert, atMs: number, events: readonly Omit<AlertEvent, 'atMs'>[]): Promise<void> {
      const { alertId, dueAtMs } = alert;
      await prisma.$executeRaw`SELECT stockcast_finish_alert(${json({ alertId, dueAtMs, atMs, events })})`;
    },

    /** AL-15: something was done about the item; its acknowledgements last so long from now. */
    async noteAction(livestreamId: string, skuId: string, atMs: number): Promise<void> {
      await prisma.$executeRaw`SELECT stockcast_alert_action(${livestreamId}, ${skuId}, ${new Date(atMs + times.unackMs)})`;
    },

    /** What time alone asks for. Reads only; whoever acts on it does so by a conditional change. */
    due: (atMs: number): Promise<Due[]> =>
      rows(
        Due,
        Prisma.sql`SELECT jsonb_build_object('alert', stockcast_alert(a), 'kind', CASE
              WHEN l.state = 'ended' THEN 'ended'
              WHEN a.due_at <= at THEN 'claimed'
              WHEN a.silenced_until <= at THEN 'unsilenced'
              WHEN a.unack_at <= at THEN 'unacknowledged'
              ELSE 'escalated' END) AS json
            FROM alerts a JOIN livestreams l ON l.id = a.livestream_id, stockcast_at(${atMs}::bigint) AS at
            WHERE a.state <> 'resolved' AND (l.state = 'ended' OR a.due_at <= at OR a.silenced_until <= at
              OR (a.state = 'acknowledged' AND a.unack_at <= at)
              OR (a.state = 'raised' AND a.escalate_at <= at AND NOT a.muted AND a.silenced_until IS NULL))
            ORDER BY a.tier DESC, a.tier_raised_at LIMIT ${DUE_MAX}`,
      ),

    list: (livestreamId: string, state?: 'open' | 'resolved'): Promise<StoredAlert[]> =>
      alertsWhere(
        state === undefined
          ? Prisma.sql`a.livestream_id = ${livestreamId}`
          : Prisma.sql`a.livestream_id = ${livestreamId} AND (a.state = 'resolved') = ${state === 'resolved'}`,
      ),

    async find(livestreamId: string, alertId: string): Promise<StoredAlert | null> {
      const [alert] = await alertsWhere(Prisma.sql`a.livestream_id = ${livestreamId} AND a.id = ${alertId}`);
      return alert ?? null;
    },

    /** Oldest first. */
    events: (alertId: string): Promise<AlertEvent[]> =>
      rows(
        AlertEvent,
        Prisma.sql`SELECT jsonb_build_object('atMs', stockcast_ms(e.at), 'kind', e.kind, 'actor', e.actor, 'note', e.note) AS json
          FROM alert_events e WHERE e.alert_id = ${alertId} ORDER BY e.seq LIMIT ${LIST_MAX}`,
      ),
  };
}

const json = (value: object): Prisma.Sql => Prisma.sql`${JSON.stringify(value)}::jsonb`;
