import { describe, expect, test } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { done, managed, openTestShop, refused, type TestShop } from './test-shop.ts';

describeWithDatabases('pools', ({ database }: DatabaseUnderTest) => {
  const open = (): TestShop => openTestShop(database());

  describe('one after the other', () => {
    test('[LS-9] reserved units are never sellable: 600 on hand, 150 reserved, 450 for pools', async () => {
      const shop = open();
      const skuId = await shop.sku('tea', 600, 150);
      const livestreamId = await shop.livestream('show');
      expect(refused(await shop.add(livestreamId, skuId, 451))).toEqual({
        code: 'conflict',
        sentence: '450 units are sellable and 0 are allotted elsewhere: at most 450 can be allotted here.',
      });
      managed(await shop.add(livestreamId, skuId, 450));
      expect(await shop.stock(skuId)).toMatchObject({ sellable: 450, unallotted: 0 });
    });

    test('[LS-9] warehouses add up, livestreams and channels share what they have', async () => {
      const shop = open();
      const skuId = await shop.sku('tea', 100, 10);
      const second = shop.idOf('second');
      await shop.catalogue.putWarehouse({ warehouseId: second, name: { zh: '二仓', en: 'Second' } });
      const stock = { warehouseId: second, skuId, onHand: 60, reserved: 0 };
      expect(done(await shop.catalogue.setWarehouseStock(stock, 'test', 'more')).stock.sellable).toBe(150);
      const [one, two, channelId] = [await shop.livestream('one'), await shop.livestream('two'), await shop.channel()];
      managed(await shop.add(one, skuId, 70));
      done(await shop.catalogue.allotChannel(channelId, skuId, 50, 'test', 'app'));
      expect(refused(await shop.add(two, skuId, 31)).sentence).toContain('at most 30');
      managed(await shop.add(two, skuId, 20));
      expect(refused(await shop.catalogue.allotItem(one, skuId, 81, 'test', 'more')).sentence).toContain('at most 80');
      expect(refused(await shop.catalogue.allotChannel(channelId, skuId, 61, 'test', '')).sentence).toContain(
        'at most 60',
      );
      managed(await shop.catalogue.allotItem(one, skuId, 80, 'test', 'more'));
      expect(await shop.stock(skuId)).toEqual({
        skuId,
        sellable: 150,
        unallotted: 0,
        warehouses: [
          { warehouseId: second, skuId, onHand: 60, reserved: 0 },
          { warehouseId: shop.idOf('warehouse'), skuId, onHand: 100, reserved: 10 },
        ],
        livestreams: [
          { livestreamId: one, allotted: 80, held: 0, sold: 0, available: 80 },
          { livestreamId: two, allotted: 20, held: 0, sold: 0, available: 20 },
        ],
        channels: [{ channelId, allotted: 50, sold: 0, available: 50 }],
      });
    });

    test('[LS-11] a pool is never made smaller than what is held and sold of it', async () => {
      const shop = open();
      const [skuId, livestreamId] = [await shop.sku('tea', 100), await shop.livestream('show', 'live')];
      managed(await shop.add(livestreamId, skuId, 50));
      await shop.orders(livestreamId, skuId, { held: 7, sold: 11 });
      expect(refused(await shop.catalogue.allotItem(livestreamId, skuId, 17, 'test', 'less'))).toEqual({
        code: 'conflict',
        sentence: '7 units are held and 11 are sold: the allotment can be 18 at the least.',
      });
      managed(await shop.catalogue.allotItem(livestreamId, skuId, 18, 'test', 'less'));
      const channelId = await shop.channel();
      done(await shop.catalogue.allotChannel(channelId, skuId, 10, 'test', 'app'));
      done(await shop.catalogue.sellInChannel(channelId, { saleId: 's1', skuId, quantity: 4 }));
      expect(refused(await shop.catalogue.allotChannel(channelId, skuId, 3, 'test', 'less')).sentence).toContain(
        'can be 4 at the least',
      );
      done(await shop.catalogue.allotChannel(channelId, skuId, 4, 'test', 'less'));
    });

    test('[LS-12] stock is never set below what pools have', async () => {
      const shop = open();
      const [skuId, livestreamId] = [await shop.sku('tea', 100, 10), await shop.livestream('show')];
      managed(await shop.add(livestreamId, skuId, 60));
      const warehouseId = shop.idOf('warehouse');
      const set = (onHand: number, reserved: number) =>
        shop.catalogue.setWarehouseStock({ warehouseId, skuId, onHand, reserved }, 'test', 'count');
      expect(refused(await set(69, 10))).toEqual({
        code: 'conflict',
        sentence: 'This would leave 59 sellable units, but 60 are allotted; lower the allotments first.',
      });
      expect(refused(await set(100, 41)).code).toBe('conflict');
      expect(refused(await set(5, 6)).sentence).toBe('6 reserved units are more than the 5 on hand.');
      expect((await shop.stock(skuId)).warehouses).toEqual([{ warehouseId, skuId, onHand: 100, reserved: 10 }]);
      expect(done(await set(70, 10)).stock).toMatchObject({ sellable: 60, unallotted: 0 });
    });

    test('[LS-13] a livestream that sells its own pool out leaves the channel all of its units, and the other way round', async () => {
      const shop = open();
      const [skuId, livestreamId] = [await shop.sku('tea', 1_000), await shop.livestream('show', 'live')];
      const channelId = await shop.channel();
      managed(await shop.add(livestreamId, skuId, 200));
      done(await shop.catalogue.allotChannel(channelId, skuId, 800, 'test', 'app'));
      await shop.orders(livestreamId, skuId, { held: 0, sold: 200 });
      expect(await shop.stock(skuId)).toMatchObject({
        livestreams: [{ available: 0 }],
        channels: [{ available: 800 }],
      });
      const sale = await shop.catalogue.sellInChannel(channelId, { saleId: 's1', skuId, quantity: 800 });
      expect(sale).toEqual({ kind: 'sold', available: 0 });
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 200, held: 0, sold: 200 });
      expect(await shop.catalogue.sellInChannel(channelId, { saleId: 's2', skuId, quantity: 1 })).toEqual({
        kind: 'sold_out',
        available: 0,
      });
    });

    test('[LS-14] a repeated sale has one effect, and a saleId belongs to one sale', async () => {
      const shop = open();
      const [skuId, channelId] = [await shop.sku('tea', 10), await shop.channel()];
      done(await shop.catalogue.allotChannel(channelId, skuId, 5, 'test', 'app'));
      const sale = { saleId: 's1', skuId, quantity: 4 };
      expect(await shop.catalogue.sellInChannel(channelId, sale)).toEqual({ kind: 'sold', available: 1 });
      expect(await shop.catalogue.sellInChannel(channelId, sale)).toEqual({ kind: 'duplicate', available: 1 });
      expect(refused(await shop.catalogue.sellInChannel(channelId, { ...sale, quantity: 1 })).code).toBe('conflict');
      expect(await shop.catalogue.sellInChannel(channelId, { ...sale, saleId: 's2' })).toEqual({
        kind: 'insufficient',
        available: 1,
      });
      // The id of a sale that took nothing is free.
      expect(await shop.catalogue.sellInChannel(channelId, { saleId: 's2', skuId, quantity: 1 })).toEqual({
        kind: 'sold',
        available: 0,
      });
      expect((await shop.entries(skuId)).filter(({ type }) => type === 'CHANNEL_SALE')).toMatchObject([
        { channelId, bucket: 'sold', before: 0, after: 4, refId: 's1', actor: `channel@${channelId}` },
        { channelId, bucket: 'sold', before: 4, after: 5, refId: 's2' },
      ]);
    });
  });

  describe('at the same moment', () => {
    test('[LS-10] two livestreams and a channel that allot one SKU never get more than there is', async () => {
      const shop = open();
      for (const round of [1, 2, 3, 4, 5, 6]) {
        const skuId = await shop.sku(`tea-${round}`, 120, 20);
        const [one, two] = [await shop.livestream(`one-${round}`), await shop.livestream(`two-${round}`)];
        const channelId = await shop.channel();
        managed(await shop.add(one, skuId, 0));
        managed(await shop.add(two, skuId, 0));
        const outcomes = await Promise.all([
          shop.catalogue.allotItem(one, skuId, 70, 'test', 'race'),
          shop.catalogue.allotItem(two, skuId, 70, 'test', 'race'),
          shop.catalogue.allotChannel(channelId, skuId, 70, 'test', 'race'),
        ]);
        expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['done', 'refused', 'refused']);
        expect(await shop.stock(skuId)).toMatchObject({ sellable: 100, unallotted: 30 });
      }
    });

    test('[LS-10] allotments, new items and counts of stock together keep pools within what is sellable', async () => {
      const shop = open();
      const skuId = await shop.sku('tea', 100);
      const warehouseId = shop.idOf('warehouse');
      const livestreams = await Promise.all(['a', 'b', 'c', 'd'].map((name) => shop.livestream(name)));
      const channelId = await shop.channel();
      for (const livestreamId of livestreams.slice(0, 2)) managed(await shop.add(livestreamId, skuId, 0));
      const [a = '', b = '', c = '', d = ''] = livestreams;
      for (const [x, y, z] of [
        [40, 70, 90],
        [90, 5, 60],
        [10, 80, 100],
        [55, 55, 55],
      ] as const) {
        await Promise.all([
          shop.catalogue.allotItem(a, skuId, x, 'test', 'race'),
          shop.catalogue.allotItem(b, skuId, y, 'test', 'race'),
          shop.add(c, skuId, 20),
          shop.add(d, skuId, 30),
          shop.catalogue.allotChannel(channelId, skuId, x, 'test', 'race'),
          shop.catalogue.setWarehouseStock({ warehouseId, skuId, onHand: z, reserved: 0 }, 'test', 'race'),
        ]);
        const stock = await shop.stock(skuId);
        const pools = [...stock.livestreams, ...stock.channels].reduce((sum, { allotted }) => sum + allotted, 0);
        expect(stock.unallotted).toBe(stock.sellable - pools);
        expect(stock.unallotted).toBeGreaterThanOrEqual(0);
      }
    });

    test('[LS-15] forty sales of a channel at once never take more than its pool', async () => {
      const shop = open();
      const [skuId, channelId] = [await shop.sku('tea', 100), await shop.channel()];
      done(await shop.catalogue.allotChannel(channelId, skuId, 25, 'test', 'app'));
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, at) =>
          shop.catalogue.sellInChannel(channelId, { saleId: `s${at}`, skuId, quantity: 1 }),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === 'sold')).toHaveLength(25);
      expect(outcomes.filter(({ kind }) => kind === 'sold_out')).toHaveLength(15);
      expect((await shop.stock(skuId)).channels).toEqual([{ channelId, allotted: 25, sold: 25, available: 0 }]);
      expect(await shop.prisma.channelSale.count({ where: { channelId } })).toBe(25);
    });

    test('[LS-14] one sale that is reported ten times at once takes its units once', async () => {
      const shop = open();
      const [skuId, channelId] = [await shop.sku('tea', 100), await shop.channel()];
      done(await shop.catalogue.allotChannel(channelId, skuId, 10, 'test', 'app'));
      for (const saleId of ['s1', 's2', 's3']) {
        const sale = { saleId, skuId, quantity: 3 };
        const outcomes = await Promise.all(
          Array.from({ length: 10 }, () => shop.catalogue.sellInChannel(channelId, sale)),
        );
        expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual([...Array<string>(9).fill('duplicate'), 'sold']);
      }
      expect((await shop.stock(skuId)).channels).toMatchObject([{ sold: 9 }]);
      expect((await shop.entries(skuId)).filter(({ type }) => type === 'CHANNEL_SALE')).toHaveLength(3);
    });
  });
});
