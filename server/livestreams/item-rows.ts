import * as z from 'zod/mini';
import { DisplayPolicy } from '../../contract/levels.ts';
import { type ItemInfo, type LivestreamInfo, SalePolicy, SpecValue } from '../../contract/livestreams.ts';
import type { LivestreamItem, Prisma, PrismaClient } from '../../generated/prisma/client.ts';
import type { ItemDefinition } from '../stock/stock-engine.ts';
import type { Managed } from './livestream-catalogue.ts';

const withItems = {
  items: { orderBy: { index: 'asc' }, include: { sku: { include: { product: true } } } },
} as const satisfies Prisma.LivestreamInclude;
type LivestreamRow = Prisma.LivestreamGetPayload<{ include: typeof withItems }>;
type ItemRow = LivestreamRow['items'][number];

const Spec = z.array(SpecValue);

/**
 * Public descriptions as they are now. Prisma reads the livestreams before their items: an `infoRev` may be older than what stands
 * beside it, which a reader mends by reading again, but never newer.
 */
export async function readInfos(
  prisma: PrismaClient,
  where: Prisma.LivestreamWhereInput,
): Promise<readonly LivestreamInfo[]> {
  const rows = await prisma.livestream.findMany({
    where,
    include: withItems,
    orderBy: [{ state: 'desc' }, { scheduledAt: 'asc' }, { id: 'asc' }],
    take: LIVESTREAMS_MAX,
  });
  return rows.map(infoOf);
}

/** More at once than any list shows; keeps an answer bounded. */
const LIVESTREAMS_MAX = 200;

/**
 * What a committed change looks like: read after the commit, so that locks are short. A later change may be in it already, which
 * does no harm: the gate takes pools and terms by their revs.
 * `touched`: the items that the gate has to take over; a draft has no gate.
 */
export async function readManaged(
  prisma: PrismaClient,
  livestreamId: string,
  touched: readonly string[] | 'all',
): Promise<Managed> {
  const row = await prisma.livestream.findUniqueOrThrow({ where: { id: livestreamId }, include: withItems });
  const livestream = infoOf(row);
  if (row.state === 'draft') return { kind: 'done', livestream, gate: null };
  const items = touched === 'all' ? row.items : row.items.filter(({ skuId }) => touched.includes(skuId));
  return { kind: 'done', livestream, gate: { items: items.map(definitionOf), infoRev: row.infoRev } };
}

function infoOf(row: LivestreamRow): LivestreamInfo {
  return {
    livestreamId: row.id,
    title: { zh: row.titleZh, en: row.titleEn },
    state: row.state,
    scheduledAtMs: row.scheduledAt?.getTime() ?? null,
    startedAtMs: row.startedAt?.getTime() ?? null,
    endedAtMs: row.endedAt?.getTime() ?? null,
    holdTtlMs: row.holdTtlMs,
    pinnedSkuId: row.pinnedSkuId,
    infoRev: row.infoRev,
    items: row.items.map(itemInfoOf),
  };
}

function itemInfoOf(item: ItemRow): ItemInfo {
  const { product } = item.sku;
  return {
    index: item.index,
    skuId: item.skuId,
    productId: product.id,
    title: { zh: product.titleZh, en: product.titleEn },
    spec: Spec.parse(item.sku.spec),
    imageUrl: product.imageUrl,
    unitPriceMinor: Number(item.unitPriceMinor),
    currency: item.currency,
    limits: limitsOf(item),
    salePolicy: SalePolicy.parse(item.salePolicy),
    display: DisplayPolicy.parse(item.display),
    sale: item.sale,
    opensAtMs: item.opensAt?.getTime() ?? 0,
  };
}

/** What the gate knows of an item (A5: absolute numbers with a rev each). */
function definitionOf(item: LivestreamItem): ItemDefinition {
  return {
    skuId: item.skuId,
    pool: { rev: item.poolRev, allotted: item.allotted, returned: item.returned },
    terms: {
      rev: item.termsRev,
      sale: item.sale,
      opensAtMs: item.opensAt?.getTime() ?? 0,
      salePolicy: SalePolicy.parse(item.salePolicy),
      limits: limitsOf(item),
    },
  };
}

const limitsOf = (item: LivestreamItem) => ({
  perOrder: item.limitPerOrder,
  perBuyer: item.limitPerBuyer,
  perDevice: item.limitPerDevice,
});
