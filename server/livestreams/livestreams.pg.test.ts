import { describe, expect, test } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { type LivestreamAction, livestreamTransitions, saleTransitions } from './livestream-state.ts';
import { managed, openTestShop, refused, type TestShop } from './test-shop.ts';

const livestreamStates = ['draft', 'scheduled', 'live', 'ended'] as const;
const saleActions = ['open', 'stop', 'resume'] as const;

describeWithDatabases('livestreams', ({ database }: DatabaseUnderTest) => {
  const open = (): TestShop => openTestShop(database());

  /** One livestream with one item of twenty units. */
  async function show(shop: TestShop, state: 'draft' | 'scheduled' | 'live' = 'live') {
    const [skuId, livestreamId] = [await shop.sku('tea', 100), await shop.livestream('show', state)];
    managed(await shop.add(livestreamId, skuId, 20));
    return { skuId, livestreamId };
  }

  describe('states', () => {
    test('[LS-1] the transitions are the ones of a livestream: nothing leads back, the end is the end', () => {
      expect(livestreamTransitions).toEqual({
        draft: { schedule: 'scheduled', start: 'live', end: 'ended' },
        scheduled: { schedule: 'scheduled', start: 'live', end: 'ended' },
        live: { schedule: null, start: 'live', end: 'ended' },
        ended: { schedule: null, start: null, end: 'ended' },
      });
    });

    for (const from of livestreamStates) {
      for (const action of ['schedule', 'start', 'end'] as const) {
        const to = livestreamTransitions[from][action];
        test(`[LS-1] ${action} from ${from}: ${to ?? 'refused'}`, async () => {
          const shop = open();
          const livestreamId = await shop.livestream('show', from);
          const before = await shop.catalogue.info(livestreamId);
          shop.clock.nowMs += 60_000;
          const steps: Record<LivestreamAction, () => ReturnType<typeof shop.catalogue.start>> = {
            schedule: () => shop.catalogue.schedule(livestreamId, shop.clock.nowMs + 1_000, 'test'),
            start: () => shop.catalogue.start(livestreamId, 'test'),
            end: () => shop.catalogue.end(livestreamId, 'test'),
          };
          const outcome = await steps[action]();
          if (to === null) {
            expect(refused(outcome)).toEqual({
              code: 'conflict',
              sentence: `The livestream is ${from}: it cannot ${action}.`,
            });
            expect(await shop.catalogue.info(livestreamId)).toEqual(before);
            return;
          }
          const { livestream, gate } = managed(outcome);
          expect(livestream.state).toBe(to);
          expect(gate).not.toBeNull();
          if (to === from && action !== 'schedule') expect(livestream).toEqual(before);
          else expect(livestream.infoRev).toBe((before?.infoRev ?? 0) + 1);
          if (action === 'schedule') expect(livestream.scheduledAtMs).toBe(shop.clock.nowMs + 1_000);
          if (to !== from && action === 'start') expect(livestream.startedAtMs).toBe(shop.clock.nowMs);
          if (to !== from && action === 'end') expect(livestream.endedAtMs).toBe(shop.clock.nowMs);
        });
      }
    }

    test('[LS-1] a livestream is created as a draft, once', async () => {
      const shop = open();
      const livestreamId = await shop.livestream('show');
      expect(await shop.catalogue.info(livestreamId)).toMatchObject({ state: 'draft', infoRev: 1, items: [] });
      const again = { livestreamId, title: { zh: '二', en: 'Two' }, holdTtlMs: 1_000, anonymousViewers: false };
      expect(refused(await shop.catalogue.create(again, 'test')).code).toBe('conflict');
      expect(await shop.catalogue.allowsAnonymous(livestreamId)).toBe(true);
      expect(await shop.catalogue.allowsAnonymous(shop.idOf('none'))).toBeNull();
    });

    test('[LS-1] drafts and archived livestreams are not active; lists show the states asked for', async () => {
      const shop = open();
      const ids = {
        draft: await shop.livestream('draft'),
        scheduled: await shop.livestream('scheduled', 'scheduled'),
        live: await shop.livestream('live', 'live'),
        ended: await shop.livestream('ended', 'ended'),
        archived: await shop.livestream('archived', 'ended'),
      };
      await shop.catalogue.archive(ids.archived);
      const own = new Set<string>(Object.values(ids));
      const active = (await shop.catalogue.active()).filter(({ livestreamId }) => own.has(livestreamId));
      expect(active).toEqual([
        { livestreamId: ids.ended, state: 'ended' },
        { livestreamId: ids.live, state: 'live' },
        { livestreamId: ids.scheduled, state: 'scheduled' },
      ]);
      const listed = (await shop.catalogue.list(['scheduled', 'live'])).map(({ livestreamId }) => livestreamId);
      expect(listed.filter((id) => own.has(id))).toEqual([ids.live, ids.scheduled]);
    });

    test('[LS-4] the end closes every sale, takes the pin away, keeps what is held, and may be repeated', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const other = await shop.sku('mug', 10);
      managed(await shop.add(livestreamId, other, 5));
      managed(await shop.catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'));
      managed(await shop.catalogue.pin(livestreamId, skuId, 'test'));
      await shop.orders(livestreamId, skuId, { held: 3, sold: 4 });
      const { livestream, gate } = managed(await shop.catalogue.end(livestreamId, 'operator@show'));
      expect(livestream).toMatchObject({ state: 'ended', pinnedSkuId: null });
      expect(livestream.items.map(({ sale }) => sale)).toEqual(['ended', 'ended']);
      expect(gate?.items.map(({ terms }) => terms)).toMatchObject([
        { rev: 3, sale: 'ended' },
        { rev: 2, sale: 'ended' },
      ]);
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 20, held: 3, sold: 4 });
      expect((await shop.entries(skuId)).at(-1)).toMatchObject({
        type: 'END',
        bucket: 'on_sale',
        before: 13,
        after: 0,
      });
      // Repeated after a lost answer: the same again, and the gate gets what it may have missed.
      expect(managed(await shop.catalogue.end(livestreamId, 'operator@show'))).toEqual({
        kind: 'done',
        livestream,
        gate,
      });
    });

    test('[LS-5] the items of an ended livestream stay as they are', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const other = await shop.sku('mug', 10);
      managed(await shop.catalogue.end(livestreamId, 'test'));
      const before = await shop.catalogue.info(livestreamId);
      const { catalogue } = shop;
      const outcomes = [
        await shop.add(livestreamId, other, 1),
        await catalogue.changeItem(livestreamId, skuId, { unitPriceMinor: 1 }, 'test'),
        await catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'),
        await catalogue.allotItem(livestreamId, skuId, 30, 'test', 'more'),
        await catalogue.pin(livestreamId, skuId, 'test'),
      ];
      expect(outcomes.map((outcome) => refused(outcome).code)).toEqual(Array(5).fill('conflict'));
      expect(await catalogue.info(livestreamId)).toEqual(before);
    });
  });

  describe('sales', () => {
    test('[LS-2] the transitions of a sale: only the end of the livestream ends it, and nothing opens it again', () => {
      expect(saleTransitions).toEqual({
        not_open: { open: 'open', stop: null, resume: null },
        open: { open: 'open', stop: 'stopped', resume: 'open' },
        stopped: { open: 'open', stop: 'stopped', resume: 'open' },
        ended: { open: null, stop: null, resume: null },
      });
    });

    for (const from of ['not_open', 'open', 'stopped'] as const) {
      for (const action of saleActions) {
        const to = saleTransitions[from][action];
        test(`[LS-2] ${action} a sale that is ${from}: ${to ?? 'refused'}`, async () => {
          const shop = open();
          const { skuId, livestreamId } = await show(shop, 'scheduled');
          const act = (what: (typeof saleActions)[number]) =>
            shop.catalogue.changeSale(livestreamId, skuId, changes[what], 'test');
          if (from !== 'not_open') managed(await act('open'));
          if (from === 'stopped') managed(await act('stop'));
          const before = await shop.item(livestreamId, skuId);
          const outcome = await act(action);
          const after = await shop.item(livestreamId, skuId);
          if (to === null) {
            expect(refused(outcome)).toEqual({
              code: 'conflict',
              sentence: `The sale of this item is ${from}: it cannot ${action}.`,
            });
            expect(after).toEqual(before);
          } else {
            expect(after.sale).toBe(to);
            expect(managed(outcome).gate?.items).toMatchObject([{ skuId, terms: { sale: to, rev: after.termsRev } }]);
            expect(after.termsRev - before.termsRev).toBe(to === from ? 0 : 1);
          }
        });
      }
    }

    test('[LS-2] a draft opens nothing', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop, 'draft');
      const outcome = await shop.catalogue.changeSale(livestreamId, skuId, changes.open, 'test');
      expect(refused(outcome)).toMatchObject({ code: 'conflict', sentence: expect.stringContaining('draft') });
      managed(await shop.catalogue.schedule(livestreamId, shop.clock.nowMs, 'test'));
      managed(await shop.catalogue.changeSale(livestreamId, skuId, changes.open, 'test'));
    });

    test('[LS-3] a sale opens at its moment, which stopping and resuming keep', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const opensAtMs = shop.clock.nowMs + 90_000;
      const act = async (change: Parameters<typeof shop.catalogue.changeSale>[2]) =>
        managed(await shop.catalogue.changeSale(livestreamId, skuId, change, 'test')).livestream.items[0];
      expect(await act({ action: 'open', opensAtMs })).toMatchObject({ sale: 'open', opensAtMs });
      expect(await act({ action: 'stop', reason: 'torn' })).toMatchObject({ sale: 'stopped', opensAtMs });
      expect(await act({ action: 'resume' })).toMatchObject({ sale: 'open', opensAtMs });
      expect(await act({ action: 'open', opensAtMs: opensAtMs + 1 })).toMatchObject({ opensAtMs: opensAtMs + 1 });
      expect(await act({ action: 'open', opensAtMs: 0 })).toMatchObject({ sale: 'open', opensAtMs: 0 });
    });
  });

  describe('archive', () => {
    test('[LS-16] unsold units are free again, sold ones stay, and it happens once', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      await shop.orders(livestreamId, skuId, { held: 0, sold: 6 });
      await shop.catalogue.archive(livestreamId);
      expect(await shop.stock(skuId)).toMatchObject({ unallotted: 80 });
      managed(await shop.catalogue.end(livestreamId, 'test'));
      for (const _time of [1, 2]) {
        await shop.catalogue.archive(livestreamId);
        expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 6, sold: 6, poolRev: 2 });
      }
      expect(await shop.stock(skuId)).toMatchObject({ unallotted: 94 });
      expect((await shop.entries(skuId)).filter(({ type }) => type === 'ALLOT')).toMatchObject([
        { before: 0, after: 20 },
        { before: 20, after: 6, reason: 'livestream archived' },
      ]);
    });

    test('[LS-16] nothing is archived while an order may still be paid', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      const order = { id: shop.idOf('order'), livestreamId, expiresAt: new Date(shop.clock.nowMs) };
      await shop.prisma.order.create({ data: { ...order, state: 'placed', takes: 'pay' } });
      managed(await shop.catalogue.end(livestreamId, 'test'));
      await shop.catalogue.archive(livestreamId);
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 20 });
      await shop.prisma.order.update({ where: { id: order.id }, data: { state: 'expired' } });
      await shop.catalogue.archive(livestreamId);
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 0 });
    });

    test('[LS-17] units refunded after the archive can be allotted again', async () => {
      const shop = open();
      const { skuId, livestreamId } = await show(shop);
      await shop.orders(livestreamId, skuId, { held: 0, sold: 20 });
      managed(await shop.catalogue.end(livestreamId, 'test'));
      await shop.catalogue.archive(livestreamId);
      const next = await shop.livestream('next');
      expect(refused(await shop.add(next, skuId, 81)).sentence).toContain('at most 80');
      await shop.orders(livestreamId, skuId, { held: 0, sold: 15 });
      expect(await shop.stock(skuId)).toMatchObject({ unallotted: 85 });
      managed(await shop.add(next, skuId, 85));
      // Taken back, so that a late payment of the old livestream cannot sell them a second time.
      expect(await shop.item(livestreamId, skuId)).toMatchObject({ allotted: 15 });
      expect(await shop.stock(skuId)).toMatchObject({ unallotted: 0 });
    });
  });
});

const changes = {
  open: { action: 'open', opensAtMs: 0 },
  stop: { action: 'stop', reason: 'torn seam' },
  resume: { action: 'resume' },
} as const;
