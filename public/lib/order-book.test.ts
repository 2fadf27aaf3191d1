import { expect, test } from 'vitest';
import type { Order } from '../../contract/orders.ts';
import { OrderBook } from './order-book.ts';

const order = (change: Partial<Order>): Order => ({
  orderId: 'o1',
  livestreamId: 'demo',
  state: 'held',
  lines: [{ skuId: 'tea', quantity: 1, unitPriceMinor: 990 }],
  totalMinor: 990,
  currency: 'CNY',
  createdAtMs: 1,
  expiresAtMs: 100,
  ...change,
});

test('[VW-12] an answer that comes after the news does not set the order back', () => {
  const shown: string[] = [];
  const book = new OrderBook((orders) => shown.push(orders.map(({ state }) => state).join()));
  for (const state of ['paid', 'held', 'expired', 'refunded', 'paid'] as const) book.put([order({ state })]);
  expect(shown).toEqual(['paid', 'refunded']);
});

test('[VW-12] an expired order may still become paid, and the newest order is first', () => {
  const book = new OrderBook(() => undefined);
  book.put([order({}), order({ orderId: 'o2', createdAtMs: 2 })]);
  book.put([order({ state: 'expired' })]);
  book.put([order({ state: 'paid' })]);
  expect(book.list().map(({ orderId, state }) => `${orderId} ${state}`)).toEqual(['o2 held', 'o1 paid']);
  expect(book.put([order({ state: 'paid' })])).toBe(false);
});
