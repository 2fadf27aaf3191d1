import * as z from 'zod/mini';
import { type AlertBasis, type AlertTier, ItemPlan, type ReplenishmentTask } from '../../contract/alerts.ts';
import { Text } from '../../contract/primitives.ts';
import type {
  ItemPlan as ItemPlanRow,
  PrismaClient,
  ReplenishmentTask as TaskRow,
} from '../../generated/prisma/client.ts';
import type { PlanChange } from './alert-desk.ts';
import type { LineMove } from './rules/dynamic-line.ts';

export type Watch = {
  readonly openedAtMs: number | null;
  readonly originalEstimate: number | null;
  readonly move: LineMove;
  /** Of the present arming; tiers of older ones may fire again. */
  readonly generations: Readonly<Record<AlertBasis, number>>;
};

/** What the database knows of a livestream's plans and crossings. */
export type BookRows = {
  readonly plannedEndAtMs: number | null;
  readonly plans: ReadonlyMap<string, ItemPlan>;
  readonly watches: ReadonlyMap<string, Watch>;
  /** Tiers that fired in the present generation, by `firedKey`. */
  readonly fired: ReadonlyMap<string, ReadonlySet<AlertTier>>;
};

export const firedKey = (skuId: string, basis: AlertBasis): string => `${skuId}/${basis}`;

export type PlanStore = ReturnType<typeof createPrismaPlanStore>;

const HISTORY_MAX = 500;
const Texts = z.array(Text);
const Move = z.enum(['none', 'raised', 'relaxed', 'kept']);

/** Plans, what alerts remember of items, and replenishment tasks, in PostgreSQL. Rejects with what the database throws. */
export const createPrismaPlanStore = (prisma: PrismaClient) => ({
  ...bookRows(prisma),
  ...planRecords(prisma),
  ...taskList(prisma),
});

function bookRows(prisma: PrismaClient) {
  return {
    /** Size of each item's pool, for livestreams that have no gate (yet). */
    async allotments(livestreamId: string): Promise<ReadonlyMap<string, number>> {
      const rows = await prisma.livestreamItem.findMany({
        where: { livestreamId },
        select: { skuId: true, allotted: true },
      });
      return new Map(rows.map(({ skuId, allotted }) => [skuId, allotted]));
    },

    /** How often a livestream's book has changed; absent: never. One cheap statement a second. */
    async revs(livestreamIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
      const rows = await prisma.alertBook.findMany({ where: { livestreamId: { in: [...livestreamIds] } } });
      return new Map(rows.map(({ livestreamId, rev }) => [livestreamId, rev]));
    },

    /** Read after `revs`: it may be newer than the rev that the caller notes, never older. */
    async readBook(livestreamId: string): Promise<BookRows> {
      const where = { livestreamId };
      const [book, plans, watches, crossings] = await Promise.all([
        prisma.alertBook.findUnique({ where }),
        prisma.itemPlan.findMany({ where }),
        prisma.itemWatch.findMany({ where }),
        prisma.alertCrossing.findMany({ where }),
      ]);
      const watchOf = new Map(
        watches.map((row): [string, Watch] => [
          row.skuId,
          {
            openedAtMs: row.openedAt?.getTime() ?? null,
            originalEstimate: row.originalEstimate,
            move: Move.parse(row.lineMove),
            generations: { coverage: row.coverageGeneration, consumption: 0, sold_out: row.soldOutGeneration },
          },
        ]),
      );
      const fired = new Map<string, Set<AlertTier>>();
      for (const { skuId, basis, generation, tier } of crossings) {
        if (generation !== (watchOf.get(skuId)?.generations[basis] ?? 0)) continue;
        const key = firedKey(skuId, basis);
        fired.set(key, (fired.get(key) ?? new Set()).add(tier));
      }
      return {
        plannedEndAtMs: book?.plannedEndAt?.getTime() ?? null,
        plans: new Map(plans.map((row) => [row.skuId, planOf(row)])),
        watches: watchOf,
        fired,
      };
    },
  };
}

function planRecords(prisma: PrismaClient) {
  return {
    async putPlan(change: {
      readonly livestreamId: string;
      readonly skuId: string;
      readonly plan: ItemPlan;
      readonly actor: string;
      readonly atMs: number;
      readonly reasons: readonly Text[];
    }): Promise<void> {
      await prisma.$executeRaw`SELECT stockcast_put_plan(${JSON.stringify(change)}::jsonb)`;
    },

    async putPlannedEnd(livestreamId: string, endAtMs: number | null, actor: string, atMs: number): Promise<void> {
      const end = endAtMs === null ? null : new Date(endAtMs);
      await prisma.$executeRaw`
        SELECT stockcast_put_planned_end(${livestreamId}, ${end}::timestamptz, ${new Date(atMs)}, ${actor})`;
    },

    /** Newest first. */
    async history(livestreamId: string, skuId: string): Promise<readonly PlanChange[]> {
      const rows = await prisma.planChange.findMany({
        where: { livestreamId, skuId },
        orderBy: { seq: 'desc' },
        take: HISTORY_MAX,
      });
      return rows.map(({ at, actor, plan, reasons }) => ({
        atMs: at.getTime(),
        actor,
        plan: ItemPlan.parse(plan),
        reasons: Texts.parse(reasons),
      }));
    },

    async openWatch(livestreamId: string, skuId: string, atMs: number): Promise<void> {
      await prisma.$executeRaw`SELECT stockcast_open_watch(${livestreamId}, ${skuId}, ${new Date(atMs)})`;
    },

    /** True: this call moved it; false: another node was first. */
    async moveLine(change: {
      readonly livestreamId: string;
      readonly skuId: string;
      readonly move: LineMove;
      readonly atMs: number;
      readonly actor: string;
      readonly plan: ItemPlan;
      readonly reasons: readonly Text[];
    }): Promise<boolean> {
      const rows = await prisma.$queryRaw<{ moved: boolean }[]>`
        SELECT stockcast_move_line(${JSON.stringify(change)}::jsonb) AS moved`;
      return rows[0]?.moved === true;
    },
  };
}

function taskList(prisma: PrismaClient) {
  return {
    /** Open ones first, then the newest. */
    async tasks(livestreamId: string): Promise<readonly ReplenishmentTask[]> {
      const rows = await prisma.replenishmentTask.findMany({
        where: { livestreamId },
        orderBy: [{ state: 'desc' }, { createdAt: 'desc' }],
        take: HISTORY_MAX,
      });
      return rows.map(taskOf);
    },

    /** Once: null when there is no such task; `conflict` when it was closed in another way before. */
    async closeTask(
      where: { readonly livestreamId: string; readonly taskId: string },
      state: 'done' | 'dropped',
      note: string,
      atMs: number,
    ): Promise<ReplenishmentTask | 'conflict' | null> {
      const { livestreamId, taskId: id } = where;
      const { count } = await prisma.replenishmentTask.updateMany({
        where: { id, livestreamId, state: 'open' },
        data: { state, doneAt: new Date(atMs), note },
      });
      const task = await prisma.replenishmentTask.findFirst({ where: { id, livestreamId } });
      if (task === null) return null;
      return count === 1 || task.state === state ? taskOf(task) : 'conflict';
    },
  };
}

/** Field by field: what stands in the columns passed the contract on its way in, and passes it again on its way out. */
function planOf({ livestreamId: _livestream, skuId: _sku, updatedAt: _updated, ...plan }: ItemPlanRow): ItemPlan {
  return ItemPlan.parse(plan);
}

function taskOf({ id, skuId, quantity, state, createdAt, doneAt, note }: TaskRow): ReplenishmentTask {
  const known = state === 'done' || state === 'dropped' ? state : 'open';
  return {
    taskId: id,
    skuId,
    quantity,
    state: known,
    createdAtMs: createdAt.getTime(),
    doneAtMs: doneAt?.getTime() ?? null,
    note,
  };
}
