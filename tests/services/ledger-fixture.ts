import { randomBytes } from 'node:crypto';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { LedgerAudit, NewOrder, OrderLedger } from '../../server/orders/order-ledger.ts';
import { makeRid } from '../../server/orders/rid.ts';

let made = 0;

/** A livestream of its own for a test, straight in the tables: `allotted` units of each SKU at 500 fen, in epoch 0. */
export async function makeLivestream(prisma: PrismaClient, allotted: Record<string, number>) {
  made += 1;
  const livestreamId = `night-${made}-${randomBytes(3).toString('hex')}`;
  await prisma.product.upsert({
    where: { id: 'product' },
    create: { id: 'product', titleZh: '茶', titleEn: 'Tea' },
    update: {},
  });
  await prisma.livestream.create({ data: { id: livestreamId, titleZh: '夜场', titleEn: 'Night', state: 'live' } });
  for (const [index, [skuId, units]] of Object.entries(allotted).entries()) {
    await prisma.sku.upsert({ where: { id: skuId }, create: { id: skuId, productId: 'product' }, update: {} });
    await prisma.livestreamItem.create({
      data: {
        livestreamId,
        skuId,
        index,
        allotted: units,
        unitPriceMinor: 500,
        currency: 'CNY',
        sale: 'open',
        salePolicy: { kind: 'deduct_on_order' },
        display: { kind: 'exact' },
      },
    });
  }
  return livestreamId;
}

/** A new order of one buyer: `lines` as {tea: 2}. */
export function newOrder(
  livestreamId: string,
  lines: Record<string, number>,
  change: Partial<NewOrder> = {},
): NewOrder {
  const rid = makeRid(Date.now());
  return {
    rid,
    key: `buyer-${rid}/key-${rid}`,
    bodyHash: 'a'.repeat(43),
    livestreamId,
    epoch: 0,
    buyerId: `buyer-${rid}`,
    deviceId: null,
    takes: 'hold',
    lines: Object.entries(lines).map(([skuId, quantity]) => ({ skuId, quantity })),
    holdTtlMs: 600_000,
    ...change,
  };
}

/** Appends one order that must be committed. */
export async function commitOrder(ledger: OrderLedger, order: NewOrder) {
  const [outcome] = await ledger.append([order]);
  if (outcome?.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`);
  return outcome.order;
}

/** The hold of these orders is over, by PostgreSQL's clock. */
export async function makeDue(prisma: PrismaClient, rids: readonly string[]): Promise<void> {
  await prisma.$executeRaw`UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = ANY (${[...rids]}::text[])`;
}

/** Counters as [allotted, held, sold, returned] by SKU; throws where they are not the sums of the orders, or the entries do not join up. */
export async function countsOf(ledger: OrderLedger, prisma: PrismaClient, livestreamId: string) {
  const audit = await ledger.audit(livestreamId);
  if (audit === null) throw new Error('no such livestream');
  for (const item of audit.items) assertSums(item);
  const entries = await prisma.stockEntry.findMany({ where: { livestreamId }, orderBy: { seq: 'asc' } });
  const last = new Map<string, number>();
  for (const { skuId, bucket, type, before, after } of entries) {
    // A payment moves units from held to sold with one entry, about sold.
    if (type === 'HOLD_POST') last.set(`${skuId}/held`, (last.get(`${skuId}/held`) ?? 0) - (after - before));
    const known = last.get(`${skuId}/${bucket}`) ?? 0;
    if (known !== before)
      throw new Error(`${type} of ${skuId} says ${bucket} was ${before}, the entries before it say ${known}`);
    last.set(`${skuId}/${bucket}`, after);
  }
  for (const { skuId, held, sold } of audit.items) {
    const told = [last.get(`${skuId}/held`) ?? 0, last.get(`${skuId}/sold`) ?? 0];
    if (told[0] !== held || told[1] !== sold)
      throw new Error(`${skuId}: entries say ${told.join()}, counters ${held},${sold}`);
  }
  return Object.fromEntries(
    audit.items.map(({ skuId, allotted, held, sold, returned }) => [skuId, [allotted, held, sold, returned]]),
  );
}

function assertSums({ skuId, allotted, held, sold, heldByOrders, soldByOrders }: LedgerAudit['items'][number]): void {
  if (held !== heldByOrders || sold !== soldByOrders || held + sold > allotted) {
    throw new Error(`${skuId}: held ${held}/${heldByOrders}, sold ${sold}/${soldByOrders}, allotted ${allotted}`);
  }
}
