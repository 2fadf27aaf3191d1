import type * as z from 'zod/mini';
import type { AddItem } from '../../contract/livestreams.ts';
import type { OpenDatabase } from '../db/database.ts';
import type { Managed, ManageRefusal, SkuStock } from './livestream-catalogue.ts';
import { createPrismaCatalogue } from './prisma-catalogue.ts';

/** 2026-11-11T12:00Z, and as many milliseconds later as it was asked. */
const startMs = Date.UTC(2_026, 10, 11, 12);

let shops = 0;

/** A shop with ids of its own in a shared database, for tests: its catalogue, and short names for what tests do all the time. */
export type TestShop = ReturnType<typeof openTestShop>;

export function openTestShop({ prisma }: Pick<OpenDatabase, 'prisma'>) {
  shops += 1;
  const prefix = `t${shops}`;
  const clock = { nowMs: startMs, now: () => clock.nowMs };
  const catalogue = createPrismaCatalogue({ prisma, clock });
  const idOf = (name: string) => `${prefix}-${name}`;
  const shop = {
    prisma,
    clock,
    catalogue,
    idOf,
    /** A SKU with so many units in one warehouse; returns its id. */
    async sku(name: string, onHand: number, reserved = 0): Promise<string> {
      const [skuId, productId, warehouseId] = [idOf(name), idOf('product'), idOf('warehouse')];
      await catalogue.putProduct({ productId, title: { zh: '茶', en: 'Tea' }, imageUrl: null });
      done(await catalogue.putSku({ skuId, productId, spec: [] }));
      await catalogue.putWarehouse({ warehouseId, name: { zh: '仓', en: 'Warehouse' } });
      done(await catalogue.setWarehouseStock({ warehouseId, skuId, onHand, reserved }, 'test', 'stock'));
      return skuId;
    },
    async channel(name = 'app'): Promise<string> {
      await catalogue.putChannel({ channelId: idOf(name), name: { zh: '商城', en: 'App' } });
      return idOf(name);
    },
    /** A draft, or taken further. */
    async livestream(name: string, state: 'draft' | 'scheduled' | 'live' | 'ended' = 'draft'): Promise<string> {
      const livestreamId = idOf(name);
      const title = { zh: '直播', en: 'Show' };
      managed(await catalogue.create({ livestreamId, title, holdTtlMs: 600_000, anonymousViewers: true }, 'test'));
      if (state === 'scheduled') managed(await catalogue.schedule(livestreamId, startMs, 'test'));
      if (state === 'live') managed(await catalogue.start(livestreamId, 'test'));
      if (state === 'ended') managed(await catalogue.end(livestreamId, 'test'));
      return livestreamId;
    },
    add: (livestreamId: string, skuId: string, allotted: number, more: Partial<z.infer<typeof AddItem>> = {}) =>
      catalogue.addItem(livestreamId, { ...plainItem, skuId, allotted, ...more }, 'test'),
    /** As orders leave an item: so many held, so many sold. */
    async orders(livestreamId: string, skuId: string, counts: { held: number; sold: number }): Promise<void> {
      await prisma.livestreamItem.update({ where: { livestreamId_skuId: { livestreamId, skuId } }, data: counts });
    },
    item: (livestreamId: string, skuId: string) =>
      prisma.livestreamItem.findUniqueOrThrow({ where: { livestreamId_skuId: { livestreamId, skuId } } }),
    async stock(skuId: string): Promise<SkuStock> {
      const stock = await catalogue.stockOfSku(skuId);
      if (stock === null) throw new Error(`there is no ${skuId}`);
      return stock;
    },
    entries: (skuId: string) =>
      prisma.stockEntry.findMany({
        where: { skuId },
        orderBy: { seq: 'asc' },
        omit: { seq: true, createdAt: true, refType: true },
      }),
  };
  return shop;
}

const plainItem = {
  unitPriceMinor: 1_000,
  currency: 'CNY',
  limits: { perOrder: null, perBuyer: null, perDevice: null },
  salePolicy: { kind: 'deduct_on_order' },
  display: { kind: 'exact' },
} as const;

/** The outcome without its refusal; a test that gets one fails with its sentence. */
export function done<Outcome extends { readonly kind: string }>(
  outcome: Outcome | ManageRefusal,
): Exclude<Outcome, ManageRefusal> {
  if (outcome.kind === 'refused') throw new Error(`refused: ${(outcome as ManageRefusal).message.en}`);
  return outcome as Exclude<Outcome, ManageRefusal>;
}

export const managed = (outcome: Managed | ManageRefusal): Managed => done<Managed>(outcome);

/** The refusal's code and English sentence; a test that gets none fails. */
export function refused(outcome: { readonly kind: string } | ManageRefusal): { code: string; sentence: string } {
  if (outcome.kind !== 'refused') throw new Error(`not refused but ${outcome.kind}`);
  const { code, message } = outcome as ManageRefusal;
  return { code, sentence: message.en };
}
