import { describe, expect, test } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { done, managed, openTestShop, refused, type TestShop } from './test-shop.ts';

describeWithDatabases('items', ({ database }: DatabaseUnderTest) => {
  const open = (): TestShop => openTestShop(database());

  async function show(shop: TestShop, state: 'draft' | 'scheduled' | 'live' = 'live') {
    const [skuId, livestreamId] = [await shop.sku('tea', 100), await shop.livestream('show', state)];
    managed(await shop.add(livestreamId, skuId, 20));
    return { skuId, livestreamId };
  }

  describe('adding', () => {
    test('[LS-6] items that are added at the same moment get indexes of their own, which nothing changes', async () => {
      const shop = open();
      const livestreamId = await shop.livestream('show', 'live');
      const skuIds: string[] = [];
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) skuIds.push(await shop.sku(name, 10));
      const added = await Promise.all(skuIds.map((skuId) => shop.add(livestreamId, skuId, 1)));
      for (const outcome of added) managed(outcome);
      const indexes = async () =>
        new Map((await shop.catalogue.info(livestreamId))?.items.map(({ skuId, index }) => [skuId, index]));
      const before = await indexes();
      expect([...before.values()]).toEqual([0, 1, 2, 3, 4, 5]);
      const [first = ''] = skuIds;
      managed(await shop.catalogue.changeItem(livestreamId, first, { unitPriceMinor: 5 }, 'test'));
      managed(await shop.catalogue.changeSale(livestreamId, first, { action: 'open', opensAtMs: 0 }, 'test'));
      managed(await shop.catalogue.changeSale(livestreamId, first, { action: 'stop', reason: '' }, 'test'));
      managed(await shop.catalogue.allotItem(livestreamId, first, 0, 'test', 'none'));
      managed(await shop.catalogue.end(livestreamId, 'test'));
      expect(await indexes()).toEqual(before);
    });

    test('[LS-6] one SKU is added once, also when two managers add it at the same moment', async () => {
      const shop = open();
      const [skuId, livestreamId] = [await shop.sku('tea', 100), await shop.livestream('show', 'live')];
      const outcomes = await Promise.all([1, 2, 3].map((units) => shop.add(livestreamId, skuId, units)));
      expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['done', 'refused', 'refused']);
      expect(refused(await shop.add(livestreamId, skuId, 1))).toMatchObject({ code: 'conflict' });
      expect((await shop.stock(skuId)).livestreams).toHaveLength(1);
    });

    test('[LS-7] a second currency is refused', async () => {
      const shop = open();
      const { livestreamId } = await show(shop);
      const mug = await shop.sku('mug', 10);
      expect(refused(await shop.add(livestreamId, mug, 1, { currency: 'EUR' }))).toMatchObject({
        code: 'conflict',
        sentence: expect.stringContaining('CNY'),
      });
      managed(await shop.add(livestreamId, mug, 1, { currency: 'CNY' }));
    });

    test('[LS-22] an item that is added after a rebuild has the epoch of its livestream', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      await shop.prisma.livestream.update({ where: { id: livestreamId }, data: { epoch: 7 } });
      await shop.prisma.livestreamItem.updateMany({ where: { livestreamId }, data: { epoch: 7 } });
      const mug = await shop.sku('mug', 10);
      managed(await shop.add(livestreamId, mug, 1));
      expect(await shop.item(livestreamId, mug)).toMatchObject({ epoch: 7 });
      // Managing leaves the epoch alone.
      managed(await shop.catalogue.allotItem(livestreamId, skuId, 30, 'test', 'more'));
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ epoch: 7 });
    });

    test('[LS-8] only an item of the livestream can be pinned', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const mug = await shop.sku('mug', 10);
      expect(refused(await shop.catalogue.pin(livestreamId, mug, 'test')).code).toBe('not_found');
      const pinned = managed(await shop.catalogue.pin(livestreamId, skuId, 'test'));
      expect(pinned.livestream.pinnedSkuId).toBe(skuId);
      // An item goes along, so that the gate has something to publish the new infoRev with.
      expect(pinned.gate).toMatchObject({ infoRev: pinned.livestream.infoRev, items: [{ skuId }] });
      const unpinned = managed(await shop.catalogue.pin(livestreamId, null, 'test'));
      expect(unpinned.livestream).toMatchObject({ pinnedSkuId: null, infoRev: pinned.livestream.infoRev + 1 });
      expect(unpinned.gate?.items).toMatchObject([{ skuId }]);
      const again = managed(await shop.catalogue.pin(livestreamId, null, 'test'));
      expect(again.livestream).toEqual(unpinned.livestream);
    });
  });

  describe('revisions', () => {
    test('[LS-18] each rev rises with what belongs to it, and with nothing else', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const { catalogue } = shop;
      const revs = async () => {
        const [item, info] = [await shop.item(livestreamId, skuId), await catalogue.info(livestreamId)];
        return [item.poolRev, item.termsRev, info?.infoRev ?? 0];
      };
      const limits = { perOrder: 2, perBuyer: null, perDevice: null };
      const changes: readonly [string, () => Promise<unknown>, readonly [number, number, number]][] = [
        ['allotment', () => catalogue.allotItem(livestreamId, skuId, 30, 'test', 'more'), [1, 0, 0]],
        ['same allotment', () => catalogue.allotItem(livestreamId, skuId, 30, 'test', 'more'), [0, 0, 0]],
        ['limits', () => catalogue.changeItem(livestreamId, skuId, { limits }, 'test'), [0, 1, 1]],
        ['same limits', () => catalogue.changeItem(livestreamId, skuId, { limits }, 'test'), [0, 0, 0]],
        [
          'policy',
          () => catalogue.changeItem(livestreamId, skuId, { salePolicy: { kind: 'hold_below', threshold: 5 } }, 'test'),
          [0, 1, 1],
        ],
        [
          'same policy',
          () => catalogue.changeItem(livestreamId, skuId, { salePolicy: { threshold: 5, kind: 'hold_below' } }, 'test'),
          [0, 0, 0],
        ],
        [
          'display',
          () => catalogue.changeItem(livestreamId, skuId, { display: { kind: 'low_only', below: 9 } }, 'test'),
          [0, 0, 1],
        ],
        ['nothing', () => catalogue.changeItem(livestreamId, skuId, {}, 'test'), [0, 0, 0]],
        ['open', () => catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'), [0, 1, 1]],
        [
          'open again',
          () => catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'),
          [0, 0, 0],
        ],
        [
          'another moment',
          () => catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 9 }, 'test'),
          [0, 1, 1],
        ],
        ['stop', () => catalogue.changeSale(livestreamId, skuId, { action: 'stop', reason: '' }, 'test'), [0, 1, 1]],
        ['pin', () => catalogue.pin(livestreamId, skuId, 'test'), [0, 0, 1]],
        ['refused', () => catalogue.allotItem(livestreamId, skuId, 1_000, 'test', 'more'), [0, 0, 0]],
      ];
      for (const [name, change, rise] of changes) {
        const before = await revs();
        await change();
        const after = await revs();
        expect([name, ...after.map((rev, at) => rev - (before[at] ?? 0))]).toEqual([name, ...rise]);
      }
    });

    test('[LS-18] the gate gets absolute pools and terms with their revs; a draft gives it nothing', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop, 'draft');
      const drafted = managed(await shop.catalogue.allotItem(livestreamId, skuId, 25, 'test', 'more'));
      expect(drafted.gate).toBeNull();
      await shop.prisma.livestreamItem.updateMany({ where: { livestreamId }, data: { returned: 3 } });
      const { gate, livestream } = managed(await shop.catalogue.schedule(livestreamId, shop.clock.nowMs, 'test'));
      expect(gate).toEqual({
        infoRev: livestream.infoRev,
        items: [
          {
            skuId,
            pool: { rev: 2, allotted: 25, returned: 3 },
            terms: {
              rev: 1,
              sale: 'not_open',
              opensAtMs: 0,
              salePolicy: { kind: 'deduct_on_order' },
              limits: { perOrder: null, perBuyer: null, perDevice: null },
            },
          },
        ],
      });
    });

    test('[LS-19] a changed price is public at once and nothing of the gate', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const before = await shop.catalogue.info(livestreamId);
      const { livestream, gate } = managed(
        await shop.catalogue.changeItem(livestreamId, skuId, { unitPriceMinor: 99_999_999_999 }, 'test'),
      );
      expect(livestream.items[0]?.unitPriceMinor).toBe(99_999_999_999);
      expect(livestream.infoRev).toBe((before?.infoRev ?? 0) + 1);
      expect(gate).toMatchObject({
        infoRev: livestream.infoRev,
        items: [{ skuId, pool: { rev: 1 }, terms: { rev: 1 } }],
      });
    });

    test('[LS-21] a changed product or spec reaches the livestreams that show it, and no other', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const [other, archived] = [await shop.livestream('other', 'live'), await shop.livestream('past', 'live')];
      managed(await shop.add(archived, skuId, 1));
      managed(await shop.catalogue.end(archived, 'test'));
      await shop.catalogue.archive(archived);
      const revs = () =>
        Promise.all([livestreamId, other, archived].map(async (id) => (await shop.catalogue.info(id))?.infoRev ?? 0));
      const [shown = 0, ...others] = await revs();
      const productId = shop.idOf('product');
      const title = { zh: '乌龙茶', en: 'Oolong' };
      await shop.catalogue.putProduct({ productId, title, imageUrl: '/assets/tea.svg' });
      expect(await revs()).toEqual([shown + 1, ...others]);
      const spec = [{ name: { zh: '颜色', en: 'Colour' }, value: { zh: '黑', en: 'Black' } }];
      done(await shop.catalogue.putSku({ skuId, productId, spec }));
      expect(await revs()).toEqual([shown + 2, ...others]);
      expect((await shop.catalogue.info(livestreamId))?.items[0]).toMatchObject({
        title,
        spec,
        imageUrl: '/assets/tea.svg',
      });
    });
  });

  describe('records', () => {
    test('[LS-20] every movement of units is written down with before, after, reason and actor', async () => {
      const shop = open();
      const skuId = await shop.sku('tea', 100, 10);
      const warehouseId = shop.idOf('warehouse');
      const set = (onHand: number, reserved: number, reason: string) =>
        shop.catalogue.setWarehouseStock({ warehouseId, skuId, onHand, reserved }, 'service', reason);
      done(await set(80, 30, 'counted'));
      done(await set(80, 30, 'counted again'));
      done(await set(90, 0, 'gifts cancelled'));
      const [livestreamId, channelId] = [await shop.livestream('show', 'live'), await shop.channel()];
      managed(await shop.add(livestreamId, skuId, 20));
      managed(await shop.catalogue.allotItem(livestreamId, skuId, 12, 'operator@show', 'less'));
      managed(await shop.catalogue.allotItem(livestreamId, skuId, 12, 'operator@show', 'the same'));
      done(await shop.catalogue.allotChannel(channelId, skuId, 5, 'admin', 'app'));
      const operator = 'operator@show';
      managed(await shop.catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, operator));
      managed(await shop.catalogue.changeSale(livestreamId, skuId, { action: 'stop', reason: 'torn' }, operator));
      managed(await shop.catalogue.changeSale(livestreamId, skuId, { action: 'resume' }, operator));
      const line = ({ type, bucket, before, after, reason, actor }: Awaited<ReturnType<typeof shop.entries>>[number]) =>
        `${type} ${bucket} ${before}→${after} ${reason} (${actor})`;
      expect((await shop.entries(skuId)).map(line)).toEqual([
        'RECEIVE on_hand 0→100 stock (test)',
        'RESERVE reserved 0→10 stock (test)',
        'ADJUST on_hand 100→80 counted (service)',
        'RESERVE reserved 10→30 counted (service)',
        'RECEIVE on_hand 80→90 gifts cancelled (service)',
        'UNRESERVE reserved 30→0 gifts cancelled (service)',
        'ALLOT allotted 0→20 item added (test)',
        'ALLOT allotted 20→12 less (operator@show)',
        'ALLOT allotted 0→5 app (admin)',
        'OPEN on_sale 0→12  (operator@show)',
        'STOP on_sale 12→0 torn (operator@show)',
        'RESUME on_sale 0→12  (operator@show)',
      ]);
    });

    test('[LS-23] what does not exist is refused by name', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const channelId = await shop.channel();
      const { catalogue } = shop;
      const none = shop.idOf('none');
      const stock = { onHand: 1, reserved: 0 };
      const outcomes = {
        not_found: [
          await catalogue.putSku({ skuId: none, productId: none, spec: [] }),
          await catalogue.setWarehouseStock({ ...stock, warehouseId: none, skuId }, 'test', ''),
          await catalogue.setWarehouseStock({ ...stock, warehouseId: shop.idOf('warehouse'), skuId: none }, 'test', ''),
          await catalogue.allotChannel(none, skuId, 1, 'test', ''),
          await catalogue.allotChannel(channelId, none, 1, 'test', ''),
          await catalogue.sellInChannel(none, { saleId: 's1', skuId, quantity: 1 }),
          await catalogue.sellInChannel(channelId, { saleId: 's1', skuId: none, quantity: 1 }),
          await shop.add(livestreamId, none, 1),
          await catalogue.changeItem(livestreamId, none, { unitPriceMinor: 1 }, 'test'),
          await catalogue.changeSale(livestreamId, none, { action: 'resume' }, 'test'),
          await catalogue.allotItem(livestreamId, none, 1, 'test', ''),
          await catalogue.pin(livestreamId, none, 'test'),
        ],
        route_not_found: [
          await catalogue.schedule(none, 1, 'test'),
          await catalogue.start(none, 'test'),
          await catalogue.end(none, 'test'),
          await shop.add(none, skuId, 1),
          await catalogue.changeItem(none, skuId, { unitPriceMinor: 1 }, 'test'),
          await catalogue.changeSale(none, skuId, { action: 'resume' }, 'test'),
          await catalogue.allotItem(none, skuId, 1, 'test', ''),
          await catalogue.pin(none, null, 'test'),
        ],
      };
      for (const [code, list] of Object.entries(outcomes)) {
        for (const outcome of list) {
          expect(refused(outcome)).toEqual({ code, sentence: expect.stringContaining(none) });
        }
      }
      expect(await catalogue.info(none)).toBeNull();
      expect(await catalogue.stockOfSku(none)).toBeNull();
    });
  });
});
