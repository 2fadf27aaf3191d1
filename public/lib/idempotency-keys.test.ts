import { describe, expect, test } from 'vitest';
import { IdempotencyKey } from '../../contract/primitives.ts';
import { newIdempotencyKey, PendingOrders } from './idempotency-keys.ts';

function memoryStorage() {
  const texts = new Map<string, string>();
  return {
    texts,
    getItem: (name: string) => texts.get(name) ?? null,
    setItem: (name: string, text: string) => void texts.set(name, text),
    removeItem: (name: string) => void texts.delete(name),
  };
}
const tea = [{ skuId: 'tea', quantity: 1 }];

describe('idempotency keys', () => {
  test('[VW-10] a key is stored before it is used and comes back after a reload', () => {
    const storage = memoryStorage();
    const make = () => new PendingOrders({ storage, livestreamId: 'demo', now: () => 1_000 });
    const begun = make().begin(tea, () => 'key-0001');
    expect(storage.texts.size).toBe(1);
    expect(make().list()).toEqual([begun]);
    expect(make().begin(tea, () => 'key-0002').key).toBe('key-0001');
    make().settle('key-0001');
    expect(storage.texts.size).toBe(0);
    expect(make().begin(tea, () => 'key-0003').key).toBe('key-0003');
  });

  test('[VW-10] other lines are another attempt, the same lines in another order are not', () => {
    const pending = new PendingOrders({ storage: memoryStorage(), livestreamId: 'demo', now: () => 0 });
    const both = [...tea, { skuId: 'mug', quantity: 2 }];
    pending.begin(tea, () => 'key-0001');
    expect(pending.begin(both, () => 'key-0002').key).toBe('key-0002');
    expect(pending.begin(both.toReversed(), () => 'key-0003').key).toBe('key-0002');
  });

  test('[VW-10] attempts of yesterday, and what is not an attempt, are forgotten', () => {
    const storage = memoryStorage();
    let nowMs = 0;
    const pending = new PendingOrders({ storage, livestreamId: 'demo', now: () => nowMs });
    pending.begin(tea, () => 'key-0001');
    nowMs = 86_400_001;
    expect(pending.list()).toEqual([]);
    storage.setItem('stockcast.pending.demo', '[1, {"key": 2}]');
    expect(pending.list()).toEqual([]);
    storage.setItem('stockcast.pending.demo', 'not JSON');
    expect(pending.list()).toEqual([]);
  });

  test('[VW-10] a browser without storage can still buy', () => {
    const broken = {
      getItem: () => null,
      setItem: () => {
        throw new Error('QuotaExceededError');
      },
      removeItem: () => undefined,
    };
    const pending = new PendingOrders({ storage: broken, livestreamId: 'demo', now: () => 0 });
    expect(pending.begin(tea, () => 'key-0001').key).toBe('key-0001');
  });

  test('[VW-10] keys are as the contract wants them, and no two are alike', () => {
    const keys = Array.from({ length: 200 }, newIdempotencyKey);
    expect(new Set(keys).size).toBe(200);
    for (const key of keys) expect(IdempotencyKey.safeParse(key).success).toBe(true);
  });
});
