import { describe, expect, test } from 'vitest';
import type { OrderForOperator } from '../../../contract/orders.ts';
import { History, type Intent } from '../history.ts';
import { checkCounters } from './check-counters.ts';
import { checkKeys, checkLimits, checkOrders } from './check-orders.ts';
import { factsOf, storiesOf } from './facts.ts';

const skuId = 'tea';
const livestreamId = 'night';

/** A small history, told step by step; every step takes 10 ms and comes 100 ms after the one before unless told otherwise. */
class Story {
  readonly history = new History();
  readonly orders = new Map<string, OrderForOperator>();
  #atMs = 1_000;

  constructor(allotted = 2) {
    this.history.allotments.push({ livestreamId, skuId, allotted, exchanges: [this.exchange({ kind: 'done' })] });
  }

  exchange<Outcome extends object>(outcome: Outcome) {
    this.#atMs += 100;
    return { node: 'node-1', invokedAtMs: this.#atMs, returnedAtMs: this.#atMs + 10, outcome };
  }

  /** An order that was accepted, and what the ledger has of it at the end. */
  accepted(orderId: string, final: Partial<OrderForOperator> | null = {}): Intent {
    const order = orderOf(orderId);
    const intent: Intent = {
      ...intentOf(orderId),
      exchanges: [this.exchange({ kind: 'done', answer: 'accepted', order } as const)],
    };
    this.history.intents.push(intent);
    if (final !== null)
      this.orders.set(orderId, { ...order, buyerId: `buyer of ${orderId}`, deviceId: null, payments: [], ...final });
    return intent;
  }

  refused(key: string, code: 'sold_out' | 'stopped' = 'sold_out'): Intent {
    const outcome = { kind: 'refused', code, action: 'stop', skuId } as const;
    const intent: Intent = { ...intentOf(key), exchanges: [this.exchange(outcome)] };
    this.history.intents.push(intent);
    return intent;
  }

  paid(orderId: string, ...outcomes: ('paid' | 'refund_due')[]): void {
    const exchanges = outcomes.map((outcome) => this.exchange({ kind: 'done', outcome } as const));
    this.history.payments.push({ livestreamId, orderId, paymentId: `pay ${orderId}`, amountMinor: 500, exchanges });
  }

  /** What another node tells of the item's counters. */
  reads(gate: History['readings'][number]['gate'], ledger: History['readings'][number]['ledger']): void {
    const { invokedAtMs, returnedAtMs } = this.exchange({});
    const common = { livestreamId, skuId, node: 'node-2', epoch: 1, allotted: 2 };
    this.history.readings.push({ ...common, invokedAtMs, returnedAtMs, gate, ledger });
  }

  ended(kind: 'cancel' | 'refund', orderId: string): void {
    const state = kind === 'cancel' ? 'cancelled' : 'refunded';
    this.history.endings.push({
      kind,
      livestreamId,
      orderId,
      exchanges: [this.exchange({ kind: 'done', state } as const)],
    });
  }

  wait(ms: number): void {
    this.#atMs += ms;
  }

  judged(): string[] {
    const stories = storiesOf(this.history);
    const found = [
      ...checkCounters(this.history, factsOf(this.history, stories, this.orders)),
      ...checkKeys(this.history),
      ...checkOrders(this.history, stories, this.orders),
    ];
    for (const { evidence } of found) expect(evidence.length).toBeGreaterThan(0);
    return found.map(({ rule, text }) => `${rule} ${text}`);
  }
}

const orderOf = (orderId: string) => ({
  orderId,
  livestreamId,
  state: 'held' as const,
  lines: [{ skuId, quantity: 1, unitPriceMinor: 500 }],
  totalMinor: 500,
  currency: 'CNY',
  createdAtMs: 0,
  expiresAtMs: 600_000,
});

const intentOf = (key: string) => ({
  livestreamId,
  key,
  buyerId: `buyer of ${key}`,
  deviceId: null,
  lines: [{ skuId, quantity: 1 }],
});

const payment = (orderId: string, state: 'accepted' | 'refund_due') => ({
  paymentId: `pay ${orderId}`,
  amountMinor: 500,
  currency: 'CNY',
  state,
  reason: null,
  receivedAtMs: 0,
  refund: null,
});

describe('histories that are possible', () => {
  test('[TO-5] accepted, paid, cancelled, refunded, and sold out when it was', () => {
    const story = new Story();
    story.accepted('a', { state: 'paid', payments: [payment('a', 'accepted')] });
    story.accepted('b', { state: 'cancelled' });
    story.paid('a', 'paid', 'paid');
    story.refused('c');
    story.ended('cancel', 'b');
    story.accepted('d', { state: 'refunded', payments: [{ ...payment('d', 'accepted'), state: 'refunded' }] });
    story.paid('d', 'paid');
    story.ended('refund', 'd');
    expect(story.judged()).toEqual([]);
  });

  test('[TO-5] a request without an answer may have made its order, or not', () => {
    const story = new Story();
    const lost: Intent = {
      ...intentOf('lost'),
      exchanges: [story.exchange({ kind: 'unanswered', reason: 'reset' } as const)],
    };
    story.history.intents.push(lost);
    expect(story.judged()).toEqual([]);
    story.orders.set('late', { ...orderOf('late'), buyerId: lost.buyerId, deviceId: null, payments: [] });
    expect(story.judged()).toEqual([]);
  });
});

describe('histories that must be rejected', () => {
  test('[TO-4] an oversold unit', () => {
    const story = new Story(2);
    for (const orderId of ['a', 'b', 'c']) story.accepted(orderId);
    expect(story.judged()).toEqual([
      expect.stringMatching(/^I1 .*at least 3 units are promised to buyers, at most 2 were allotted/),
    ]);
  });

  test('[TO-4] refused while a unit was free the whole time', () => {
    const story = new Story(2);
    story.accepted('a');
    story.refused('b');
    expect(story.judged()).toEqual([
      expect.stringMatching(/^I3 .*refused as sold_out although 1 units were free the whole time/),
    ]);
  });

  test('[TO-4] still refused long after a cancellation', () => {
    const story = new Story(1);
    story.accepted('a', { state: 'cancelled' });
    story.ended('cancel', 'a');
    story.refused('b');
    expect(story.judged()).toEqual([]);
    story.wait(60_000);
    story.refused('c');
    expect(story.judged()).toEqual([expect.stringMatching(/^I3 .*refused as sold_out/)]);
  });

  test('[TO-4] a gate that does not know of a promise', () => {
    const story = new Story(2);
    story.accepted('a');
    story.wait(100);
    const ledger = { held: 1, sold: 0, heldByOrders: 1, soldByOrders: 0 };
    const gate = { allotted: 2, held: 0, sold: 0, available: 2 };
    story.reads(gate, ledger);
    expect(story.judged()).toEqual([
      expect.stringMatching(/^I3 .*the gate shows 2 available of 2, 1 units are promised/),
    ]);
  });

  test('[TO-4] counters of the ledger that are not the sums of its orders', () => {
    const story = new Story(2);
    const ledger = { held: 1, sold: 0, heldByOrders: 0, soldByOrders: 0 };
    story.reads(null, ledger);
    expect(story.judged()).toEqual([expect.stringMatching(/^I1 .*the ledger's counters are impossible/)]);
  });

  test('[TO-5] a lost acknowledgement', () => {
    const story = new Story();
    story.accepted('a', null);
    expect(story.judged()).toEqual(['I2 a: an acknowledged order is not in the ledger']);
  });

  test('[TO-5] a doubled key', () => {
    const story = new Story();
    const intent = story.accepted('a');
    intent.exchanges.push(story.exchange({ kind: 'done', answer: 'duplicate', order: orderOf('b') } as const));
    expect(story.judged()).toEqual(['I4 one key has 2 orders: a, b']);
    const other = new Story();
    other.accepted('a');
    other.orders.set('b', { ...orderOf('b'), buyerId: 'buyer of a', deviceId: null, payments: [] });
    expect(other.judged()).toEqual(['I4 b (held) is in the ledger and no key can have made it']);
  });

  test('[TO-5] an order whose key was refused', () => {
    const story = new Story(0);
    const { buyerId } = story.refused('a');
    story.orders.set('a', { ...orderOf('a'), buyerId, deviceId: null, payments: [] });
    expect(story.judged()).toEqual(['I4 a (held) is in the ledger and no key can have made it']);
  });

  test('[TO-5] a key that has an order and is refused when it is asked again', () => {
    const story = new Story(1);
    const intent = story.accepted('a');
    intent.exchanges.push(story.exchange({ kind: 'refused', code: 'sold_out', action: 'stop', skuId } as const));
    expect(story.judged()).toContain('I4 a key that has an order was refused as sold_out');
  });

  test('[TO-5] states that no history leads to', () => {
    const neverPaid = new Story();
    neverPaid.accepted('a', { state: 'paid' });
    expect(neverPaid.judged()).toEqual([expect.stringMatching(/^I2 a: is paid; its history allows/)]);

    const paidAndFreed = new Story();
    paidAndFreed.accepted('a', { state: 'expired', payments: [payment('a', 'accepted')] });
    paidAndFreed.paid('a', 'paid');
    expect(paidAndFreed.judged()).toEqual([expect.stringMatching(/^I2 a: is expired; its history allows paid/)]);

    const cancelledAndHeld = new Story();
    cancelledAndHeld.accepted('a');
    cancelledAndHeld.ended('cancel', 'a');
    expect(cancelledAndHeld.judged()).toEqual([expect.stringMatching(/^I2 a: is held; its history allows cancelled/)]);
  });

  test('[TO-5] money that is silent, or has two answers', () => {
    const silent = new Story();
    silent.accepted('a', { state: 'paid' });
    silent.paid('a', 'paid');
    expect(silent.judged()).toEqual(['A4 pay a: was answered paid and is not on the order']);

    const torn = new Story();
    torn.accepted('a', { state: 'paid', payments: [payment('a', 'accepted')] });
    torn.paid('a', 'paid', 'refund_due');
    expect(torn.judged()).toContain('A4 pay a: has two answers: paid, refund_due');
  });

  test('[TO-6] a buyer above the limit', () => {
    const story = new Story(9);
    for (const orderId of ['a', 'b', 'c']) story.accepted(orderId, { buyerId: 'ann' });
    const limits = new Map([[`${livestreamId}/${skuId}`, 2]]);
    expect(checkLimits(story.orders, limits).map(({ text }) => text)).toEqual([
      'night/tea ann has 3 units, the limit is 2',
    ]);
    expect(checkLimits(story.orders, new Map([[`${livestreamId}/${skuId}`, 3]]))).toEqual([]);
  });
});
