import { afterEach, describe, expect, test } from 'vitest';
import { LedgerUnknown } from '../../server/orders/order-ledger.ts';
import { GateUnavailable } from '../../server/stock/stock-engine.ts';
import { livestreamId, openNight } from './stack.ts';
import { codeOf, latch, orderOf, type ShapeStack } from './what-breaks.ts';

/** The rules of orders.md, and those of the protocol that are no counterexample, against one deployment shape. */
export function describeOrderRules(shape: string, create: () => Promise<ShapeStack>): void {
  describe(`orders: ${shape}`, () => {
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

    test('[I1][I3] 2 buyers at once on the last unit, 1,000 times: one success each', async () => {
      const { buy, service, level } = await begin(1);
      for (let round = 0; round < 1_000; round += 1) {
        const outcomes = await Promise.all([buy({ by: `a${round}` }), buy({ by: `b${round}` })]);
        expect(outcomes.map(codeOf).sort()).toEqual(['accepted', 'sold_out']);
        const winner = outcomes.find(({ kind }) => kind === 'accepted');
        if (winner === undefined) throw new Error('nobody won');
        const cancelled = await service.cancel(livestreamId, orderOf(winner).orderId, null, 'operator');
        expect(cancelled.kind).toBe('done');
      }
      expect(await level()).toMatchObject({ available: 1, held: 0, sold: 0 });
      await atRest();
    }, 180_000);

    test('[I1] 5,000 buyers at once on 1,000 units: exactly 1,000 accepted, 4,000 sold out, the ledger sums to 1,000', async () => {
      const { buy, ledger, level } = await begin(1_000);
      const outcomes = await Promise.all(Array.from({ length: 5_000 }, () => buy()));
      const count = (code: string) => outcomes.filter((outcome) => codeOf(outcome) === code).length;
      expect({ accepted: count('accepted'), soldOut: count('sold_out') }).toEqual({ accepted: 1_000, soldOut: 4_000 });
      const item = (await ledger.audit(livestreamId))?.items.find(({ skuId }) => skuId === 'tea');
      expect(item).toMatchObject({ held: 1_000, heldByOrders: 1_000, sold: 0 });
      expect(await level()).toMatchObject({ available: 0, held: 1_000 });
      await atRest();
    }, 120_000);

    test('[O3][I4] the same key again is one order and one answer, also in parallel and after it was paid', async () => {
      const { buy, pay, level } = await begin(5);
      const many = await Promise.all(Array.from({ length: 20 }, () => buy({ by: 'b', key: 'one-click-1' })));
      const accepted = many.filter(({ kind }) => kind === 'accepted');
      expect(accepted).toHaveLength(1);
      for (const outcome of many) expect(['accepted', 'duplicate', 'in_progress']).toContain(codeOf(outcome));
      const first = await buy({ by: 'b', key: 'one-click-1' });
      expect(codeOf(first)).toBe('duplicate');
      await pay(orderOf(first).orderId, 1_000);
      const after = await buy({ by: 'b', key: 'one-click-1' });
      expect(orderOf(after)).toMatchObject({ orderId: orderOf(first).orderId, state: 'paid' });
      expect(codeOf(await buy({ by: 'b', key: 'one-click-1', quantity: 2 }))).toBe('idempotency_mismatch');
      expect(await level()).toMatchObject({ available: 4, sold: 1 });
      await atRest();
    });

    test('[OR-6] the key belongs to its buyer: another buyer with the same key has an order of their own', async () => {
      const { buy } = await begin(5);
      const [one, two] = [await buy({ by: 'a', key: 'shared-key' }), await buy({ by: 'b', key: 'shared-key' })];
      expect([codeOf(one), codeOf(two)]).toEqual(['accepted', 'accepted']);
      expect(orderOf(one).orderId).not.toBe(orderOf(two).orderId);
      await atRest();
    });

    test('[OR-3] a request that finds the gate closed waits for its rebuild, or is told to retry when that takes long', async () => {
      const { buy, flushGate, ledger } = await begin(5);
      await flushGate();
      expect(codeOf(await buy())).toBe('accepted');
      await flushGate();
      const slow = latch();
      const fenceAndRead = ledger.fenceAndRead.bind(ledger);
      ledger.fenceAndRead = async (...args) => {
        await slow.opened;
        return fenceAndRead(...args);
      };
      const outcome = await buy({ by: 'b', key: 'patient-key' });
      expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'rebuilding', action: 'retry' } });
      slow.open();
      await expect.poll(async () => codeOf(await buy({ by: 'b', key: 'patient-key' }))).toMatch(/accepted|duplicate/);
      await atRest();
    });

    test('[OR-4] above the bound of orders under way a new one is shed, and nothing of it has happened', async () => {
      const { faults, buy, level } = await begin(5, {});
      const slow = latch();
      faults.beforeAppend = () => slow.opened;
      const waiting = Array.from({ length: stack.inFlightMax }, () => buy({ sku: 'none' }));
      await Promise.all(waiting);
      const held = Array.from({ length: 2 }, () => buy());
      await expect.poll(level).toMatchObject({ held: 2 });
      const fillers = Array.from({ length: stack.inFlightMax }, (_, index) => buy({ by: `f${index}` }));
      const codes = (await Promise.all(fillers.slice(-2))).map(codeOf);
      expect(codes).toEqual(['overloaded', 'overloaded']);
      slow.open();
      await Promise.all([...held, ...fillers]);
      await atRest();
    });

    test('[OR-19] while new orders are shed, whoever holds units pays, cancels and sees the own orders', async () => {
      const { faults, buy, pay, service, level } = await begin(5, {});
      const mine = [orderOf(await buy({ by: 'me' })), orderOf(await buy({ by: 'me' }))];
      const slow = latch();
      faults.beforeAppend = () => slow.opened;
      const fillers = Array.from({ length: stack.inFlightMax }, (_, index) => buy({ by: `f${index}` }));
      await expect.poll(level).toMatchObject({ held: 5 });
      const stuck = [buy({ by: 'late' }), buy({ by: 'late' })];
      for (const one of mine.slice(0, 1)) {
        expect(await pay(one.orderId, one.totalMinor)).toMatchObject({ kind: 'done', outcome: { outcome: 'paid' } });
      }
      expect(await service.cancel(livestreamId, mine[1]?.orderId ?? '', 'me', 'me')).toMatchObject({ kind: 'done' });
      expect(await service.ordersOf(livestreamId, 'me')).toHaveLength(2);
      slow.open();
      await Promise.all([...fillers, ...stuck]);
      await atRest();
    });

    test('[OR-17] a buyer who orders faster than the rate is told how long to wait, and no unit is touched', async () => {
      const { faults, buy, level } = await begin(5);
      const before = await level();
      faults.buyersWaitMs = 2_500;
      expect(await buy()).toMatchObject({ kind: 'refused', error: { code: 'rate_limited', minBackoffMs: 2_500 } });
      expect(await level()).toEqual(before);
      faults.buyersWaitMs = 0;
      expect(codeOf(await buy())).toBe('accepted');
      await atRest();
    });

    test('[OR-18] while the ledger is known to be away an order is refused before it takes a unit, and then goes on by itself', async () => {
      const { faults, buy, level, service } = await begin(5);
      const before = await level();
      faults.ledgerAway = true;
      expect(await buy({ by: 'b', key: 'away-key' })).toMatchObject({
        kind: 'refused',
        error: { code: 'unavailable', action: 'retry' },
      });
      expect(service.refusesNow()).toMatchObject({ code: 'unavailable' });
      expect(await level()).toEqual(before);
      faults.ledgerAway = false;
      expect(codeOf(await buy({ by: 'b', key: 'away-key' }))).toBe('accepted');
      await atRest();
    });

    test('[OR-5] an order of another buyer or livestream does not exist for who asks', async () => {
      const { buy, service } = await begin(5);
      const { orderId } = orderOf(await buy({ by: 'owner' }));
      for (const [live, buyerId] of [
        [livestreamId, 'stranger'],
        ['other', 'owner'],
        ['other', null],
      ] as const) {
        const outcome = await service.cancel(live, orderId, buyerId, 'test');
        expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'route_not_found' } });
      }
      expect(await service.refund('other', orderId, 'test', 'why')).toMatchObject({
        error: { code: 'route_not_found' },
      });
      expect(await service.ordersOf(livestreamId, 'stranger')).toEqual([]);
      expect(await service.ordersOf(livestreamId, 'owner')).toHaveLength(1);
      await atRest();
    });

    test('[OR-7][A1][I6] an expired order frees its units once and its buyer is told', async () => {
      const { buy, makeDue, sweep, level, changed, ledger } = await begin(2);
      const [due, kept] = [orderOf(await buy()), orderOf(await buy())];
      await makeDue(due.orderId);
      await Promise.all([sweep(), sweep(), sweep()]);
      expect(await level()).toMatchObject({ available: 1, held: 1 });
      expect(changed.filter(({ orderId }) => orderId === due.orderId).map(({ state }) => state)).toEqual(['expired']);
      expect((await ledger.find(kept.orderId))?.state).toBe('held');
      await atRest();
    });

    test('[OR-8][A4] a callback may be repeated, also at the same moment: one payment, one effect, one answer', async () => {
      const { buy, pay, makeDue, sweep, level } = await begin(1);
      const order = orderOf(await buy());
      await makeDue(order.orderId);
      await sweep();
      const answers = await Promise.all(Array.from({ length: 10 }, () => pay(order.orderId, 1_000, 'payment-1')));
      for (const answer of answers) expect(answer).toMatchObject({ kind: 'done', outcome: { outcome: 'paid' } });
      expect(await level()).toMatchObject({ available: 0, held: 0, sold: 1 });
      await atRest();
    });

    test('[OR-8] a second payment of a paid order, and one of a wrong amount, are refund_due; the order stays what it is', async () => {
      const { buy, pay, ledger } = await begin(2);
      const paid = orderOf(await buy());
      await pay(paid.orderId, 1_000, 'first');
      expect(await pay(paid.orderId, 1_000, 'second')).toMatchObject({ outcome: { outcome: 'refund_due' } });
      expect((await ledger.find(paid.orderId))?.state).toBe('paid');
      const short = orderOf(await buy());
      expect(await pay(short.orderId, 1, 'too-little')).toMatchObject({ outcome: { outcome: 'refund_due' } });
      expect((await ledger.find(short.orderId))?.state).toBe('held');
      expect(await pay('no-such-order', 1_000)).toMatchObject({ kind: 'refused', error: { code: 'route_not_found' } });
      await atRest();
    });

    test('[OR-9] a refund puts the units back on sale once, however often it is repeated', async () => {
      const { buy, pay, service, level, refundsAsked } = await begin(1);
      const order = orderOf(await buy({ quantity: 1 }));
      await pay(order.orderId, 1_000, 'p1');
      expect(await level()).toMatchObject({ available: 0, sold: 1 });
      await Promise.all([1, 2, 3].map(() => service.refund(livestreamId, order.orderId, 'operator', 'defect')));
      expect(await level()).toMatchObject({ available: 1, sold: 0 });
      expect(await refundsAsked(livestreamId)).toEqual(['p1']);
      const unpaid = orderOf(await buy());
      expect(await service.refund(livestreamId, unpaid.orderId, 'operator', 'why')).toMatchObject({
        error: { code: 'conflict' },
      });
      await atRest();
    });

    test('[OR-10][B4] drift that nothing in flight explains is reported and the gate rebuilt', async () => {
      const { buy, engine, drift, level, keeper } = await begin(5);
      orderOf(await buy());
      const { epoch } = (await engine.peek(livestreamId)) ?? { epoch: -1 };
      const [hold] = await engine.holds(livestreamId);
      if (hold === undefined) throw new Error('there ought to be a hold');
      // Somebody's mistake: units are free at the gate that the ledger has promised.
      await engine.release(livestreamId, [{ rid: hold.rid, unbind: false }]);
      expect(await level()).toMatchObject({ available: 5 });
      expect(await drift()).toBeGreaterThan(0);
      await keeper.ensureOpen(livestreamId, 'missing');
      expect(await level()).toMatchObject({ available: 4, held: 1 });
      expect((await engine.peek(livestreamId))?.epoch).toBeGreaterThan(epoch);
      expect(await drift()).toBe(0);
      await atRest();
    });

    test('[OR-10] an order in flight is no drift', async () => {
      const { buy, faults, drift } = await begin(5);
      const slow = latch();
      faults.beforeAppend = () => slow.opened;
      const order = buy();
      await expect.poll(() => stack.level()).toMatchObject({ held: 1 });
      expect(await drift()).toBe(0);
      slow.open();
      expect(codeOf(await order)).toBe('accepted');
      await atRest();
    });

    test('[OR-11] an ended livestream sells nothing, lets its holds run out and is archived with its gate', async () => {
      const { buy, pay, catalogue, makeDue, sweep, engine, archive, takeOver } = await begin(5);
      const [paid, due] = [orderOf(await buy()), orderOf(await buy())];
      await pay(paid.orderId, 1_000);
      const ended = await catalogue.end(livestreamId, 'operator');
      if (ended.kind !== 'done' || ended.gate === null) throw new Error('the gate is concerned');
      await takeOver(ended.gate);
      expect(codeOf(await buy())).toBe('not_open');
      await archive();
      expect(await engine.read(livestreamId)).not.toBeNull();
      await makeDue(due.orderId);
      await sweep();
      await archive();
      expect(await engine.read(livestreamId)).toBeNull();
      expect(await catalogue.active()).toEqual([]);
      const stock = await catalogue.stockOfSku('tea');
      expect(stock?.livestreams).toMatchObject([{ allotted: 1, sold: 1 }]);
      expect(codeOf(await buy())).toBe('not_open');
      expect(await pay(due.orderId, 1_000, 'very-late')).toMatchObject({ outcome: { outcome: 'refund_due' } });
      expect(await engine.read(livestreamId)).toBeNull();
    });

    test('[A4][A6] deduct on payment: orders take no units, payments do, and those that come too late are refund_due', async () => {
      const { buy, pay, level } = await begin(1, { salePolicy: { kind: 'deduct_on_payment' } });
      const [one, two] = [orderOf(await buy()), orderOf(await buy())];
      expect([one.state, two.state]).toEqual(['placed', 'placed']);
      expect(await level()).toMatchObject({ available: 1, held: 0 });
      expect(await pay(one.orderId, 1_000)).toMatchObject({ outcome: { outcome: 'paid' } });
      expect(await pay(two.orderId, 1_000)).toMatchObject({ outcome: { outcome: 'refund_due' } });
      expect(await level()).toMatchObject({ available: 0, sold: 1 });
      expect(codeOf(await buy())).toBe('sold_out');
      await atRest();
    });

    test('[A4][O5] a payment on deduct whose commit reply is lost is decided by resolve: settled once', async () => {
      const { buy, pay, level, ledger, clock, tail } = await begin(2, { salePolicy: { kind: 'deduct_on_payment' } });
      const order = orderOf(await buy());
      const payReacquired = ledger.payReacquired.bind(ledger);
      ledger.payReacquired = async (request) => {
        await payReacquired(request);
        throw new LedgerUnknown('connection lost');
      };
      expect(await pay(order.orderId, 1_000, 'p')).toMatchObject({ kind: 'refused', error: { action: 'retry' } });
      ledger.payReacquired = payReacquired;
      expect(await pay(order.orderId, 1_000, 'p')).toMatchObject({ outcome: { outcome: 'paid' } });
      clock.advance(10_000);
      await tail();
      expect(await level()).toMatchObject({ available: 1, held: 0, sold: 1 });
      await atRest();
    });

    test('[OR-20] a late payment whose attempt is lost at the gate or at the ledger is paid when it is repeated, by the last unit', async () => {
      const { buy, pay, level, ledger, faults } = await begin(1, { salePolicy: { kind: 'deduct_on_payment' } });
      const order = orderOf(await buy());
      const refused = { kind: 'refused', error: { action: 'retry' } };
      const lostAtGate = () => {
        throw new GateUnavailable('connection lost');
      };
      faults.afterReserve = lostAtGate;
      expect(await pay(order.orderId, 1_000, 'p')).toMatchObject(refused);
      faults.afterReserve = null;
      const payReacquired = ledger.payReacquired.bind(ledger);
      ledger.payReacquired = () => Promise.reject(new LedgerUnknown('connection lost'));
      expect(await pay(order.orderId, 1_000, 'p')).toMatchObject(refused);
      ledger.payReacquired = payReacquired;
      expect(await pay(order.orderId, 1_000, 'p')).toMatchObject({ outcome: { outcome: 'paid' } });
      expect(await level()).toMatchObject({ available: 0, held: 0, sold: 1 });
      await atRest();
    });

    test('[A6] hold below a threshold: at 51 an order takes nothing, at 50 it holds', async () => {
      const { buy, pay, level } = await begin(51, { salePolicy: { kind: 'hold_below', threshold: 50 } });
      const above = orderOf(await buy());
      expect(above.state).toBe('placed');
      await pay(above.orderId, 1_000);
      expect(await level()).toMatchObject({ available: 50, sold: 1 });
      expect(orderOf(await buy()).state).toBe('held');
      expect(await level()).toMatchObject({ available: 49, held: 1 });
      await atRest();
    });

    test('[G4] limits per order, buyer and device hold together, and expiry gives the count back', async () => {
      const limits = { perOrder: 2, perBuyer: 3, perDevice: 4 };
      const { buy, makeDue, sweep } = await begin(50, { limits });
      expect(codeOf(await buy({ by: 'a', quantity: 3 }))).toBe('limit_buyer');
      const first = orderOf(await buy({ by: 'a', quantity: 2, device: 'd1' }));
      expect(await buy({ by: 'a', quantity: 2, device: 'd1' })).toMatchObject({
        error: { code: 'limit_buyer', limit: 3, counted: 2, skuId: 'tea' },
      });
      expect(codeOf(await buy({ by: 'b', quantity: 2, device: 'd1' }))).toBe('accepted');
      expect(codeOf(await buy({ by: 'c', device: 'd1' }))).toBe('limit_device');
      expect(codeOf(await buy({ by: 'c', device: 'd2' }))).toBe('accepted');
      await makeDue(first.orderId);
      await sweep();
      expect(codeOf(await buy({ by: 'a', quantity: 2, device: 'd3' }))).toBe('accepted');
      await atRest();
    });
  });
}
