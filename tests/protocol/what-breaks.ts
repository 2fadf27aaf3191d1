import { afterEach, describe, expect, test } from 'vitest';
import { LedgerRefused, LedgerUnknown } from '../../server/orders/order-ledger.ts';
import type { PlaceOutcome } from '../../server/orders/order-service.ts';
import { livestreamId, openNight, type Stack } from './stack.ts';

export type ShapeStack = Stack & { readonly flushGate: () => Promise<void> };

export const orderOf = (outcome: PlaceOutcome) => {
  if (outcome.kind === 'refused') throw new Error(`refused: ${outcome.error.code}`);
  return outcome.order;
};
export const codeOf = (outcome: PlaceOutcome) => (outcome.kind === 'refused' ? outcome.error.code : outcome.kind);

/** A promise that a test settles by hand. */
export function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** The list "What breaks without them" of order-protocol.md, one test or more each, against one deployment shape. */
export function describeWhatBreaks(shape: string, create: () => Promise<ShapeStack>): void {
  describe(`what breaks without the rules: ${shape}`, () => {
    let stack: ShapeStack;
    const begin = async (units: number, item: Parameters<typeof openNight>[2] = {}) => {
      stack = await create();
      await openNight(stack, units, item);
      return stack;
    };
    const atRest = async () => {
      await stack.tail();
      expect(await stack.audit()).toEqual([
        { skuId: 'tea', same: true },
        { skuId: 'mug', same: true },
      ]);
    };
    afterEach(() => stack.stop());

    test('[A3][O6] 1: a slow commit whose lease has ended is void, its units are sold once, it is not acknowledged', async () => {
      const { faults, buy, clock, tail, level } = await begin(1);
      const slow = latch();
      faults.beforeAppend = () => slow.opened;
      const first = buy({ key: 'slow-order' });
      await expect.poll(level).toMatchObject({ available: 0, held: 1 });
      clock.advance(10_000);
      await tail();
      expect(await level()).toMatchObject({ available: 1, held: 0 });
      faults.beforeAppend = null;
      const second = orderOf(await buy());
      slow.open();
      expect(codeOf(await first)).toBe('in_progress');
      expect(second.state).toBe('held');
      await atRest();
    });

    test('[A3][O6] 1: a commit that was only slow to answer is confirmed, not freed', async () => {
      const { faults, buy, clock, tail, level } = await begin(1);
      const slow = latch();
      faults.afterAppend = () => slow.opened;
      const first = buy();
      await expect.poll(level).toMatchObject({ available: 0 });
      await expect
        .poll(async () => (await stack.ledger.audit(livestreamId))?.items.find((i) => i.skuId === 'tea')?.held)
        .toBe(1);
      clock.advance(10_000);
      await tail();
      expect(await level()).toMatchObject({ available: 0, held: 1 });
      slow.open();
      expect(orderOf(await first).state).toBe('held');
      await atRest();
    });

    test('[O7] 2: a retry while the first is pending is in_progress; after the first has failed it is decided anew', async () => {
      const { faults, buy } = await begin(1);
      const slow = latch();
      faults.beforeAppend = async () => {
        await slow.opened;
        throw new LedgerRefused('never sent');
      };
      const first = buy({ by: 'b', key: 'same-key-1' });
      await expect.poll(() => stack.level()).toMatchObject({ held: 1 });
      expect(codeOf(await buy({ by: 'b', key: 'same-key-1' }))).toBe('in_progress');
      slow.open();
      expect(codeOf(await first)).toBe('unavailable');
      faults.beforeAppend = null;
      expect(codeOf(await buy({ by: 'b', key: 'same-key-1' }))).toBe('accepted');
      await atRest();
    });

    test('[O5][O7] 3: a lost commit reply frees nothing; the retry of the key gets the order', async () => {
      const { faults, buy, level, clock, tail } = await begin(1);
      faults.afterAppend = async () => {
        throw new LedgerUnknown('connection lost');
      };
      expect(codeOf(await buy({ by: 'b', key: 'lost-reply' }))).toBe('in_progress');
      faults.afterAppend = null;
      expect(await level()).toMatchObject({ available: 0, held: 1 });
      expect(codeOf(await buy())).toBe('sold_out');
      const again = await buy({ by: 'b', key: 'lost-reply' });
      expect(codeOf(again)).toBe('duplicate');
      clock.advance(10_000);
      await tail();
      expect(await stack.engine.holds(livestreamId)).toMatchObject([{ state: 'held', rid: orderOf(again).orderId }]);
      await atRest();
    });

    test('[O5][O6] 3: an append that was lost before it was committed gives its unit back after the lease', async () => {
      const { faults, buy, level, clock, tail } = await begin(1);
      faults.beforeAppend = async () => {
        throw new LedgerUnknown('connection lost');
      };
      expect(codeOf(await buy({ by: 'b', key: 'never-sent' }))).toBe('in_progress');
      faults.beforeAppend = null;
      await tail();
      expect(await level()).toMatchObject({ available: 0, held: 1 });
      clock.advance(10_000);
      await tail();
      expect(await level()).toMatchObject({ available: 1, held: 0 });
      expect(codeOf(await buy({ by: 'b', key: 'never-sent' }))).toBe('accepted');
      await atRest();
    });

    test('[G3][A2] 4: a hold past its time is not taken by the next buyer while a payment can still commit', async () => {
      const { buy, pay, makeDue, clock, level } = await begin(1);
      const order = orderOf(await buy());
      await makeDue(order.orderId);
      clock.advance(3_600_000);
      expect(codeOf(await buy())).toBe('sold_out');
      expect(await pay(order.orderId, 1_000)).toMatchObject({ kind: 'done', outcome: { outcome: 'paid' } });
      expect(await level()).toMatchObject({ available: 0, held: 0, sold: 1 });
      await atRest();
    });

    test('[A3] 5: a node that dies between expiry in the ledger and release at the gate loses no unit', async () => {
      const { buy, makeDue, sweep, faults, level, tail } = await begin(1);
      const order = orderOf(await buy());
      await makeDue(order.orderId);
      faults.dropFollow = true;
      await sweep();
      expect(await level()).toMatchObject({ available: 0, held: 1 });
      faults.dropFollow = false;
      await tail();
      expect(await level()).toMatchObject({ available: 1, held: 0 });
      await tail();
      await atRest();
    });

    test('[A3][I3] 5: what the gate missed while it was away is made up for, however long that was', async () => {
      const { buy, pay, service, faults, level, tail, clock, prisma } = await begin(9);
      const orders = [];
      for (let index = 0; index < 6; index += 1) orders.push(orderOf(await buy({ by: 'b' })).orderId);
      const change = async ([cancelled = '', paid = '']: readonly string[]) => {
        faults.dropFollow = true;
        await service.cancel(livestreamId, cancelled, 'b', 'viewer b');
        await pay(paid, 1_000);
        faults.dropFollow = false;
      };
      await tail();
      await change(orders.slice(0, 2));
      await tail();
      expect(await level()).toMatchObject({ available: 4, held: 4, sold: 1 });
      // So long ago that no round repeats it; a round after a pause, and the first of a node, compare every hold.
      await change(orders.slice(2, 4));
      await prisma.$executeRaw`UPDATE orders SET changed_at = now() - interval '1 hour'`;
      await tail();
      expect(await level()).toMatchObject({ held: 4, sold: 1 });
      clock.advance(10_000);
      await tail();
      expect(await level()).toMatchObject({ available: 5, held: 2, sold: 2 });
      await atRest();
    });

    test('[A3][A4] 6: money that was refunded because there were no units has sold nothing', async () => {
      const { buy, pay, service, faults, level, tail } = await begin(2);
      const order = orderOf(await buy({ by: 'b' }));
      await tail();
      faults.dropFollow = true;
      await service.cancel(livestreamId, order.orderId, 'b', 'viewer b');
      expect(await pay(order.orderId, 1_000)).toMatchObject({ outcome: { outcome: 'refund_due' } });
      await service.refund(livestreamId, order.orderId, 'operator', 'too late');
      faults.dropFollow = false;
      await tail();
      expect(await level()).toMatchObject({ available: 2, held: 0, sold: 0 });
      await atRest();
    });

    test('[A4] 6: a late payment takes units under its own rid; the late release of the expiry cannot free them', async () => {
      const { buy, pay, makeDue, sweep, faults, level, tail, engine } = await begin(1);
      const order = orderOf(await buy());
      await makeDue(order.orderId);
      await sweep();
      expect(await level()).toMatchObject({ available: 1 });
      expect(await pay(order.orderId, 1_000)).toMatchObject({ kind: 'done', outcome: { outcome: 'paid' } });
      await engine.release(livestreamId, [{ rid: order.orderId, unbind: false }]);
      expect(await level()).toMatchObject({ available: 0, held: 0, sold: 1 });
      faults.dropFollow = false;
      await tail();
      expect(codeOf(await buy())).toBe('sold_out');
      await atRest();
    });

    test('[A4] 6: money without units left is refund_due, once, and the callback is final', async () => {
      const { buy, pay, makeDue, sweep, ledger } = await begin(1);
      const order = orderOf(await buy());
      await makeDue(order.orderId);
      await sweep();
      orderOf(await buy());
      for (let repeat = 0; repeat < 2; repeat += 1) {
        expect(await pay(order.orderId, 1_000)).toMatchObject({ kind: 'done', outcome: { outcome: 'refund_due' } });
      }
      expect(await ledger.countRefundDue()).toBe(1);
      expect((await ledger.find(order.orderId))?.state).toBe('refund_due');
      await atRest();
    });

    test('[A2] 7: cancel and payment at once: one of them wins in both, and the unit is never sold twice', async () => {
      const { buy, pay, service, ledger, level } = await begin(10);
      for (let round = 0; round < 20; round += 1) {
        const order = orderOf(await buy({ by: 'racer' }));
        await Promise.all([
          pay(order.orderId, 1_000),
          service.cancel(livestreamId, order.orderId, 'racer', 'viewer racer'),
        ]);
        const state = (await ledger.find(order.orderId))?.state;
        expect(['paid', 'refund_due']).toContain(state);
        if (state === 'paid') break;
      }
      const { held, sold } = await level();
      expect(held).toBe(0);
      expect(sold).toBeLessThanOrEqual(1);
      await atRest();
    });

    test('[B1][B2][B3][O1] 8: orders in flight across a rebuild are fenced and reserved anew; nothing is doubled', async () => {
      const { faults, buy, flushGate, keeper } = await begin(3);
      const slow = latch();
      faults.beforeAppend = () => slow.opened;
      const inFlight = [buy(), buy()];
      await expect.poll(() => stack.level()).toMatchObject({ held: 2 });
      await flushGate();
      expect(await keeper.ensureOpen(livestreamId, 'missing')).toBe('open');
      faults.beforeAppend = null;
      slow.open();
      expect((await Promise.all(inFlight)).map(codeOf)).toEqual(['accepted', 'accepted']);
      expect(await stack.level()).toMatchObject({ available: 1, held: 2 });
      await atRest();
    });

    test('[B3] 8: a load that comes late finds another nonce and does not overwrite a live gate', async () => {
      const { engine, ledger, keeper, buy, flushGate } = await begin(3);
      await flushGate();
      const begun = await engine.begin(livestreamId);
      if (begun.kind !== 'closed') throw new Error('the gate ought to be closed');
      const late = await ledger.fenceAndRead(livestreamId, 3_600_000);
      if (late === null) throw new Error('no snapshot');
      expect(await keeper.ensureOpen(livestreamId, 'missing')).toBe('open');
      orderOf(await buy());
      expect(await engine.load(livestreamId, begun.nonce, late)).toBe('superseded');
      expect(await stack.level()).toMatchObject({ held: 1 });
      await atRest();
    });

    test('[A5] 9: an allotment lost on the way to the gate is sent again, and sending twice changes nothing', async () => {
      const { catalogue, faults, tail, level, engine } = await begin(3);
      faults.dropPutItems = true;
      const managed = await catalogue.allotItem(livestreamId, 'tea', 8, 'test', 'more');
      if (managed.kind !== 'done' || managed.gate === null) throw new Error('the gate is concerned');
      expect(await level()).toMatchObject({ allotted: 3 });
      faults.dropPutItems = false;
      await tail();
      expect(await level()).toMatchObject({ allotted: 8, available: 8 });
      await engine.putItems(livestreamId, managed.gate.items, managed.gate.infoRev);
      expect(await level()).toMatchObject({ allotted: 8, available: 8 });
      await atRest();
    });

    test('[B2] 10: after a flush an acknowledged key is answered with its order, not with sold_out', async () => {
      const { buy, flushGate } = await begin(1);
      const order = orderOf(await buy({ by: 'b', key: 'kept-key' }));
      await flushGate();
      const again = await buy({ by: 'b', key: 'kept-key' });
      expect(codeOf(again)).toBe('duplicate');
      expect(orderOf(again).orderId).toBe(order.orderId);
      expect(codeOf(await buy())).toBe('sold_out');
      await atRest();
    });

    test('[B2][G4] 10: after a flush the purchase limits still count what was bought before', async () => {
      const { buy, pay, flushGate } = await begin(10, { limits: { perOrder: null, perBuyer: 2, perDevice: null } });
      const paid = orderOf(await buy({ by: 'b' }));
      await pay(paid.orderId, 1_000);
      orderOf(await buy({ by: 'b' }));
      await flushGate();
      const third = await buy({ by: 'b' });
      expect(third).toMatchObject({ kind: 'refused', error: { code: 'limit_buyer', limit: 2, counted: 2 } });
      await atRest();
    });

    test('[V1][B3] 11: every rebuild has a greater epoch, and versions within it do not go backwards', async () => {
      const { engine, flushGate, keeper, buy } = await begin(5);
      const epochs: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        await flushGate();
        await keeper.ensureOpen(livestreamId, 'missing');
        const before = await engine.peek(livestreamId);
        orderOf(await buy());
        const after = await engine.peek(livestreamId);
        if (before === null || after === null) throw new Error('the gate ought to be open');
        expect(after.epoch).toBe(before.epoch);
        expect(after.version).toBeGreaterThan(before.version);
        epochs.push(after.epoch);
      }
      expect([...new Set(epochs)].sort((a, b) => a - b)).toEqual(epochs);
      await atRest();
    });

    test('[O2] 12: one order that does not fit fails alone; its neighbours in the group are accepted', async () => {
      const { ledger, engine, buy } = await begin(4);
      const epoch = (await engine.peek(livestreamId))?.epoch ?? -1;
      const newOrder = (rid: string, quantity: number) => ({
        rid,
        key: `b/${rid}-key`,
        bodyHash: rid,
        livestreamId,
        epoch,
        buyerId: 'b',
        deviceId: null,
        takes: 'hold' as const,
        lines: [{ skuId: 'tea', quantity }],
        holdTtlMs: 600_000,
      });
      const outcomes = await ledger.append([newOrder('one', 1), newOrder('big', 9), newOrder('two', 2)]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'does_not_fit', 'committed']);
      await stack.keeper.ensureOpen(livestreamId, 'drift');
      orderOf(await buy());
      expect(codeOf(await buy())).toBe('sold_out');
      await atRest();
    });
  });
}
