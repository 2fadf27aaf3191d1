import * as z from 'zod';
import type { AlertTier, Delivery } from '../../contract/alerts.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { NoticeLine } from './notice.ts';

/** One message to one recipient, waiting or done. */
export type DeliveryRow = {
  readonly deliveryId: string;
  readonly channelId: string;
  readonly personId: string | null;
  readonly alertId: string;
  readonly tier: AlertTier;
  readonly state: Delivery['state'];
  readonly attempts: number;
  readonly error: string | null;
  readonly createdAtMs: number;
  readonly message: DeliveryMessage;
  /** Not in this node's memory: the next node with room sends it. */
  readonly isUnowned?: true;
};

/** Kept with the row, so that another node or a later start can send it. */
export type DeliveryMessage = {
  readonly recipient: string;
  /** Channels of the same person to try when this one fails, in order. */
  readonly otherwise: readonly string[];
  readonly line: NoticeLine;
};

const text = z.object({ zh: z.string(), en: z.string() });
const Message = z.object({
  recipient: z.string(),
  otherwise: z.array(z.string()),
  line: z.object({
    alertId: z.string(),
    livestreamId: z.string(),
    skuId: z.string(),
    tier: z.enum(['yellow', 'orange', 'red']),
    basis: z.enum(['coverage', 'consumption', 'sold_out']),
    itemTitle: text,
    livestreamTitle: text,
    facts: z.record(z.string(), z.number()),
    reasons: z.array(text),
    raisedAtMs: z.number(),
  }),
});

/** A node that has not renewed its lease for so long is taken for dead, and its messages are sent by others. */
export const leaseMs = 30_000;
const adoptMax = 200;
/** Rows whose newest state the database does not have yet. */
const unsavedMax = 20_000;

type SqlRow = {
  readonly id: string;
  readonly channel_id: string;
  readonly person_id: string | null;
  readonly tier: string;
  readonly attempts: number;
  readonly error: string | null;
  readonly message: unknown;
  readonly created_at: Date;
};

type LogDeps = {
  readonly prisma: Pick<PrismaClient, '$executeRaw' | '$queryRaw' | 'delivery'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly wait: (ms: number) => Promise<void>;
  /** This process, until it ends. */
  readonly worker: string;
};

/**
 * The delivery log, which is also the queue that survives a restart. Writing never stops sending: what the database does not take now is
 * kept, newest state each, and written when it is back.
 */
export function createDeliveryLog(deps: LogDeps) {
  const { prisma, clock, log, wait, worker } = deps;
  const unsaved = new Map<string, DeliveryRow>();
  let writing: Promise<void> | undefined;
  let stopped = false;

  async function write(): Promise<void> {
    while (unsaved.size > 0) {
      const group = [...unsaved.values()].slice(0, 200);
      try {
        await prisma.$executeRaw(upsert(group, worker, clock.now()));
        for (const row of group) if (unsaved.get(row.deliveryId) === row) unsaved.delete(row.deliveryId);
      } catch (error) {
        log.warn({ err: error, rows: unsaved.size }, 'the delivery log cannot be written now');
        if (stopped) break;
        await wait(1_000);
      }
    }
    // In the same turn as the last look at what is unsaved: whoever comes later starts anew.
    writing = undefined;
  }

  const flush = async (): Promise<void> => {
    if (unsaved.size > 0) writing ??= write();
    await writing;
  };

  return {
    /** Notes the newest state of these rows; they are written at once, or when the database is back. */
    save(rows: readonly DeliveryRow[]): void {
      for (const row of rows) {
        if (unsaved.size >= unsavedMax && !unsaved.has(row.deliveryId)) {
          log.error(
            { deliveryId: row.deliveryId, state: row.state },
            'a delivery is not in the log: the database is away',
          );
        } else {
          unsaved.set(row.deliveryId, row);
        }
      }
      void flush();
    },
    /** Keeps this node's waiting rows its own. */
    async renew(): Promise<void> {
      const until = new Date(clock.now() + leaseMs);
      await prisma.$executeRaw`UPDATE deliveries SET lease_until = ${until} WHERE state = 'waiting' AND worker = ${worker}`;
    },
    /** Waiting rows of nodes that are gone, the oldest first; they are this node's from now on. */
    async adopt(): Promise<readonly DeliveryRow[]> {
      const now = new Date(clock.now());
      const rows = await prisma.$queryRaw<SqlRow[]>`
        UPDATE deliveries SET worker = ${worker}, lease_until = ${new Date(clock.now() + leaseMs)}
        WHERE id IN (SELECT id FROM deliveries WHERE state = 'waiting' AND lease_until < ${now}
                     ORDER BY created_at LIMIT ${adoptMax} FOR UPDATE SKIP LOCKED)
        RETURNING id, channel_id, person_id, tier, attempts, error, message, created_at`;
      return rows.map(rowOf).toSorted((a, b) => a.createdAtMs - b.createdAtMs);
    },
    /** By alert or by channel, newest first, what is waiting to be written included. */
    async list(where: { alertId: string } | { channelId: string }): Promise<readonly Delivery[]> {
      await Promise.race([flush(), wait(500)]);
      const rows = await prisma.delivery.findMany({
        where: 'alertId' in where ? { alertIds: { has: where.alertId } } : { channelId: where.channelId },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: 200,
      });
      return rows.map(({ id, channelId, personId, alertIds, state, attempts, changedAt, error }) => ({
        deliveryId: id,
        channelId,
        personId,
        alertIds,
        state,
        attempts,
        atMs: changedAt.getTime(),
        error,
      }));
    },
    /** Writes what is left and gives this node's waiting rows to whoever comes next. */
    async stop(): Promise<void> {
      stopped = true;
      await flush();
      const now = new Date(clock.now() - 1);
      await prisma.$executeRaw`UPDATE deliveries SET lease_until = ${now} WHERE state = 'waiting' AND worker = ${worker}`;
    },
  };
}

/** What was sent stays sent, whatever another node that had the same row reports later. */
function upsert(rows: readonly DeliveryRow[], worker: string, nowMs: number): Prisma.Sql {
  const now = new Date(nowMs);
  const lease = new Date(nowMs + leaseMs);
  const owner = (row: DeliveryRow) =>
    row.isUnowned === true ? Prisma.sql`'', ${now}::timestamptz` : Prisma.sql`${worker}, ${lease}::timestamptz`;
  const values = rows.map(
    (
      row,
    ) => Prisma.sql`(${row.deliveryId}, ${row.channelId}, ${row.personId}, ARRAY[${row.alertId}]::text[], ${row.tier},
      ${row.state}::delivery_state, ${row.attempts}::int, ${row.error}, ${JSON.stringify(row.message)}::jsonb, ${owner(row)},
      ${new Date(row.createdAtMs)}::timestamptz, ${now}::timestamptz)`,
  );
  return Prisma.sql`
    INSERT INTO deliveries AS d (id, channel_id, person_id, alert_ids, tier, state, attempts, error, message, worker, lease_until, created_at, changed_at)
    VALUES ${Prisma.join(values)}
    ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, attempts = EXCLUDED.attempts, error = EXCLUDED.error, worker = EXCLUDED.worker,
      lease_until = EXCLUDED.lease_until, changed_at = EXCLUDED.changed_at
    WHERE d.state <> 'sent'`;
}

function rowOf(row: SqlRow): DeliveryRow {
  const message = Message.parse(row.message);
  return {
    deliveryId: row.id,
    channelId: row.channel_id,
    personId: row.person_id,
    alertId: message.line.alertId,
    tier: message.line.tier,
    state: 'waiting',
    attempts: row.attempts,
    error: row.error,
    createdAtMs: row.created_at.getTime(),
    message,
  };
}
