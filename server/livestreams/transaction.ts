import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import { driverErrorOf } from '../db/driver-error.ts';

export type Tx = Prisma.TransactionClient;

const ATTEMPTS = 5;
/** Long enough for a busy embedded database, short enough that a stuck change is seen. */
const timing = { maxWait: 5_000, timeout: 10_000 };

/**
 * Runs a change in one READ COMMITTED transaction. A deadlock or a write conflict has changed nothing, so the work runs again,
 * five times at most. `work` returns a refusal before its first write, or throws.
 */
export async function inTransaction<Result>(prisma: PrismaClient, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await prisma.$transaction(work, timing);
    } catch (error) {
      if (attempt === ATTEMPTS || databaseErrorOf(error) !== 'write_conflict') throw error;
    }
  }
}

/** What the database said, where somebody acts on it. Raw statements and the client's own report the same thing differently. */
export function databaseErrorOf(error: unknown): 'write_conflict' | 'unique_violation' | null {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return null;
  const { kind } = driverErrorOf(error);
  if (error.code === 'P2034' || kind === 'TransactionWriteConflict') return 'write_conflict';
  if (error.code === 'P2002' || kind === 'UniqueConstraintViolation') return 'unique_violation';
  return null;
}

/*
 * Locks, in this order everywhere: SKUs by id → items by (livestream_id, sku_id) → livestream → channel pools. The ledger locks items,
 * then orders.
 * NO KEY UPDATE on SKUs and livestreams: an insert of an order or an item takes KEY SHARE on them and must not wait for a manager.
 */

/** False: no such SKU. Its row stands for all of its stock rows, those that are not there yet included: units move between pools one at a time. */
export async function lockSku(tx: Tx, skuId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 AS one FROM skus WHERE id = ${skuId} FOR NO KEY UPDATE`;
  return rows.length === 1;
}

export async function lockItem(tx: Tx, livestreamId: string, skuId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 AS one FROM livestream_items WHERE livestream_id = ${livestreamId} AND sku_id = ${skuId} FOR UPDATE`;
}

/** A sale of the channel must not fall between a check of its pool and the change. */
export async function lockChannelPool(tx: Tx, channelId: string, skuId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 AS one FROM channel_pools WHERE channel_id = ${channelId} AND sku_id = ${skuId} FOR UPDATE`;
}

export async function lockItems(tx: Tx, livestreamId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 AS one FROM livestream_items WHERE livestream_id = ${livestreamId} ORDER BY sku_id FOR UPDATE`;
}

/** The livestream as it is now that nobody else can change it; null: no such livestream. */
export async function lockLivestream(tx: Tx, livestreamId: string) {
  await tx.$queryRaw`SELECT 1 AS one FROM livestreams WHERE id = ${livestreamId} FOR NO KEY UPDATE`;
  return tx.livestream.findUnique({ where: { id: livestreamId } });
}

export type UnitMove = {
  readonly skuId: string;
  readonly type:
    | 'RECEIVE'
    | 'ADJUST'
    | 'RESERVE'
    | 'UNRESERVE'
    | 'ALLOT'
    | 'TRANSFER_OUT'
    | 'TRANSFER_IN'
    | 'OPEN'
    | 'STOP'
    | 'RESUME'
    | 'END'
    | 'CHANNEL_SALE';
  readonly bucket: 'on_hand' | 'reserved' | 'allotted' | 'on_sale' | 'sold';
  readonly before: number;
  readonly after: number;
  readonly reason: string;
  readonly actor: string;
  readonly livestreamId?: string;
  readonly channelId?: string;
  readonly warehouseId?: string;
  /** What the move is a part of. */
  readonly refType?: 'transfer';
  readonly refId?: string;
};

/** Appends to the stock ledger; a move that moves nothing leaves no entry. */
export async function writeEntries(tx: Tx, moves: readonly UnitMove[]): Promise<void> {
  const data = moves.filter((move) => move.before !== move.after);
  if (data.length > 0) await tx.stockEntry.createMany({ data });
}
