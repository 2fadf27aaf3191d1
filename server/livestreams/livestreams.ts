import { availableOf } from '../../contract/levels.ts';
import type { Livestream, Prisma, PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import { readInfos, readManaged } from './item-rows.ts';
import type { LivestreamCatalogue, ManageRefusal } from './livestream-catalogue.ts';
import { itemsMay, type LivestreamAction, livestreamTransitions } from './livestream-state.ts';
import { refusals } from './refusals.ts';
import { databaseErrorOf, inTransaction, lockItems, lockLivestream, type Tx, writeEntries } from './transaction.ts';

type Livestreams = Omit<
  LivestreamCatalogue,
  | 'putProduct'
  | 'putSku'
  | 'putWarehouse'
  | 'putChannel'
  | 'setWarehouseStock'
  | 'stockOfSku'
  | 'allotChannel'
  | 'sellInChannel'
  | 'addItem'
  | 'changeItem'
  | 'changeSale'
  | 'allotItem'
  | 'moveUnits'
  | 'poolsOf'
>;

/** The life of a livestream, from draft to archive, and its public description. */
export function createLivestreams(prisma: PrismaClient, clock: Clock): Livestreams {
  const move = async (livestreamId: string, work: (tx: Tx) => Promise<ManageRefusal | null>) =>
    (await inTransaction(prisma, work)) ?? readManaged(prisma, livestreamId, 'all');

  return {
    async create({ livestreamId, title, holdTtlMs, anonymousViewers }) {
      try {
        await prisma.livestream.create({
          data: { id: livestreamId, titleZh: title.zh, titleEn: title.en, holdTtlMs, anonymousViewers },
        });
      } catch (error) {
        if (databaseErrorOf(error) === 'unique_violation') return refusals.livestreamExists(livestreamId);
        throw error;
      }
      return readManaged(prisma, livestreamId, 'all');
    },
    schedule: (livestreamId, scheduledAtMs) =>
      move(livestreamId, (tx) => advance(tx, livestreamId, 'schedule', { scheduledAt: new Date(scheduledAtMs) })),
    start: (livestreamId) =>
      move(livestreamId, (tx) => advance(tx, livestreamId, 'start', { startedAt: new Date(clock.now()) })),
    end: (livestreamId, actor) => move(livestreamId, (tx) => end(tx, livestreamId, new Date(clock.now()), actor)),
    async pin(livestreamId, skuId) {
      const touched: string[] = [];
      const refusal = await inTransaction(prisma, (tx) => pin(tx, livestreamId, skuId, touched));
      return refusal ?? readManaged(prisma, livestreamId, touched);
    },

    info: async (livestreamId) => (await readInfos(prisma, { id: livestreamId }))[0] ?? null,
    async allowsAnonymous(livestreamId) {
      const livestream = await prisma.livestream.findUnique({
        where: { id: livestreamId },
        select: { anonymousViewers: true },
      });
      return livestream?.anonymousViewers ?? null;
    },
    list: (states) => readInfos(prisma, { state: { in: [...states] } }),
    async active() {
      const rows = await prisma.livestream.findMany({
        where: { state: { not: 'draft' }, archivedAt: null },
        select: { id: true, state: true },
        orderBy: { id: 'asc' },
      });
      return rows.map(({ id, state }) => ({ livestreamId: id, state }));
    },
    archive: (livestreamId) => inTransaction(prisma, (tx) => archive(tx, livestreamId, new Date(clock.now()))),
  };
}

/** `schedule` and `start`: a step of the table, with the moment that belongs to it. */
async function advance(
  tx: Tx,
  livestreamId: string,
  action: Exclude<LivestreamAction, 'end'>,
  moment: Prisma.LivestreamUpdateInput,
): Promise<ManageRefusal | null> {
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null) return refusals.noLivestream(livestreamId);
  const state = livestreamTransitions[livestream.state][action];
  if (state === null) return refusals.livestreamIs(livestream.state, action);
  // Started already: the first moment stays. Scheduled already: the moment is what changes.
  if (state === livestream.state && action === 'start') return null;
  await update(tx, livestream, { state, ...moment });
  return null;
}

/** Closes every sale under the items' locks: an order is before the end or after it. What is held may still be paid. */
async function end(tx: Tx, livestreamId: string, endedAt: Date, actor: string): Promise<ManageRefusal | null> {
  await lockItems(tx, livestreamId);
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null) return refusals.noLivestream(livestreamId);
  const state = livestreamTransitions[livestream.state].end;
  if (state === null) return refusals.livestreamIs(livestream.state, 'end');
  if (state === livestream.state) return null;
  const items = await tx.livestreamItem.findMany({ where: { livestreamId }, orderBy: { skuId: 'asc' } });
  await tx.livestreamItem.updateMany({
    where: { livestreamId },
    data: { sale: 'ended', termsRev: { increment: 1 } },
  });
  await update(tx, livestream, { state, endedAt, pinnedSkuId: null });
  await writeEntries(
    tx,
    items.map((item) => ({
      skuId: item.skuId,
      livestreamId,
      type: 'END' as const,
      bucket: 'on_sale' as const,
      before: item.sale === 'open' ? availableOf(item) : 0,
      after: 0,
      reason: 'livestream ended',
      actor,
    })),
  );
  return null;
}

/** `touched` receives an item for the gate to take over: its message is what tells every node to read the description again. */
async function pin(
  tx: Tx,
  livestreamId: string,
  skuId: string | null,
  touched: string[],
): Promise<ManageRefusal | null> {
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null) return refusals.noLivestream(livestreamId);
  if (skuId !== null && (await tx.livestreamItem.count({ where: { livestreamId, skuId } })) === 0) {
    return refusals.noItem(skuId);
  }
  if (!itemsMay[livestream.state].change) return refusals.ended();
  if (skuId === livestream.pinnedSkuId) return null;
  await update(tx, livestream, { pinnedSkuId: skuId });
  touched.push(...[skuId ?? livestream.pinnedSkuId].filter((id) => id !== null));
  return null;
}

/** Does nothing while an order of the livestream may still be paid, so that whoever calls it too early takes no unit from a buyer. */
async function archive(tx: Tx, livestreamId: string, archivedAt: Date): Promise<void> {
  await lockItems(tx, livestreamId);
  const livestream = await lockLivestream(tx, livestreamId);
  if (livestream === null || livestream.state !== 'ended' || livestream.archivedAt !== null) return;
  const open = await tx.order.count({ where: { livestreamId, state: { in: ['held', 'placed'] } } });
  if (open > 0) return;
  const items = await tx.livestreamItem.findMany({ where: { livestreamId }, orderBy: { skuId: 'asc' } });
  await tx.$executeRaw`
    UPDATE livestream_items SET allotted = held + sold, pool_rev = pool_rev + 1
     WHERE livestream_id = ${livestreamId} AND allotted > held + sold`;
  await tx.livestream.update({ where: { id: livestreamId }, data: { archivedAt } });
  await writeEntries(
    tx,
    items.map((item) => ({
      skuId: item.skuId,
      livestreamId,
      type: 'ALLOT' as const,
      bucket: 'allotted' as const,
      before: item.allotted,
      after: item.held + item.sold,
      reason: 'livestream archived',
      actor: 'archive',
    })),
  );
}

async function update(tx: Tx, { id }: Livestream, data: Prisma.LivestreamUpdateInput): Promise<void> {
  await tx.livestream.update({ where: { id }, data: { ...data, infoRev: { increment: 1 } } });
}
