import type { ItemPools, MoveUnits, StockPool, StockTransfer } from '../../contract/pools.ts';
import type { PrismaClient, StockTransfer as TransferRow } from '../../generated/prisma/client.ts';
import { readManaged } from './item-rows.ts';
import { type Actor, lockForChange, updateItem } from './items.ts';
import type { LivestreamCatalogue, ManageRefusal } from './livestream-catalogue.ts';
import { reclaimRefunded, unitsOf } from './pools.ts';
import { refusals } from './refusals.ts';
import { databaseErrorOf, inTransaction, lockChannelPool, lockSku, type Tx, writeEntries } from './transaction.ts';

type Transfers = Pick<LivestreamCatalogue, 'moveUnits' | 'poolsOf'>;

/** A pool as an integer column and the contract have it. */
const POOL_MAX = 1_000_000_000;
const CHANGES_MAX = 50;
/** Of a shop; more are not offered. */
const CHANNELS_MAX = 200;

/** Units between the pools of one SKU, with the livestream on one side. */
export function createTransfers(prisma: PrismaClient): Transfers {
  return {
    async moveUnits(livestreamId, skuId, move, actor) {
      const at = { livestreamId, skuId, actor };
      const transfer = await once(prisma, at, move);
      if ('kind' in transfer) return transfer;
      return { ...(await readManaged(prisma, livestreamId, [skuId])), transfer };
    },
    poolsOf: (livestreamId, skuId) =>
      // One snapshot, or the pools would not add up while units move.
      prisma.$transaction((tx) => readPools(tx, livestreamId, skuId), { isolationLevel: 'RepeatableRead' }),
  };
}

/** Two requests with one id for different SKUs do not meet at a lock: the second breaks on the key, and nothing of it stays. */
async function once(prisma: PrismaClient, at: Actor, move: MoveUnits): Promise<StockTransfer | ManageRefusal> {
  try {
    return await inTransaction(prisma, (tx) => transfer(tx, at, move));
  } catch (error) {
    if (databaseErrorOf(error) === 'unique_violation') return refusals.transferIdUsed(move.transferId);
    throw error;
  }
}

/** A5: both sides get an absolute number, the livestream's under a new rev. */
async function transfer(tx: Tx, at: Actor, move: MoveUnits): Promise<StockTransfer | ManageRefusal> {
  const { livestreamId, skuId, actor } = at;
  await lockSku(tx, skuId);
  const where = { livestreamId_id: { livestreamId, id: move.transferId } };
  const known = await tx.stockTransfer.findUnique({ where });
  if (known !== null) return isSame(known, skuId, move) ? transferOf(known) : refusals.transferIdUsed(move.transferId);

  await reclaimRefunded(tx, skuId, livestreamId, actor);
  const found = await lockForChange(tx, at);
  if ('kind' in found) return found;
  const other = move.from.kind === 'livestream' ? move.to : move.from;
  const apart = await otherSide(tx, skuId, other);
  if ('kind' in apart) return apart;
  const { allotted, held, sold } = found.item;
  const own: Side = { size: allotted, movable: allotted - held - sold, zh: '直播间', en: "the livestream's pool" };
  const [from, to] = move.from.kind === 'livestream' ? [own, apart] : [apart, own];
  if (move.quantity > from.movable) return refusals.fewerToMove(from.zh, from.en, Math.max(0, from.movable));
  if (to.size + move.quantity > POOL_MAX) return refusals.poolTooLarge(POOL_MAX);

  return write(tx, at, move, { from, to });
}

/** Everything has been checked and locked. */
async function write(
  tx: Tx,
  at: Actor,
  move: MoveUnits,
  { from, to }: { readonly from: Side; readonly to: Side },
): Promise<StockTransfer> {
  const { livestreamId, skuId, actor } = at;
  const { transferId, quantity, reason } = move;
  const sides = [
    { pool: move.from, type: 'TRANSFER_OUT', before: from.size, after: from.size - quantity },
    { pool: move.to, type: 'TRANSFER_IN', before: to.size, after: to.size + quantity },
  ] as const;
  for (const { pool, after: allotted } of sides) {
    if (pool.kind === 'livestream') await updateItem(tx, at, { allotted, poolRev: { increment: 1 } });
    if (pool.kind === 'channel') {
      const { channelId } = pool;
      const where = { channelId_skuId: { channelId, skuId } };
      await tx.channelPool.upsert({ where, create: { channelId, skuId, allotted }, update: { allotted } });
    }
  }
  const shared = { skuId, actor, reason, bucket: 'allotted', refType: 'transfer', refId: transferId } as const;
  // The unallotted units are a difference and no count of their own: the other side's entry and the transfer tell of them.
  const counted = sides.filter(({ pool }) => pool.kind !== 'unallotted');
  for (const { pool, type, before, after } of counted)
    await writeEntries(tx, [{ ...shared, type, before, after, ...placeOf(pool, livestreamId) }]);
  const [{ before: fromBefore, after: fromAfter }, { before: toBefore, after: toAfter }] = sides;
  const sizes = { quantity, fromBefore, fromAfter, toBefore, toAfter };
  const data = { livestreamId, id: transferId, skuId, ...columnsOf(move), ...sizes, reason, actor };
  return transferOf(await tx.stockTransfer.create({ data }));
}

/** Zh and en: how a refusal calls it. */
type Side = { readonly size: number; readonly movable: number; readonly zh: string; readonly en: string };

async function otherSide(tx: Tx, skuId: string, pool: StockPool): Promise<Side | ManageRefusal> {
  if (pool.kind !== 'channel') {
    const { sellable, allotted } = await unitsOf(tx, skuId);
    const size = Math.max(0, sellable - allotted);
    return { size, movable: size, zh: '未分配库存', en: 'the unallotted stock' };
  }
  const { channelId } = pool;
  const channel = await tx.channel.findUnique({ where: { id: channelId } });
  if (channel === null) return refusals.noChannel(channelId);
  await lockChannelPool(tx, channelId, skuId);
  const { allotted, sold } = (await tx.channelPool.findUnique({
    where: { channelId_skuId: { channelId, skuId } },
  })) ?? { allotted: 0, sold: 0 };
  return { size: allotted, movable: allotted - sold, zh: `渠道${channel.nameZh}`, en: `the channel ${channel.nameEn}` };
}

const placeOf = (pool: StockPool, livestreamId: string) => {
  if (pool.kind === 'livestream') return { livestreamId };
  return pool.kind === 'channel' ? { channelId: pool.channelId } : {};
};

const channelOf = (pool: StockPool): string | null => (pool.kind === 'channel' ? pool.channelId : null);

const columnsOf = ({ from, to }: MoveUnits) => ({
  fromKind: from.kind,
  fromChannelId: channelOf(from),
  toKind: to.kind,
  toChannelId: channelOf(to),
});

/** The same move; its reason may be worded anew. */
function isSame(row: TransferRow, skuId: string, move: MoveUnits): boolean {
  const columns = Object.entries({ skuId, quantity: move.quantity, ...columnsOf(move) });
  return columns.every(([name, value]) => row[name as keyof TransferRow] === value);
}

/** The columns hold what a CHECK allows. */
function poolOf(kind: string, channelId: string | null): StockPool {
  if (kind === 'livestream' || kind === 'unallotted') return { kind };
  return { kind: 'channel', channelId: channelId ?? '' };
}

function transferOf(row: TransferRow): StockTransfer {
  const { id, skuId, quantity, fromBefore, fromAfter, toBefore, toAfter, reason, actor, createdAt } = row;
  return {
    transferId: id,
    skuId,
    from: poolOf(row.fromKind, row.fromChannelId),
    to: poolOf(row.toKind, row.toChannelId),
    quantity,
    fromBefore,
    fromAfter,
    toBefore,
    toAfter,
    reason,
    actor,
    atMs: createdAt.getTime(),
  };
}

async function readPools(
  tx: Tx,
  livestreamId: string,
  skuId: string,
): Promise<{ kind: 'done'; pools: ItemPools } | ManageRefusal> {
  const item = await tx.livestreamItem.findUnique({ where: { livestreamId_skuId: { livestreamId, skuId } } });
  if (item === null) {
    const livestream = await tx.livestream.findUnique({ where: { id: livestreamId }, select: { id: true } });
    return livestream === null ? refusals.noLivestream(livestreamId) : refusals.noItem(skuId);
  }
  const { sellable, allotted } = await unitsOf(tx, skuId);
  const channels = await tx.channel.findMany({
    orderBy: { id: 'asc' },
    take: CHANNELS_MAX,
    include: { pools: { where: { skuId } } },
  });
  const newest = { take: CHANGES_MAX, where: { livestreamId, skuId } } as const;
  const changes = await tx.stockEntry.findMany({
    ...newest,
    where: { ...newest.where, bucket: 'allotted' },
    orderBy: { seq: 'desc' },
  });
  const transfers = await tx.stockTransfer.findMany({ ...newest, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] });
  return {
    kind: 'done',
    pools: {
      skuId,
      unallotted: Math.max(0, sellable - allotted),
      livestream: {
        allotted: item.allotted,
        held: item.held,
        sold: item.sold,
        movable: Math.max(0, item.allotted - item.held - item.sold),
      },
      channels: channels.map(({ id, nameZh, nameEn, pools: [pool] }) => {
        const { allotted: size, sold } = pool ?? { allotted: 0, sold: 0 };
        return { channelId: id, name: { zh: nameZh, en: nameEn }, allotted: size, sold, movable: size - sold };
      }),
      changes: changes.map(({ before, after, reason, actor, createdAt, refType, refId }) => ({
        before,
        after,
        reason,
        actor,
        atMs: createdAt.getTime(),
        transferId: refType === 'transfer' ? refId : null,
      })),
      transfers: transfers.map(transferOf),
    },
  };
}
