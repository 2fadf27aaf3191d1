import type { ManageRefusal } from './livestream-catalogue.ts';
import { refusals } from './refusals.ts';
import { type Tx, writeEntries } from './transaction.ts';

export type SkuUnits = { readonly sellable: number; readonly allotted: number };

/**
 * Σ(onHand − reserved) of one SKU and what pools have of it. Channels and livestreams keep what they sold until it is shipped.
 * An archived livestream keeps what is held or sold and nothing else, whatever its row still says (see `reclaimRefunded`).
 */
export async function unitsOf(tx: Tx, skuId: string): Promise<SkuUnits> {
  const rows = await tx.$queryRaw<[SkuUnits]>`
    SELECT
      (SELECT coalesce(sum(on_hand::bigint - reserved), 0) FROM warehouse_stocks WHERE sku_id = ${skuId})::float8 AS sellable,
      ((SELECT coalesce(sum(CASE WHEN livestream.archived_at IS NULL THEN item.allotted ELSE item.held + item.sold END), 0)
          FROM livestream_items AS item JOIN livestreams AS livestream ON livestream.id = item.livestream_id
         WHERE item.sku_id = ${skuId})
       + (SELECT coalesce(sum(allotted), 0) FROM channel_pools WHERE sku_id = ${skuId}))::float8 AS allotted`;
  return rows[0];
}

/**
 * Whether a pool of this SKU may grow from `before` to `after` units. The caller has locked the SKU, so nobody else's pool of it
 * grows meanwhile (capabilities 12 and 15), and has reclaimed what archived livestreams gave back. A smaller pool is never refused here.
 */
export async function checkSellable(
  tx: Tx,
  skuId: string,
  before: number,
  after: number,
): Promise<ManageRefusal | null> {
  if (after <= before) return null;
  const { sellable, allotted } = await unitsOf(tx, skuId);
  const elsewhere = allotted - before;
  if (elsewhere + after <= sellable) return null;
  return refusals.allotmentTooLarge(Math.max(0, sellable - elsewhere), sellable, elsewhere);
}

/**
 * Units refunded after their livestream was archived lie in its pool, where nobody can sell them. Every change of the SKU's pools
 * takes them back before it counts. `alsoLivestreamId`: the item that is changed next, locked in the same statement and so in order.
 * The caller has locked the SKU.
 */
export async function reclaimRefunded(
  tx: Tx,
  skuId: string,
  alsoLivestreamId: string | null,
  actor: string,
): Promise<void> {
  const rows = await tx.$queryRaw<{ livestreamId: string; allotted: number; out: number; archived: boolean }[]>`
    SELECT item.livestream_id AS "livestreamId", item.allotted, item.held + item.sold AS out, livestream.archived_at IS NOT NULL AS archived
      FROM livestream_items AS item JOIN livestreams AS livestream ON livestream.id = item.livestream_id
     WHERE item.sku_id = ${skuId} AND (livestream.archived_at IS NOT NULL OR item.livestream_id = ${alsoLivestreamId ?? ''})
     ORDER BY item.livestream_id FOR UPDATE OF item`;
  for (const { livestreamId, allotted, out, archived } of rows) {
    if (!archived || allotted === out) continue;
    await tx.livestreamItem.update({
      where: { livestreamId_skuId: { livestreamId, skuId } },
      data: { allotted: out, poolRev: { increment: 1 } },
    });
    await writeEntries(tx, [
      {
        skuId,
        type: 'ALLOT',
        bucket: 'allotted',
        before: allotted,
        after: out,
        reason: 'refunded after the livestream was archived',
        actor,
        livestreamId,
      },
    ]);
  }
}
