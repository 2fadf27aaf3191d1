import { expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { commitOrder, countsOf, makeLivestream, newOrder } from '../../tests/services/ledger-fixture.ts';
import type { OrderLedger } from './order-ledger.ts';
import { createPrismaLedger } from './prisma-ledger.ts';

describeWithDatabases('append and resolve', ({ database }) => {
  const prisma = () => database().prisma;
  const ledger = (): OrderLedger => createPrismaLedger({ prisma: prisma() });
  const kinds = async (...groups: Parameters<OrderLedger['append']>) =>
    (await ledger().append(...groups)).map(({ kind }) => kind);

  test('[OL-1] the constraint refuses counts that no statement may write', async () => {
    const id = await makeLivestream(prisma(), { tea: 5 });
    const set = (data: object) => prisma().livestreamItem.updateMany({ where: { livestreamId: id }, data });
    for (const wrong of [{ held: 6 }, { held: 3, sold: 3 }, { held: -1 }, { sold: -1 }, { returned: -1 }]) {
      await expect(set(wrong)).rejects.toThrow(/livestream_items_counts_check|23514/);
    }
    await set({ held: 2, sold: 3 });
    await expect(set({ allotted: 4 })).rejects.toThrow(/livestream_items_counts_check|23514/);
  });

  test('[OL-2] the constraints refuse impossible numbers of warehouses, channels and lines', async () => {
    const id = await makeLivestream(prisma(), { tea: 5 });
    await prisma().warehouse.create({ data: { id: `w-${id}`, nameZh: '仓', nameEn: 'W' } });
    await prisma().channel.create({ data: { id: `c-${id}`, nameZh: '店', nameEn: 'C' } });
    const refused = [
      prisma().warehouseStock.create({ data: { warehouseId: `w-${id}`, skuId: 'tea', onHand: 1, reserved: 2 } }),
      prisma().warehouseStock.create({ data: { warehouseId: `w-${id}`, skuId: 'tea', onHand: 1, reserved: -1 } }),
      prisma().channelPool.create({ data: { channelId: `c-${id}`, skuId: 'tea', allotted: 1, sold: 2 } }),
      prisma().channelSale.create({ data: { channelId: `c-${id}`, saleId: 's', skuId: 'tea', quantity: 0 } }),
      prisma().orderLine.create({ data: { orderId: 'o', skuId: 'tea', quantity: 0, unitPriceMinor: 1 } }),
    ];
    const outcomes = await Promise.allSettled(refused);
    expect(outcomes.map(({ status }) => status)).toEqual(refused.map(() => 'rejected'));
  });

  test('[OL-9] an oversized order fails alone, whatever stands before and behind it in its group', async () => {
    const id = await makeLivestream(prisma(), { tea: 10 });
    const group = [4, 7, 5, 2, 1].map((units) => newOrder(id, { tea: units }));
    expect(await ledger().append(group)).toMatchObject([
      { kind: 'committed', order: { state: 'held' } },
      { kind: 'does_not_fit', skuId: 'tea', anyLeft: false },
      { kind: 'committed' },
      { kind: 'does_not_fit', skuId: 'tea', anyLeft: false },
      { kind: 'committed' },
    ]);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [10, 10, 0, 0] });
    const more = await makeLivestream(prisma(), { tea: 3 });
    expect(await ledger().append([newOrder(more, { tea: 4 })])).toEqual([
      { kind: 'does_not_fit', skuId: 'tea', anyLeft: true },
    ]);
  });

  test('[OL-9] a group of 500 orders of several livestreams is answered order by order', async () => {
    const [one, two] = [
      await makeLivestream(prisma(), { tea: 100 }),
      await makeLivestream(prisma(), { tea: 200, mug: 9 }),
    ];
    const group = Array.from({ length: 500 }, (_, index) => newOrder(index % 2 === 0 ? one : two, { tea: 1 }));
    const outcomes = await ledger().append(group);
    const committed = outcomes.flatMap((outcome, index) => (outcome.kind === 'committed' ? [index] : []));
    expect(committed).toEqual([
      ...Array.from({ length: 200 }, (_, index) => index),
      ...Array.from({ length: 100 }, (_, index) => 201 + 2 * index),
    ]);
    expect(
      outcomes.every((outcome, index) => outcome.kind !== 'committed' || outcome.order.orderId === group[index]?.rid),
    ).toBe(true);
    expect(await countsOf(ledger(), prisma(), one)).toEqual({ tea: [100, 100, 0, 0] });
    expect(await countsOf(ledger(), prisma(), two)).toEqual({ tea: [200, 200, 0, 0], mug: [9, 0, 0, 0] });
  });

  test('[OL-10] a committed order is what the ledger tells of it ever after, with the price of that moment', async () => {
    const id = await makeLivestream(prisma(), { tea: 9, mug: 9 });
    const order = await commitOrder(
      ledger(),
      newOrder(id, { tea: 2, mug: 3 }, { deviceId: 'phone "1\\', holdTtlMs: 1_500 }),
    );
    await prisma().livestreamItem.updateMany({ where: { livestreamId: id }, data: { unitPriceMinor: 900 } });
    expect(await ledger().find(order.orderId)).toEqual(order);
    expect(order).toMatchObject({ totalMinor: 2_500, currency: 'CNY', deviceId: 'phone "1\\' });
    expect(order.lines).toEqual([
      { skuId: 'mug', quantity: 3, unitPriceMinor: 500 },
      { skuId: 'tea', quantity: 2, unitPriceMinor: 500 },
    ]);
    expect(order.expiresAtMs - order.createdAtMs).toBe(1_500);
    const entries = await prisma().stockEntry.findMany({ where: { refId: order.orderId }, orderBy: { skuId: 'asc' } });
    expect(entries.map(({ skuId, type, bucket, before, after }) => [skuId, type, bucket, before, after])).toEqual([
      ['mug', 'HOLD', 'held', 0, 3],
      ['tea', 'HOLD', 'held', 0, 2],
    ]);
  });

  test('[CO-17] orders are found by their id or its beginning, whatever characters are in it', async () => {
    const id = await makeLivestream(prisma(), { tea: 20 });
    const rids = ['a.b_1', 'a.b_12', 'axb_13', 'a.b-14', 'a.c'].map((name) => `${id}.${name}`);
    for (const rid of rids) await commitOrder(ledger(), newOrder(id, { tea: 1 }, { rid, key: `buyer/${rid}` }));
    const found = async (orderId: string) =>
      (await ledger().orders({ livestreamId: id, orderId: `${id}.${orderId}`, limit: 10 }))
        .map((order) => order.orderId.slice(id.length + 1))
        .sort();
    expect(await found('a.b_1')).toEqual(['a.b_1', 'a.b_12']);
    expect(await found('a.b')).toEqual(['a.b-14', 'a.b_1', 'a.b_12']);
    expect(await found('a.b_12')).toEqual(['a.b_12']);
    expect(await found('b')).toEqual([]);
    const other = await makeLivestream(prisma(), { tea: 1 });
    expect(await ledger().orders({ livestreamId: other, orderId: `${id}.a`, limit: 10 })).toEqual([]);
  });

  test('[OL-11] an order of several items takes all of its units or none', async () => {
    const id = await makeLivestream(prisma(), { tea: 5, mug: 1 });
    expect(
      await ledger().append([
        newOrder(id, { tea: 2, mug: 1 }),
        newOrder(id, { tea: 2, mug: 1 }),
        newOrder(id, { tea: 3 }),
        newOrder(id, { mug: 1 }),
      ]),
    ).toMatchObject([
      { kind: 'committed' },
      { kind: 'does_not_fit', skuId: 'mug', anyLeft: false },
      { kind: 'committed' },
      { kind: 'does_not_fit', skuId: 'mug' },
    ]);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [5, 5, 0, 0], mug: [1, 1, 0, 0] });
  });

  test('[OL-12] repeated rids and keys inside one group have one effect, and leave their units to others', async () => {
    const id = await makeLivestream(prisma(), { tea: 3 });
    const first = newOrder(id, { tea: 1 });
    const sameKey = newOrder(id, { tea: 2 }, { key: first.key });
    const outcomes = await ledger().append([first, first, sameKey, newOrder(id, { tea: 2 })]);
    expect(outcomes).toMatchObject([
      { kind: 'committed' },
      { kind: 'exists', state: 'held', order: { orderId: first.rid } },
      { kind: 'key_conflict', order: { orderId: first.rid } },
      { kind: 'committed' },
    ]);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [3, 3, 0, 0] });
  });

  test('[OL-12] repeated rids and keys of earlier groups have no effect, also when nothing is left or the epoch has moved', async () => {
    const id = await makeLivestream(prisma(), { tea: 3 });
    const first = newOrder(id, { tea: 3 });
    await commitOrder(ledger(), first);
    const sameKey = newOrder(id, { tea: 1 }, { key: first.key });
    const expected = [
      { kind: 'exists', state: 'held', order: { orderId: first.rid } },
      { kind: 'key_conflict', order: { orderId: first.rid } },
    ];
    expect(await ledger().append([first, sameKey])).toMatchObject(expected);
    await ledger().fenceAndRead(id, 1_000);
    expect(await ledger().append([first, sameKey])).toMatchObject(expected);
    await ledger().cancel(first.rid, 'buyer');
    expect(await ledger().append([first])).toMatchObject([{ kind: 'exists', state: 'cancelled' }]);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [3, 0, 0, 0] });
  });

  test('[OL-12] the same key in two livestreams is two keys', async () => {
    const [one, two] = [await makeLivestream(prisma(), { tea: 1 }), await makeLivestream(prisma(), { tea: 1 })];
    const order = newOrder(one, { tea: 1 });
    expect(await kinds([order, newOrder(two, { tea: 1 }, { key: order.key })])).toEqual(['committed', 'committed']);
  });

  test('[OL-13] orders of another epoch and of unknown items are fenced and change nothing', async () => {
    const id = await makeLivestream(prisma(), { tea: 5 });
    const snapshot = await ledger().fenceAndRead(id, 1_000);
    expect(snapshot?.epoch).toBe(1);
    const group = [
      newOrder(id, { tea: 1 }),
      newOrder(id, { tea: 1 }, { epoch: 1 }),
      newOrder(id, { tea: 1 }, { epoch: 2 }),
      newOrder(id, { tea: 1 }, { takes: 'pay' }),
      newOrder(id, { ghost: 1 }, { epoch: 1 }),
    ];
    expect(await kinds(group)).toEqual(['fenced', 'committed', 'fenced', 'fenced', 'fenced']);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [5, 1, 0, 0] });
  });

  test('[OL-4] an item added after a fence takes orders at once', async () => {
    const id = await makeLivestream(prisma(), { tea: 5 });
    await ledger().fenceAndRead(id, 1_000);
    await ledger().fenceAndRead(id, 1_000);
    await prisma().sku.upsert({ where: { id: 'mug' }, create: { id: 'mug', productId: 'product' }, update: {} });
    const settings = { salePolicy: { kind: 'deduct_on_order' }, display: { kind: 'exact' } };
    await prisma().livestreamItem.create({
      data: {
        livestreamId: id,
        skuId: 'mug',
        index: 1,
        allotted: 1,
        unitPriceMinor: 100,
        currency: 'CNY',
        ...settings,
      },
    });
    expect(await kinds([newOrder(id, { mug: 1, tea: 1 }, { epoch: 2 })])).toEqual(['committed']);
    const bare = await makeLivestream(prisma(), {});
    expect(await ledger().fenceAndRead(bare, 1_000)).toMatchObject({ epoch: 1, items: [], holds: [], keys: [] });
    expect(await ledger().revisions(bare)).toEqual({ epoch: 1, infoRev: 1, items: [] });
  });

  test('[OL-15] an order that takes its units on payment is placed and touches no counter', async () => {
    const id = await makeLivestream(prisma(), { tea: 1 });
    const outcomes = await ledger().append([newOrder(id, { tea: 5 }, { takes: 'pay' }), newOrder(id, { tea: 1 })]);
    expect(outcomes).toMatchObject([
      { kind: 'committed', order: { state: 'placed', takes: 'pay' } },
      { kind: 'committed' },
    ]);
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [1, 1, 0, 0] });
  });

  test('[OL-16] after a void row, the append of that rid changes nothing, and its key is free', async () => {
    const id = await makeLivestream(prisma(), { tea: 1 });
    const slow = newOrder(id, { tea: 1 });
    expect(await ledger().resolve(id, [slow.rid, slow.rid])).toEqual([
      { rid: slow.rid, state: 'void', expiresAtMs: null },
    ]);
    const again = newOrder(id, { tea: 1 }, { key: slow.key });
    expect(await ledger().append([slow, again])).toMatchObject([
      { kind: 'exists', state: 'void', order: null },
      { kind: 'committed' },
    ]);
    expect(await ledger().resolve(id, [again.rid, slow.rid])).toEqual(
      expect.arrayContaining([
        { rid: slow.rid, state: 'void', expiresAtMs: null },
        { rid: again.rid, state: 'held', expiresAtMs: expect.any(Number) },
      ]),
    );
    expect(await ledger().find(slow.rid)).toBeNull();
    expect(await countsOf(ledger(), prisma(), id)).toEqual({ tea: [1, 1, 0, 0] });
  });
});
