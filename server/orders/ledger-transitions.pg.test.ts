import { expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { commitOrder, countsOf, makeDue, makeLivestream, newOrder } from '../../tests/services/ledger-fixture.ts';
import { createPrismaLedger } from './prisma-ledger.ts';
import { makeRid } from './rid.ts';

describeWithDatabases('transitions', ({ database }) => {
  const prisma = () => database().prisma;
  const ledger = () => createPrismaLedger({ prisma: prisma() });
  let payments = 0;
  const payment = (orderId: string, amountMinor = 1_000) => ({
    paymentId: `payment-${process.pid}-${(payments += 1)}`,
    orderId,
    amountMinor,
    currency: 'CNY',
  });
  const counts = (id: string) => countsOf(ledger(), prisma(), id);
  const held = async (units = 2, allotted = 10) => {
    const id = await makeLivestream(prisma(), { tea: allotted });
    return { id, order: await commitOrder(ledger(), newOrder(id, { tea: units })) };
  };
  const placed = async (units = 2, allotted = 10) => {
    const id = await makeLivestream(prisma(), { tea: allotted });
    return { id, order: await commitOrder(ledger(), newOrder(id, { tea: units }, { takes: 'pay' })) };
  };
  const expired = async (units = 2, allotted = 10) => {
    const { id, order } = await held(units, allotted);
    await makeDue(prisma(), [order.orderId]);
    expect((await ledger().expireDue(10)).map(({ rid }) => rid)).toEqual([order.orderId]);
    return { id, order };
  };
  const attempt = () => ({ rid: makeRid(Date.now()), epoch: 0 });

  test('[OL-18] a payment moves the units of a held order once, however often it is repeated, also at the same time', async () => {
    const { id, order } = await held();
    const request = payment(order.orderId);
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => ledger().pay(request)));
    expect(outcomes).toMatchObject(outcomes.map(() => ({ kind: 'final', outcome: 'paid', order: { state: 'paid' } })));
    const moved = outcomes.flatMap((outcome) =>
      outcome.kind === 'final' && outcome.transition ? [outcome.transition] : [],
    );
    expect(moved).toMatchObject([{ rid: order.orderId, livestreamId: id, order: { state: 'paid' } }]);
    expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
    expect(await ledger().pay(payment('nobody'))).toEqual({ kind: 'not_found' });
    const [seen] = await ledger().orders({ livestreamId: id, limit: 10 });
    expect(seen?.payments).toMatchObject([{ paymentId: request.paymentId, amountMinor: 1_000, state: 'accepted' }]);
  });

  test('[OL-19] a second payment, one of another amount and one of a cancelled order have to go back', async () => {
    const { id, order } = await held();
    const reasonOf = async (paymentId: string) =>
      (await prisma().payment.findUnique({ where: { id: paymentId } }))?.reason;
    const wrong = payment(order.orderId, 999);
    expect(await ledger().pay(wrong)).toMatchObject({
      outcome: 'refund_due',
      order: { state: 'held' },
      transition: null,
    });
    const foreign = { ...payment(order.orderId), currency: 'USD' };
    expect(await ledger().pay(foreign)).toMatchObject({ outcome: 'refund_due', order: { state: 'held' } });
    expect(await ledger().pay(payment(order.orderId))).toMatchObject({ outcome: 'paid' });
    const second = payment(order.orderId);
    expect(await ledger().pay(second)).toMatchObject({
      outcome: 'refund_due',
      order: { state: 'paid' },
      transition: null,
    });
    expect(await ledger().pay(second)).toMatchObject({ outcome: 'refund_due' });
    const other = await commitOrder(ledger(), newOrder(id, { tea: 2 }));
    await ledger().cancel(other.orderId, 'buyer');
    const late = payment(other.orderId);
    const answer = await ledger().pay(late);
    expect(answer).toMatchObject({
      outcome: 'refund_due',
      order: { state: 'refund_due' },
      transition: { rid: other.orderId },
    });
    expect([await reasonOf(wrong.paymentId), await reasonOf(second.paymentId), await reasonOf(late.paymentId)]).toEqual(
      ['wrong_amount', 'second_payment', 'cancelled'],
    );
    expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
  });

  test.each(['placed', 'expired'] as const)(
    '[OL-20] a late payment of an order that is %s is settled under the new attempt',
    async (state) => {
      const { id, order } = await (state === 'placed' ? placed() : expired());
      const request = payment(order.orderId);
      expect(await ledger().pay(request)).toMatchObject({ kind: 'needs_units', order: { state } });
      const anew = attempt();
      const outcome = await ledger().payReacquired({ ...request, ...anew });
      expect(outcome).toMatchObject({
        kind: 'final',
        outcome: 'paid',
        order: { state: 'paid' },
        transition: { rid: anew.rid },
      });
      expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
      // Repeated with an attempt of its own: the answer is final, and that attempt has nothing to settle.
      expect(await ledger().payReacquired({ ...request, ...attempt() })).toMatchObject({
        outcome: 'paid',
        transition: null,
      });
      expect(await ledger().resolve(id, [anew.rid])).toMatchObject([{ state: 'paid' }]);
      expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
    },
  );

  test('[OL-20] an attempt that was voided or is of another epoch has to reserve again', async () => {
    const { id, order } = await expired();
    const request = payment(order.orderId);
    const late = attempt();
    await ledger().resolve(id, [late.rid]);
    expect(await ledger().payReacquired({ ...request, ...late })).toEqual({ kind: 'fenced' });
    await ledger().fenceAndRead(id, 1_000);
    expect(await ledger().payReacquired({ ...request, ...attempt() })).toEqual({ kind: 'fenced' });
    expect(await counts(id)).toEqual({ tea: [10, 0, 0, 0] });
    expect(await ledger().payReacquired({ ...request, ...attempt(), epoch: 1 })).toMatchObject({ outcome: 'paid' });
    expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
  });

  test('[OL-20] without units the order and its payment are refund_due, and stay it', async () => {
    const { id, order } = await expired(2, 3);
    await commitOrder(ledger(), newOrder(id, { tea: 2 }));
    const request = payment(order.orderId);
    const before = await ledger().countRefundDue();
    const refused = { kind: 'final', outcome: 'refund_due', order: { state: 'refund_due' } };
    expect(await ledger().payReacquired({ ...request, ...attempt() })).toMatchObject(refused);
    expect(await ledger().pay(request)).toMatchObject(refused);
    const next = await placed();
    expect(await ledger().markRefundDue(payment(next.order.orderId))).toMatchObject({
      ...refused,
      transition: { rid: next.order.orderId },
    });
    expect(await ledger().countRefundDue()).toBe(before + 2);
    expect(await counts(id)).toEqual({ tea: [3, 2, 0, 0] });
  });

  test('[OL-21] due orders expire once, oldest first, however many nodes sweep; orders that are not due stay', async () => {
    const id = await makeLivestream(prisma(), { tea: 100, mug: 100 });
    const outcomes = await ledger().append(
      Array.from({ length: 30 }, (_, index) =>
        newOrder(id, { tea: 1, mug: 2 }, index % 3 === 0 ? { takes: 'pay' } : { holdTtlMs: 600_000 }),
      ),
    );
    const rids = outcomes.flatMap((outcome) => (outcome.kind === 'committed' ? [outcome.order.orderId] : []));
    await makeDue(prisma(), rids.slice(0, 25));
    const sweeps = await Promise.all([ledger().expireDue(20), ledger().expireDue(20), ledger().expireDue(20)]);
    const rest = await ledger().expireDue(100);
    const swept = [...sweeps.flat(), ...rest];
    expect(swept.map(({ rid }) => rid).sort()).toEqual(rids.slice(0, 25).sort());
    expect(swept.every(({ order }) => order.state === 'expired')).toBe(true);
    expect(await ledger().expireDue(100)).toEqual([]);
    const left = rids.slice(25).filter((_, index) => (index + 25) % 3 !== 0).length;
    expect(await counts(id)).toEqual({ tea: [100, left, 0, 0], mug: [100, 2 * left, 0, 0] });
    expect(await ledger().openOrders(id)).toBe(5);
  });

  test('[OL-21] a payment and a sweep that meet: one of them wins, and the units are counted once', async () => {
    const id = await makeLivestream(prisma(), { tea: 200 });
    const orders = await Promise.all(Array.from({ length: 40 }, () => commitOrder(ledger(), newOrder(id, { tea: 1 }))));
    await makeDue(
      prisma(),
      orders.map(({ orderId }) => orderId),
    );
    const [paid, ...sweeps] = await Promise.all([
      Promise.all(orders.map(({ orderId }) => ledger().pay(payment(orderId, 500)))),
      ledger().expireDue(15),
      ledger().expireDue(15),
      ledger().expireDue(15),
    ]);
    const settled = paid.filter(({ kind }) => kind === 'final').length;
    const expiredCount = sweeps.flat().length;
    expect(settled + paid.filter(({ kind }) => kind === 'needs_units').length).toBe(40);
    expect(paid.filter(({ kind }) => kind === 'needs_units').length).toBeLessThanOrEqual(expiredCount);
    expect(settled + expiredCount).toBeLessThanOrEqual(40);
    expect(await counts(id)).toEqual({ tea: [200, 40 - settled - expiredCount, settled, 0] });
  });

  test('[OL-22] cancelling frees the units of a held order once, and changes nothing else', async () => {
    const { id, order } = await held();
    const answers = await Promise.all([
      ledger().cancel(order.orderId, 'buyer'),
      ledger().cancel(order.orderId, 'operator'),
    ]);
    expect(answers.every((answer) => answer?.order.state === 'cancelled')).toBe(true);
    expect(answers.filter((answer) => answer?.transition !== null)).toHaveLength(1);
    expect(await counts(id)).toEqual({ tea: [10, 0, 0, 0] });
    const next = await commitOrder(ledger(), newOrder(id, { tea: 2 }));
    await ledger().pay(payment(next.orderId));
    expect(await ledger().cancel(next.orderId, 'buyer')).toMatchObject({ order: { state: 'paid' }, transition: null });
    const open = await placed();
    expect(await ledger().cancel(open.order.orderId, 'buyer')).toMatchObject({
      transition: { order: { state: 'cancelled' } },
    });
    expect(await ledger().cancel('nobody', 'buyer')).toBeNull();
    expect(await counts(id)).toEqual({ tea: [10, 0, 2, 0] });
  });

  test('[OL-23] a refund of a paid order makes its units sellable again and every payment go back, once', async () => {
    const { id, order } = await held();
    const [good, second] = [payment(order.orderId), payment(order.orderId)];
    await ledger().pay(good);
    await ledger().pay(second);
    const answers = await Promise.all([1, 2].map(() => ledger().refund(order.orderId, 'operator', 'broken')));
    const refunded = answers.flatMap((answer) => answer?.refunded ?? []);
    expect(refunded.map(({ paymentId }) => paymentId).sort()).toEqual([good.paymentId, second.paymentId].sort());
    expect(answers.flatMap((answer) => answer?.items ?? [])).toMatchObject([
      { skuId: 'tea', pool: { rev: 2, allotted: 10, returned: 2 }, terms: { sale: 'open', opensAtMs: 0 } },
    ]);
    expect(await counts(id)).toEqual({ tea: [10, 0, 0, 2] });
    await commitOrder(ledger(), newOrder(id, { tea: 10 }));
  });

  test('[OL-23] a refund of money without units moves no units, and there may be nothing to refund', async () => {
    const { id, order } = await held();
    const wrong = payment(order.orderId, 1);
    await ledger().pay(wrong);
    expect(await ledger().refund(order.orderId, 'operator', 'wrong amount')).toMatchObject({
      order: { state: 'held' },
      refunded: [{ paymentId: wrong.paymentId, amountMinor: 1, currency: 'CNY' }],
      items: [],
    });
    expect(await ledger().refund(order.orderId, 'operator', 'again')).toBeNull();
    expect(await ledger().refund('nobody', 'operator', 'x')).toBeNull();
    await ledger().cancel(order.orderId, 'buyer');
    await ledger().pay(payment(order.orderId));
    const back = await ledger().refund(order.orderId, 'operator', 'cancelled');
    expect(back).toMatchObject({ order: { state: 'refunded' }, refunded: [{ amountMinor: 1_000 }], items: [] });
    expect(await counts(id)).toEqual({ tea: [10, 0, 0, 0] });
  });

  test('[OL-24] each attempt is told by itself: what a re-acquisition took is settled under its rid only', async () => {
    const { id, order } = await expired();
    const late = await commitOrder(ledger(), newOrder(id, { tea: 1 }, { takes: 'pay' }));
    const [one, two] = [attempt(), attempt()];
    await ledger().payReacquired({ ...payment(order.orderId), ...one });
    await ledger().payReacquired({ ...payment(late.orderId, 500), ...two });
    const plain = await commitOrder(ledger(), newOrder(id, { tea: 2 }));
    await ledger().pay(payment(plain.orderId));
    await commitOrder(ledger(), newOrder(id, { tea: 1 }));
    const back = await commitOrder(ledger(), newOrder(id, { tea: 1 }));
    await ledger().pay(payment(back.orderId, 500));
    await ledger().refund(back.orderId, 'operator', 'sent back');
    const unsold = await commitOrder(ledger(), newOrder(id, { tea: 1 }));
    await ledger().cancel(unsold.orderId, 'buyer');
    await ledger().pay(payment(unsold.orderId, 500));
    await ledger().refund(unsold.orderId, 'operator', 'came too late');
    const told = {
      [order.orderId]: 'expired',
      [late.orderId]: 'expired',
      [one.rid]: 'paid',
      [two.rid]: 'paid',
      [plain.orderId]: 'paid',
      // Sold, and given back by the pool's `returned`; the other one was never sold.
      [back.orderId]: 'paid',
      [unsold.orderId]: 'cancelled',
    };
    const stateOf = (resolutions: readonly { rid: string; state: string }[]) =>
      Object.fromEntries(resolutions.map(({ rid, state }) => [rid, state]));
    expect(stateOf(await ledger().recentResolutions(id, 60_000))).toEqual(told);
    expect(stateOf(await ledger().resolve(id, Object.keys(told)))).toEqual(told);
    // To its buyer the order is paid, all the same.
    expect(await ledger().find(order.orderId)).toMatchObject({ orderId: order.orderId, state: 'paid' });
    expect(await ledger().find(one.rid)).toBeNull();
    expect(await ledger().recentResolutions(id, 0)).toEqual([]);
  });

  test('[OL-25] the picture for a rebuild holds every item, hold, counted unit and key, behind a new epoch', async () => {
    const id = await makeLivestream(prisma(), { tea: 20, mug: 5 });
    const orders = await Promise.all(
      [{ tea: 1, mug: 1 }, { tea: 2 }, { tea: 3 }, { tea: 4 }].map((lines) =>
        commitOrder(ledger(), newOrder(id, lines, { deviceId: 'phone' })),
      ),
    );
    const [open, paid, cancelled, refunded] = orders.map(({ orderId }) => orderId);
    const waiting = await commitOrder(ledger(), newOrder(id, { tea: 9 }, { takes: 'pay' }));
    await ledger().pay(payment(paid ?? '', 1_000));
    await ledger().cancel(cancelled ?? '', 'buyer');
    await ledger().pay(payment(refunded ?? '', 2_000));
    await ledger().refund(refunded ?? '', 'operator', 'test');
    // Money that came when there were no units bought none, also after it has been refunded.
    const unsold = await commitOrder(ledger(), newOrder(id, { tea: 1 }, { deviceId: 'phone' }));
    await ledger().cancel(unsold.orderId, 'buyer');
    await ledger().pay(payment(unsold.orderId, 500));
    await ledger().refund(unsold.orderId, 'operator', 'too late');
    await ledger().resolve(id, [makeRid(Date.now())]);
    const picture = await ledger().fenceAndRead(id, 60_000);
    expect(picture).toMatchObject({
      epoch: 1,
      infoRev: 1,
      items: [
        {
          skuId: 'tea',
          sold: 2,
          pool: { rev: 2, allotted: 20, returned: 4 },
          terms: { salePolicy: { kind: 'deduct_on_order' } },
        },
        { skuId: 'mug', sold: 0, pool: { rev: 1, allotted: 5, returned: 0 }, terms: { limits: { perOrder: null } } },
      ],
    });
    expect(picture?.holds.map(({ rid, state, takes, lines }) => ({ rid, state, takes, lines }))).toEqual(
      expect.arrayContaining([
        {
          rid: open,
          state: 'held',
          takes: 'hold',
          lines: [
            { skuId: 'mug', quantity: 1 },
            { skuId: 'tea', quantity: 1 },
          ],
        },
        { rid: waiting.orderId, state: 'placed', takes: 'pay', lines: [{ skuId: 'tea', quantity: 9 }] },
      ]),
    );
    expect(picture?.holds).toHaveLength(2);
    expect(picture?.counted.map(({ skuId, deviceId, quantity }) => [skuId, deviceId, quantity]).sort()).toEqual([
      ['tea', 'phone', 2],
      ['tea', 'phone', 4],
    ]);
    expect(Object.fromEntries(picture?.keys.map(({ rid, state }) => [rid, state]) ?? [])).toEqual({
      [open ?? '']: 'held',
      [paid ?? '']: 'settled',
      [cancelled ?? '']: 'closed',
      [refunded ?? '']: 'settled',
      [unsold.orderId]: 'settled',
      [waiting.orderId]: 'placed',
    });
    // Keys past the window are forgotten, those of open orders never.
    await prisma().$executeRaw`UPDATE orders SET created_at = now() - interval '1 hour' WHERE livestream_id = ${id}`;
    const later = await ledger().fenceAndRead(id, 60_000);
    expect(later?.keys.map(({ rid }) => rid).sort()).toEqual([open ?? '', waiting.orderId].sort());
    expect(later?.epoch).toBe(2);
    expect(await ledger().fenceAndRead('nowhere', 1)).toBeNull();
  });

  test('[OL-26] the audit tells counters beside the sums of the orders, and a difference shows', async () => {
    const { id, order } = await held();
    expect(await ledger().audit(id)).toMatchObject({ epoch: 0, items: [{ skuId: 'tea', held: 2, heldByOrders: 2 }] });
    await prisma().order.update({ where: { id: order.orderId }, data: { state: 'paid' } });
    expect(await ledger().audit(id)).toMatchObject({ items: [{ held: 2, heldByOrders: 0, sold: 0, soldByOrders: 2 }] });
    expect(await ledger().audit('nowhere')).toBeNull();
    expect(await ledger().revisions('nowhere')).toBeNull();
    expect(await ledger().definitions(id)).toMatchObject({ infoRev: 1, items: [{ skuId: 'tea' }] });
  });

  test('[OL-27] lists come newest first and page without gap or repetition; fences and voids are no orders', async () => {
    const id = await makeLivestream(prisma(), { tea: 100 });
    const buyerId = `regular-${id}`;
    const outcomes = await ledger().append(Array.from({ length: 7 }, () => newOrder(id, { tea: 1 }, { buyerId })));
    const rids = outcomes.flatMap((outcome) => (outcome.kind === 'committed' ? [outcome.order.orderId] : []));
    await makeDue(prisma(), rids.slice(0, 1));
    await ledger().expireDue(10);
    await ledger().payReacquired({ ...payment(rids[0] ?? '', 500), ...attempt() });
    await ledger().resolve(id, [makeRid(Date.now())]);
    const pages: string[] = [];
    for (;;) {
      const before = pages.at(-1);
      const page = await ledger().orders({ livestreamId: id, limit: 3, ...(before === undefined ? {} : { before }) });
      if (page.length === 0) break;
      pages.push(...page.map(({ orderId }) => orderId));
    }
    expect(pages).toEqual(rids.toSorted().toReversed());
    expect((await ledger().ordersOfBuyer(id, buyerId)).map(({ orderId }) => orderId)).toEqual(pages);
    const paid = await ledger().orders({ livestreamId: id, state: 'paid', buyerId, limit: 9 });
    expect(paid).toMatchObject([{ orderId: rids[0], payments: [{ state: 'accepted' }] }]);
    expect(await ledger().orders({ livestreamId: id, buyerId: 'stranger', limit: 9 })).toEqual([]);
  });
});
