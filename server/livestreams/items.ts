import { isDeepStrictEqual } from 'node:util';
import { availableOf, DisplayPolicy } from '../../contract/levels.ts';
import { SalePolicy } from '../../contract/livestreams.ts';
import type { LivestreamItem, PrismaClient } from '../../generated/prisma/client.ts';
import { readManaged } from './item-rows.ts';
import type { LivestreamCatalogue, Managed, ManageRefusal } from './livestream-catalogue.ts';
import { itemsMay, type SaleAction, saleTransitions } from './livestream-state.ts';
import { checkSellable, reclaimRefunded } from './pools.ts';
import { refusals } from './refusals.ts';
import { inTransaction, lockItem, lockLivestream, lockSku, type Tx, writeEntries } from './transaction.ts';

type Items = Pick<LivestreamCatalogue, 'addItem' | 'changeItem' | 'changeSale' | 'allotItem'>;
export type Actor = { readonly livestreamId: string; readonly skuId: string; readonly actor: string };

/** Positions travel in every frame, as 0…9,999. */
const ITEMS_MAX = 10_000;

/** The items of a livestream: what is sold, how, and how many of them. */
export function createItems(prisma: PrismaClient): Items {
  const change = async (
    { livestreamId, skuId }: Actor,
    work: (tx: Tx) => Promise<ManageRefusal | null>,
  ): Promise<Managed | ManageRefusal> =>
    (await inTransaction(prisma, work)) ?? readManaged(prisma, livestreamId, [skuId]);

  return {
    addItem(livestreamId, input, actor) {
      const at = { livestreamId, skuId: input.skuId, actor };
      return change(at, (tx) => addItem(tx, at, input));
    },
    changeItem: (...[livestreamId, skuId, input, actor]) => {
      const at = { livestreamId, skuId, actor };
      return change(at, (tx) => changeItem(tx, at, input));
    },
    changeSale: (...[livestreamId, skuId, input, actor]) => {
      const at = { livestreamId, skuId, actor };
      return change(at, (tx) => changeSale(tx, at, input));
    },
    allotItem: (...[livestreamId, skuId, allotted, actor, reason]) => {
      const at = { livestreamId, skuId, actor };
      return change(at, (tx) => allotItem(tx, at, { allotted, reason }));
    },
  };
}

async function addItem(
  tx: Tx,
  { livestreamId, skuId, actor }: Actor,
  input: Parameters<Items['addItem']>[1],
): Promise<ManageRefusal | null> {
  const known = await lockSku(tx, skuId);
  await reclaimRefunded(tx, skuId, livestreamId, actor);
  // The lock orders new items one after the other, and before or after a rebuild (B2): the database gives a new row the present epoch.
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null) return refusals.noLivestream(livestreamId);
  if (!known) return refusals.noSku(skuId);
  if (!itemsMay[livestream.state].change) return refusals.ended();
  const others = await tx.livestreamItem.aggregate({
    where: { livestreamId },
    _max: { index: true, currency: true },
  });
  if ((await tx.livestreamItem.count({ where: { livestreamId, skuId } })) > 0) return refusals.itemExists(skuId);
  const index = (others._max.index ?? -1) + 1;
  if (index >= ITEMS_MAX) return refusals.itemsMax(ITEMS_MAX);
  const { currency } = others._max;
  if (currency !== null && currency !== input.currency) return refusals.otherCurrency(currency);
  const refusal = await checkSellable(tx, skuId, 0, input.allotted);
  if (refusal !== null) return refusal;

  await tx.livestreamItem.create({
    data: {
      livestreamId,
      skuId,
      index,
      unitPriceMinor: BigInt(input.unitPriceMinor),
      currency: input.currency,
      ...limitColumns(input.limits),
      salePolicy: input.salePolicy,
      display: input.display,
      allotted: input.allotted,
    },
  });
  await raiseInfoRev(tx, livestreamId);
  const entry = { skuId, livestreamId, actor, reason: 'item added' };
  await writeEntries(tx, [{ ...entry, type: 'ALLOT', bucket: 'allotted', before: 0, after: input.allotted }]);
  return null;
}

async function changeItem(tx: Tx, at: Actor, input: Parameters<Items['changeItem']>[2]): Promise<ManageRefusal | null> {
  const found = await lockForChange(tx, at);
  if ('kind' in found) return found;
  const { item } = found;
  const terms = {
    ...(input.limits === undefined ? {} : limitColumns(input.limits)),
    ...(input.salePolicy === undefined || isDeepStrictEqual(input.salePolicy, SalePolicy.parse(item.salePolicy))
      ? {}
      : { salePolicy: input.salePolicy }),
  };
  const shown = {
    ...(input.unitPriceMinor === undefined ? {} : { unitPriceMinor: BigInt(input.unitPriceMinor) }),
    ...(input.display === undefined || isDeepStrictEqual(input.display, DisplayPolicy.parse(item.display))
      ? {}
      : { display: input.display }),
  };
  const differs = (columns: object) =>
    Object.entries(columns).some(([name, value]) => item[name as keyof LivestreamItem] !== value);
  if (!differs(terms) && !differs(shown)) return null;
  await updateItem(tx, at, { ...terms, ...shown, ...(differs(terms) ? { termsRev: { increment: 1 } } : {}) });
  await raiseInfoRev(tx, at.livestreamId);
  return null;
}

async function changeSale(
  tx: Tx,
  at: Actor,
  change: Parameters<Items['changeSale']>[2],
): Promise<ManageRefusal | null> {
  const found = await lockForChange(tx, at);
  if ('kind' in found) return found;
  const { item, state } = found;
  const sale = saleTransitions[item.sale][change.action];
  if (!itemsMay[state].sell) return refusals.notPublic();
  if (sale === null) return refusals.saleIs(item.sale, change.action);
  const opensAt = change.action !== 'open' ? item.opensAt : change.opensAtMs === 0 ? null : new Date(change.opensAtMs);
  if (sale === item.sale && opensAt?.getTime() === item.opensAt?.getTime()) return null;

  await updateItem(tx, at, { sale, opensAt, termsRev: { increment: 1 } });
  await raiseInfoRev(tx, at.livestreamId);
  const available = availableOf(item);
  await writeEntries(tx, [
    {
      ...at,
      type: entryTypes[change.action],
      bucket: 'on_sale',
      before: item.sale === 'open' ? available : 0,
      after: sale === 'open' ? available : 0,
      reason: change.action === 'stop' ? change.reason : '',
    },
  ]);
  return null;
}

const entryTypes = { open: 'OPEN', stop: 'STOP', resume: 'RESUME' } as const satisfies Record<SaleAction, string>;

/** A5: absolute, under a new rev; below what is out it is refused here, and pending holds above it when they reach the ledger. */
async function allotItem(
  tx: Tx,
  at: Actor,
  { allotted, reason }: { allotted: number; reason: string },
): Promise<ManageRefusal | null> {
  await lockSku(tx, at.skuId);
  await reclaimRefunded(tx, at.skuId, at.livestreamId, at.actor);
  const found = await lockForChange(tx, at);
  if ('kind' in found) return found;
  const { item } = found;
  const out = item.held + item.sold;
  if (allotted < out) return refusals.allotmentTooSmall(out, item.held, item.sold);
  if (allotted === item.allotted) return null;
  const refusal = await checkSellable(tx, at.skuId, item.allotted, allotted);
  if (refusal !== null) return refusal;

  await updateItem(tx, at, { allotted, poolRev: { increment: 1 } });
  await writeEntries(tx, [
    { ...at, type: 'ALLOT', bucket: 'allotted', before: item.allotted, after: allotted, reason },
  ]);
  return null;
}

/** Locks an item, then its livestream, of a livestream that has not ended. */
export async function lockForChange(tx: Tx, { livestreamId, skuId }: Actor) {
  await lockItem(tx, livestreamId, skuId);
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null) return refusals.noLivestream(livestreamId);
  const item = await tx.livestreamItem.findUnique({ where: { livestreamId_skuId: { livestreamId, skuId } } });
  if (item === null) return refusals.noItem(skuId);
  if (!itemsMay[livestream.state].change) return refusals.ended();
  return { item, state: livestream.state };
}

export async function updateItem(
  tx: Tx,
  { livestreamId, skuId }: Actor,
  data: Parameters<Tx['livestreamItem']['update']>[0]['data'],
): Promise<void> {
  await tx.livestreamItem.update({ where: { livestreamId_skuId: { livestreamId, skuId } }, data });
}

async function raiseInfoRev(tx: Tx, livestreamId: string): Promise<void> {
  await tx.livestream.update({ where: { id: livestreamId }, data: { infoRev: { increment: 1 } } });
}

const limitColumns = (limits: { perOrder: number | null; perBuyer: number | null; perDevice: number | null }) => ({
  limitPerOrder: limits.perOrder,
  limitPerBuyer: limits.perBuyer,
  limitPerDevice: limits.perDevice,
});
