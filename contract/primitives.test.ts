import { describe, expect, test } from 'vitest';
import { OpenSession } from './access.ts';
import { Order, PlaceOrder } from './orders.ts';
import {
  AmountMinor,
  Currency,
  Id,
  IdempotencyKey,
  InstantMs,
  QUANTITY_MAX,
  Quantity,
  UnitPriceMinor,
} from './primitives.ts';

describe('input', () => {
  test.each(['1234567890123456789', 'a', 'A.b_c-9', 'x'.repeat(64)])('[PR-10] %j is an id', (id) => {
    expect(Id.parse(id)).toBe(id);
  });

  test.each(['', 'x'.repeat(65), 'a b', 'a:b', '{a}', 'a/b', '茶', 'a\n', 'a\u0000', 7, null, ['a']])(
    '[PR-10] %j is not',
    (id) => {
      expect(Id.safeParse(id).success).toBe(false);
    },
  );

  test('[PR-10] quantities, amounts and instants are whole numbers in their range, never texts', () => {
    for (const wrong of [0, -1, 1.5, 10_000, Number.NaN, Number.POSITIVE_INFINITY, '1', true, null, 2 ** 53]) {
      expect([wrong, Quantity.safeParse(wrong).success]).toEqual([wrong, false]);
    }
    expect(Quantity.safeParse(1).success && Quantity.safeParse(9_999).success).toBe(true);
    for (const wrong of [-1, 0.1, 2 ** 60]) expect(AmountMinor.safeParse(wrong).success).toBe(false);
    for (const wrong of [-1, 1.5, '2026-01-01']) expect(InstantMs.safeParse(wrong).success).toBe(false);
    for (const wrong of ['cny', 'CNYX', 'C1Y', '']) expect(Currency.safeParse(wrong).success).toBe(false);
    expect(IdempotencyKey.safeParse('short').success).toBe(false);
  });

  test('[PR-10] an order with a field that it does not know is refused, so that a typing error cannot lose a limit', () => {
    const order = { idempotencyKey: 'key-12345', lines: [{ skuId: 'tea', quantity: 1 }] };
    expect(PlaceOrder.safeParse(order).success).toBe(true);
    expect(PlaceOrder.safeParse({ ...order, deviceid: 'd' }).success).toBe(false);
    expect(PlaceOrder.safeParse({ ...order, lines: [{ skuId: 'tea', quantity: 1, price: 1 }] }).success).toBe(false);
  });

  test('[PR-11] whatever order is accepted can be told: the greatest one is a contract order, and none is greater', () => {
    const lines = Array.from({ length: 20 }, (_, index) => ({ skuId: `sku-${index}`, quantity: QUANTITY_MAX }));
    const accepts = (given: object[]) => PlaceOrder.safeParse({ idempotencyKey: 'key-12345', lines: given }).success;
    expect(accepts(lines)).toBe(true);
    const [one = {}, two = {}] = lines;
    expect(accepts([one, { ...one, quantity: 1 }])).toBe(false);
    expect(accepts([two, { ...one, quantity: 9_000 }, { ...one, quantity: 1_000 }])).toBe(false);
    expect(accepts([{ ...one, quantity: 9_000 }, two, { ...one, quantity: 999 }])).toBe(true);
    const dearest = 40_000_000_000;
    expect(UnitPriceMinor.safeParse(dearest).success).toBe(true);
    expect(UnitPriceMinor.safeParse(dearest + 1).success).toBe(false);
    const told = {
      orderId: 'o',
      livestreamId: 'l',
      state: 'held',
      lines: lines.map((line) => ({ ...line, unitPriceMinor: dearest })),
      totalMinor: lines.reduce((sum, { quantity }) => sum + quantity * dearest, 0),
      currency: 'CNY',
      createdAtMs: 0,
      expiresAtMs: 0,
    };
    expect(Number.isSafeInteger(told.totalMinor)).toBe(true);
    expect(Order.safeParse(told).success).toBe(true);
  });

  test('[PR-10] a session is opened by a token or anonymously, never by both', () => {
    expect(OpenSession.safeParse({ token: 't' }).success).toBe(true);
    expect(OpenSession.safeParse({ livestreamId: 'a', anonymous: true }).success).toBe(true);
    expect(OpenSession.safeParse({ livestreamId: 'a', anonymous: false }).success).toBe(false);
    expect(OpenSession.safeParse({ token: 't', livestreamId: 'a', anonymous: true }).success).toBe(false);
  });
});
