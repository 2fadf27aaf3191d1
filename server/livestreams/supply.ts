import { availableOf } from '../../contract/levels.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { LivestreamCatalogue, ManageRefusal, SkuStock } from './livestream-catalogue.ts';
import { checkSellable, reclaimRefunded, unitsOf } from './pools.ts';
import { refusals } from './refusals.ts';
import { databaseErrorOf, inTransaction, lockChannelPool, lockSku, type Tx, writeEntries } from './transaction.ts';

type Supply = Pick<
  LivestreamCatalogue,
  | 'putProduct'
  | 'putSku'
  | 'putWarehouse'
  | 'putChannel'
  | 'setWarehouseStock'
  | 'stockOfSku'
  | 'allotChannel'
  | 'sellInChannel'
>;

/** What a shop has and where its units are: products, warehouses, and the pools of its channels. */
export function createSupply(prisma: PrismaClient): Supply {
  return {
    putProduct: (input) => inTransaction(prisma, (tx) => putProduct(tx, input)),
    putSku: (input) => inTransaction(prisma, (tx) => putSku(tx, input)),
    async putWarehouse({ warehouseId, name }) {
      const data = { nameZh: name.zh, nameEn: name.en };
      await prisma.warehouse.upsert({ where: { id: warehouseId }, create: { id: warehouseId, ...data }, update: data });
    },
    async putChannel({ channelId, name }) {
      const data = { nameZh: name.zh, nameEn: name.en };
      await prisma.channel.upsert({ where: { id: channelId }, create: { id: channelId, ...data }, update: data });
    },
    setWarehouseStock: (stock, actor, reason) =>
      inTransaction(prisma, (tx) => setWarehouseStock(tx, { ...stock, actor, reason })),
    stockOfSku: (skuId) => stockOfSku(prisma, skuId),
    allotChannel: (...[channelId, skuId, allotted, actor, reason]) =>
      inTransaction(prisma, (tx) => allotChannel(tx, { channelId, skuId, allotted, actor, reason })),
    sellInChannel: (channelId, sale) => sellInChannel(prisma, { ...sale, channelId }),
  };
}

async function putProduct(tx: Tx, { productId, title, imageUrl }: Parameters<Supply['putProduct']>[0]): Promise<void> {
  const data = { titleZh: title.zh, titleEn: title.en, imageUrl };
  await tx.product.upsert({ where: { id: productId }, create: { id: productId, ...data }, update: data });
  await raiseInfoRevs(tx, productId);
}

async function putSku(tx: Tx, { skuId, productId, spec }: Parameters<Supply['putSku']>[0]) {
  const product = await tx.product.findUnique({ where: { id: productId } });
  if (product === null) return refusals.noProduct(productId);
  await tx.sku.upsert({
    where: { id: skuId },
    create: { id: skuId, productId, spec },
    update: { productId, spec },
  });
  await raiseInfoRevs(tx, productId);
  return { kind: 'done' } as const;
}

/** A title, picture or spec is part of the public description of every livestream that shows it; the gates hear of it from the tail (B4). */
async function raiseInfoRevs(tx: Tx, productId: string): Promise<void> {
  // Locked in id order first: two products of the same livestreams would else wait for each other.
  await tx.$queryRaw`
    SELECT 1 AS one FROM livestreams WHERE archived_at IS NULL AND id IN (
      SELECT item.livestream_id FROM livestream_items AS item JOIN skus ON skus.id = item.sku_id WHERE skus.product_id = ${productId})
    ORDER BY id FOR NO KEY UPDATE`;
  await tx.livestream.updateMany({
    where: { archivedAt: null, items: { some: { sku: { productId } } } },
    data: { infoRev: { increment: 1 } },
  });
}

type StockChange = Parameters<Supply['setWarehouseStock']>[0] & { readonly actor: string; readonly reason: string };

async function setWarehouseStock(
  tx: Tx,
  { warehouseId, skuId, onHand, reserved, actor, reason }: StockChange,
): Promise<{ kind: 'done'; stock: SkuStock } | ManageRefusal> {
  if (!(await lockSku(tx, skuId))) return refusals.noSku(skuId);
  if ((await tx.warehouse.findUnique({ where: { id: warehouseId } })) === null)
    return refusals.noWarehouse(warehouseId);
  if (reserved > onHand) return refusals.reservedAboveOnHand(onHand, reserved);
  await reclaimRefunded(tx, skuId, null, actor);
  const where = { warehouseId_skuId: { warehouseId, skuId } };
  const before = (await tx.warehouseStock.findUnique({ where })) ?? { onHand: 0, reserved: 0 };
  const change = onHand - reserved - (before.onHand - before.reserved);
  const { sellable, allotted } = await unitsOf(tx, skuId);
  if (change < 0 && sellable + change < allotted) return refusals.stockBelowAllotted(sellable + change, allotted);

  await tx.warehouseStock.upsert({
    where,
    create: { warehouseId, skuId, onHand, reserved },
    update: { onHand, reserved },
  });
  const entry = { skuId, warehouseId, reason, actor };
  await writeEntries(tx, [
    {
      ...entry,
      type: onHand > before.onHand ? 'RECEIVE' : 'ADJUST',
      bucket: 'on_hand',
      before: before.onHand,
      after: onHand,
    },
    {
      ...entry,
      type: reserved > before.reserved ? 'RESERVE' : 'UNRESERVE',
      bucket: 'reserved',
      before: before.reserved,
      after: reserved,
    },
  ]);
  return { kind: 'done', stock: await readStock(tx, skuId) };
}

type ChannelAllotment = {
  readonly channelId: string;
  readonly skuId: string;
  readonly allotted: number;
  readonly actor: string;
  readonly reason: string;
};

async function allotChannel(
  tx: Tx,
  { channelId, skuId, allotted, actor, reason }: ChannelAllotment,
): Promise<{ kind: 'done'; stock: SkuStock } | ManageRefusal> {
  if (!(await lockSku(tx, skuId))) return refusals.noSku(skuId);
  if ((await tx.channel.findUnique({ where: { id: channelId } })) === null) return refusals.noChannel(channelId);
  await reclaimRefunded(tx, skuId, null, actor);
  await lockChannelPool(tx, channelId, skuId);
  const where = { channelId_skuId: { channelId, skuId } };
  const before = (await tx.channelPool.findUnique({ where })) ?? { allotted: 0, sold: 0 };
  if (allotted < before.sold) return refusals.allotmentTooSmall(before.sold, 0, before.sold);
  const refusal = await checkSellable(tx, skuId, before.allotted, allotted);
  if (refusal !== null) return refusal;

  await tx.channelPool.upsert({ where, create: { channelId, skuId, allotted }, update: { allotted } });
  await writeEntries(tx, [
    { skuId, channelId, type: 'ALLOT', bucket: 'allotted', before: before.allotted, after: allotted, reason, actor },
  ]);
  return { kind: 'done', stock: await readStock(tx, skuId) };
}

type Sale = { readonly channelId: string; readonly saleId: string; readonly skuId: string; readonly quantity: number };

type SaleOutcome = Awaited<ReturnType<Supply['sellInChannel']>>;

/** A sale that found too few units, then enough: the pool grew between two statements, so it is tried again. */
const SALE_ATTEMPTS = 3;

async function sellInChannel(prisma: PrismaClient, sale: Sale): Promise<SaleOutcome> {
  let outcome: SaleOutcome | null = null;
  for (let attempt = 1; attempt <= SALE_ATTEMPTS; attempt += 1) {
    outcome = (await takeFromPool(prisma, sale)) ?? (await explainUnsold(prisma, sale));
    if (outcome.kind !== 'insufficient' || outcome.available < sale.quantity) return outcome;
  }
  throw new Error(
    `The pool of ${sale.skuId} in channel ${sale.channelId} changes too often to record sale ${sale.saleId}`,
  );
}

/**
 * One conditional statement: the guard is in the UPDATE, the sale's key makes a repeat fail as a whole, the entry comes with it.
 * Two equal sales at once: the second waits for the row, then breaks on the key, and nothing of it stays. null: nothing was taken.
 */
async function takeFromPool(
  prisma: PrismaClient,
  { channelId, saleId, skuId, quantity }: Sale,
): Promise<SaleOutcome | null> {
  try {
    const rows = await prisma.$queryRaw<{ available: number }[]>`
      WITH moved AS (
        UPDATE channel_pools SET sold = sold + ${quantity}::int
         WHERE channel_id = ${channelId} AND sku_id = ${skuId} AND sold + ${quantity}::int <= allotted
           AND NOT EXISTS (SELECT 1 FROM channel_sales WHERE channel_id = ${channelId} AND sale_id = ${saleId})
        RETURNING allotted, sold
      ), recorded AS (
        INSERT INTO channel_sales (channel_id, sale_id, sku_id, quantity)
        SELECT ${channelId}, ${saleId}, ${skuId}, ${quantity}::int FROM moved
      ), entry AS (
        INSERT INTO stock_entries (sku_id, channel_id, type, bucket, before, after, ref_type, ref_id, actor)
        SELECT ${skuId}, ${channelId}, 'CHANNEL_SALE', 'sold', sold - ${quantity}::int, sold, 'channel_sale', ${saleId}, ${`channel@${channelId}`}
          FROM moved
      )
      SELECT allotted - sold AS available FROM moved`;
    return rows[0] === undefined ? null : { kind: 'sold', available: rows[0].available };
  } catch (error) {
    if (databaseErrorOf(error) === 'unique_violation') return null;
    throw error;
  }
}

/** Why nothing was taken: read afterwards, so the equal sale of a moment ago is seen. */
async function explainUnsold(prisma: PrismaClient, { channelId, saleId, skuId, quantity }: Sale): Promise<SaleOutcome> {
  const recorded = await prisma.channelSale.findUnique({ where: { channelId_saleId: { channelId, saleId } } });
  if (recorded !== null && (recorded.skuId !== skuId || recorded.quantity !== quantity))
    return refusals.saleIdUsed(saleId);
  const pool = await prisma.channelPool.findUnique({ where: { channelId_skuId: { channelId, skuId } } });
  if (pool === null) {
    const channel = await prisma.channel.findUnique({ where: { id: channelId } });
    return channel === null ? refusals.noChannel(channelId) : refusals.noPool(channelId, skuId);
  }
  const available = availableOf({ allotted: pool.allotted, held: 0, sold: pool.sold });
  if (recorded !== null) return { kind: 'duplicate', available };
  return { kind: available === 0 ? 'sold_out' : 'insufficient', available };
}

async function stockOfSku(prisma: PrismaClient, skuId: string): Promise<SkuStock | null> {
  const sku = await prisma.sku.findUnique({ where: { id: skuId } });
  if (sku === null) return null;
  // One snapshot, or a sum and its parts would differ while units move.
  return prisma.$transaction((tx) => readStock(tx, skuId), { isolationLevel: 'RepeatableRead' });
}

async function readStock(tx: Tx, skuId: string): Promise<SkuStock> {
  const [units, warehouses, items, channels] = [
    await unitsOf(tx, skuId),
    await tx.warehouseStock.findMany({ where: { skuId }, orderBy: { warehouseId: 'asc' } }),
    await tx.livestreamItem.findMany({ where: { skuId }, orderBy: { livestreamId: 'asc' } }),
    await tx.channelPool.findMany({ where: { skuId }, orderBy: { channelId: 'asc' } }),
  ];
  return {
    skuId,
    sellable: units.sellable,
    unallotted: units.sellable - units.allotted,
    warehouses: warehouses.map(({ warehouseId, onHand, reserved }) => ({ warehouseId, skuId, onHand, reserved })),
    livestreams: items.map(({ livestreamId, allotted, held, sold }) => ({
      livestreamId,
      allotted,
      held,
      sold,
      available: availableOf({ allotted, held, sold }),
    })),
    channels: channels.map(({ channelId, allotted, sold }) => ({
      channelId,
      allotted,
      sold,
      available: availableOf({ allotted, held: 0, sold }),
    })),
  };
}
