import { describe, expect, test } from 'vitest';
import { item, type Stage, soon } from './stock-engine.fixtures.ts';

/** What becomes of attempts, pools and messages after the reservation. */
export function describeAfterwards(stage: () => Stage): void {
  describe('confirm, settle, release', () => describeEnds(stage));
  describe('re-acquire', () => describeReacquire(stage));
  describe('pools and terms', () => describePools(stage));
  describe('messages', () => describeMessages(stage));
}

function describeEnds(stage: () => Stage): void {
  test('[ST-22] confirming gives the full lease, once, and changes no level', async () => {
    const { engine, id, clock } = await stage().open(item('tea'));
    await stage().reserve({ rid: 'one', buyerId: 'ann', deviceId: 'phone', units: { tea: 2 } });
    const before = await stage().read();
    const pendingHold = {
      rid: 'one',
      state: 'pending',
      takes: 'hold',
      buyerId: 'ann',
      deviceId: 'phone',
      lines: [{ skuId: 'tea', quantity: 2 }],
      leaseEndsAtMs: clock.nowMs + 2_000,
    };
    expect(await engine.holds(id)).toEqual([pendingHold]);
    await stage().confirm('one', 1_800_000_000_000);
    await stage().confirm('one', 1_900_000_000_000);
    await stage().confirm('absent', 1_900_000_000_000);
    expect(await engine.holds(id)).toEqual([{ ...pendingHold, state: 'held', leaseEndsAtMs: 1_800_000_000_000 }]);
    expect(await stage().read()).toEqual(before);
  });

  test('[ST-23] settling sells the units exactly once, from pending as from held', async () => {
    await stage().open(item('tea'));
    await stage().reserve({ rid: 'pending', units: { tea: 1 } });
    await stage().reserve({ rid: 'held', units: { tea: 2 } });
    await stage().confirm('held');
    await stage().engine.settle(stage().id, ['held', 'pending', 'held', 'absent']);
    await stage().settle('held');
    expect(await stage().units()).toBe('10 held 0 sold 3 available 7');
    expect(await stage().engine.holds(stage().id)).toEqual([]);
  });

  test('[ST-23] a placed attempt is not settled by itself', async () => {
    await stage().open(item('tea', { salePolicy: { kind: 'deduct_on_payment' } }));
    await stage().reserve({ rid: 'one' });
    await stage().settle('one');
    await stage().confirm('one');
    await stage().settle('one');
    expect(await stage().units()).toBe('10 held 0 sold 0 available 10');
    expect(await stage().engine.holds(stage().id)).toMatchObject([{ rid: 'one', state: 'placed' }]);
  });

  test('[ST-24] a release gives units back exactly once', async () => {
    await stage().open(item('tea'), item('mug'));
    await stage().reserve({ rid: 'one', units: { tea: 2, mug: 1 } });
    await stage().engine.release(stage().id, [
      { rid: 'one', unbind: false },
      { rid: 'one', unbind: true },
    ]);
    await stage().release('one');
    expect(await stage().units('tea')).toBe('10 held 0 sold 0 available 10');
    expect(await stage().units('mug')).toBe('10 held 0 sold 0 available 10');
  });

  test('[ST-24] a late release after the settlement does nothing', async () => {
    await stage().open(item('tea', { perBuyer: 1 }));
    await stage().reserve({ rid: 'one', buyerId: 'ann' });
    await stage().settle('one');
    await stage().release('one', true);
    expect(await stage().units()).toBe('10 held 0 sold 1 available 9');
    expect(await stage().reserve({ buyerId: 'ann' })).toMatchObject({ kind: 'limit_buyer', counted: 1 });
  });

  test('[ST-25] reserving never ends holds; attempts past their lease are listed oldest first', async () => {
    const { engine, id, clock } = await stage().open(item('tea', { allotted: 3 }));
    for (const rid of ['c', 'b', 'a']) {
      await stage().reserve({ rid });
      clock.nowMs += 1;
    }
    await stage().confirm('b', clock.nowMs + 60_000);
    clock.nowMs += 1_996;
    expect(await engine.overdue(id, 10)).toEqual([]);
    clock.nowMs += 100_000;
    expect(await stage().reserve()).toMatchObject({ kind: 'sold_out' });
    expect(await engine.overdue(id, 10)).toEqual([
      { rid: 'c', state: 'pending' },
      { rid: 'a', state: 'pending' },
      { rid: 'b', state: 'held' },
    ]);
    expect(await engine.overdue(id, 1)).toEqual([{ rid: 'c', state: 'pending' }]);
    await stage().release('c');
    expect(await engine.overdue(id, 1)).toEqual([{ rid: 'a', state: 'pending' }]);
  });
}

function describeReacquire(stage: () => Stage): void {
  const again = (reacquires: string, parts = {}) =>
    stage().reserve({ rid: `${reacquires}-again`, key: null, reacquires, buyerId: 'ann', ...parts });

  test('[ST-26] a payment takes units at once, whatever the sale says by now', async () => {
    const salePolicy = { kind: 'deduct_on_payment' } as const;
    await stage().open(item('tea', { salePolicy }));
    for (const [rev, sale] of [[2, 'stopped'] as const, [3, 'ended'] as const, [4, 'not_open'] as const]) {
      await stage().put(item('tea', { rev, sale, salePolicy, perOrder: 1, opensAtMs: 9_000_000_000_000 }));
      expect(await again(`gone${rev}`, { units: { tea: 2 } })).toMatchObject({ kind: 'reserved', takes: 'hold' });
    }
    expect(await stage().units()).toBe('10 held 6 sold 0 available 4');
  });

  test('[ST-27] the place and the counts of a placed order move to the payment without a check of the limits', async () => {
    await stage().open(item('tea', { perBuyer: 2, perDevice: 2, salePolicy: { kind: 'deduct_on_payment' } }));
    const who = { buyerId: 'ann', deviceId: 'phone', units: { tea: 2 } };
    await stage().reserve({ rid: 'old', key: 'ann/key', ...who });
    await stage().confirm('old');
    await stage().put(item('tea', { rev: 2, perBuyer: 1, perDevice: 1 }));
    expect(await again('old', who)).toMatchObject({ kind: 'reserved', takes: 'hold' });
    expect(await stage().units()).toBe('10 held 2 sold 0 available 8');
    expect(await stage().engine.holds(stage().id)).toMatchObject([{ rid: 'old-again', state: 'pending' }]);
    expect(await stage().reserve({ buyerId: 'ann' })).toMatchObject({ kind: 'limit_buyer', counted: 2 });
    await stage().release('old');
    expect(await stage().reserve({ key: 'ann/key' })).toMatchObject({ kind: 'known', rid: 'old', state: 'placed' });
    await stage().settle('old-again');
    expect(await stage().units()).toBe('10 held 0 sold 2 available 8');
    expect(await stage().reserve({ key: 'ann/key' })).toMatchObject({ kind: 'known', rid: 'old', state: 'settled' });
    expect(await stage().reserve({ buyerId: 'ann' })).toMatchObject({ kind: 'limit_buyer', counted: 2 });
  });

  test('[ST-27] units of an expiry that the gate has not heard of move as well, and the late release frees nothing', async () => {
    await stage().open(item('tea', { allotted: 2, perBuyer: 2 }));
    await stage().follow();
    await stage().reserve({ rid: 'old', buyerId: 'ann', units: { tea: 2 } });
    await stage().confirm('old');
    const before = await stage().read();
    expect(await again('old', { units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
    expect(await stage().read()).toEqual(before);
    await stage().release('old');
    expect(await stage().units()).toBe('2 held 2 sold 0 available 0');
    await stage().settle('old-again');
    expect(await stage().units()).toBe('2 held 0 sold 2 available 0');
  });

  test('[ST-28] without the older attempt the limits are checked anew, and a refusal changes nothing', async () => {
    await stage().open(item('tea', { allotted: 3, perBuyer: 2 }));
    await stage().reserve({ rid: 'old', buyerId: 'ann', units: { tea: 2 } });
    await stage().release('old');
    await stage().reserve({ rid: 'new', buyerId: 'ann', units: { tea: 1 } });
    const before = [await stage().read(), await stage().engine.holds(stage().id)];
    const refusal = { kind: 'limit_buyer', skuId: 'tea', limit: 2, counted: 1 };
    expect(await again('old', { units: { tea: 2 } })).toEqual(refusal);
    expect([await stage().read(), await stage().engine.holds(stage().id)]).toEqual(before);
    await stage().reserve({ rid: 'other', units: { tea: 2 } });
    expect(await again('old', { units: { tea: 1 } })).toEqual({ kind: 'sold_out', skuId: 'tea' });
  });

  test('[ST-28] a refused re-acquisition leaves the older attempt where it is', async () => {
    const salePolicy = { kind: 'deduct_on_payment' } as const;
    await stage().open(item('tea', { allotted: 1, salePolicy }));
    await stage().reserve({ rid: 'old', buyerId: 'ann' });
    await stage().put(item('tea', { poolRev: 2, allotted: 0, salePolicy }));
    expect(await again('old')).toEqual({ kind: 'sold_out', skuId: 'tea' });
    expect(await stage().engine.holds(stage().id)).toMatchObject([{ rid: 'old', takes: 'pay' }]);
  });

  test('[ST-29] a released re-acquisition leaves the key of the order bound', async () => {
    await stage().open(item('tea', { perBuyer: 1, salePolicy: { kind: 'deduct_on_payment' } }));
    await stage().reserve({ rid: 'old', key: 'ann/key', buyerId: 'ann' });
    await again('old');
    await stage().release('old-again', true);
    expect(await stage().reserve({ key: 'ann/key', buyerId: 'ann' })).toEqual({
      kind: 'known',
      rid: 'old',
      state: 'placed',
      takes: 'pay',
    });
    expect(await stage().reserve({ buyerId: 'ann' })).toMatchObject({ kind: 'limit_buyer', counted: 1 });
  });

  test('[ST-29] [G4] a released re-acquisition gives the placed order its place, its counts and its lease back', async () => {
    const { engine, id } = await stage().open(item('tea', { perBuyer: 2, salePolicy: { kind: 'deduct_on_payment' } }));
    await stage().reserve({ rid: 'old', key: 'ann/key', buyerId: 'ann', units: { tea: 2 } });
    await stage().confirm('old', 1_760_000_900_000);
    const before = await engine.holds(id);
    expect(await again('old', { units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
    await stage().release('old-again', true);
    expect(await engine.holds(id)).toEqual(before);
    expect(await stage().units()).toBe('10 held 0 sold 0 available 10');
    expect(await stage().reserve({ buyerId: 'ann' })).toMatchObject({ kind: 'limit_buyer', counted: 2 });
    await stage().release('old-again', true);
    expect(await engine.holds(id)).toEqual(before);
    expect(await again('old', { units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
    await stage().settle('old-again');
    expect(await stage().units()).toBe('10 held 0 sold 2 available 8');
    expect(await engine.holds(id)).toEqual([]);
  });
}

function describePools(stage: () => Stage): void {
  test('[ST-30] only a newer rev is taken, of pool and terms each on its own', async () => {
    await stage().open(item('tea', { rev: 3 }));
    await stage().put(item('tea', { rev: 3, allotted: 99, sale: 'stopped' }), item('tea', { rev: 2, allotted: 98 }));
    expect(await stage().units()).toBe('10 held 0 sold 0 available 10');
    await stage().put(item('tea', { poolRev: 4, termsRev: 2, allotted: 12, sale: 'stopped' }));
    expect(await stage().units()).toBe('12 held 0 sold 0 available 12');
    expect(await stage().status()).toBe('on_sale');
    await stage().put(item('tea', { poolRev: 3, termsRev: 4, allotted: 1, sale: 'stopped' }));
    expect(await stage().status()).toBe('stopped');
    const [tea] = (await stage().read()).items;
    expect(tea).toMatchObject({ allotted: 12, poolRev: 4, termsRev: 4 });
    const before = await stage().read();
    await stage().put(item('tea', { poolRev: 4, termsRev: 4, allotted: 12 }));
    expect(await stage().read()).toEqual(before);
  });

  test('[ST-31] a pool smaller than what is out shows nothing left until it fits again', async () => {
    await stage().open(item('tea'));
    await stage().reserve({ rid: 'six', units: { tea: 6 } });
    await stage().put(item('tea', { rev: 2, allotted: 4 }));
    expect(await stage().units()).toBe('4 held 6 sold 0 available 0');
    expect(await stage().status()).toBe('sold_out');
    expect(await stage().reserve()).toMatchObject({ kind: 'sold_out' });
    await stage().release('six');
    expect(await stage().units()).toBe('4 held 0 sold 0 available 4');
  });

  test('[ST-32] returned units are sellable again, and no longer sold', async () => {
    await stage().open(item('tea', { sold: 4, returned: 1 }));
    expect(await stage().units()).toBe('10 held 0 sold 4 available 6');
    await stage().put(item('tea', { rev: 2, returned: 3 }));
    expect(await stage().units()).toBe('10 held 0 sold 2 available 8');
    await stage().put(item('tea', { rev: 2, returned: 3 }));
    expect(await stage().units()).toBe('10 held 0 sold 2 available 8');
  });

  test('[ST-32] a return that overtakes its settlement frees its unit once', async () => {
    await stage().open(item('tea', { allotted: 1 }));
    await stage().reserve({ rid: 'one' });
    await stage().put(item('tea', { rev: 2, allotted: 1, returned: 1 }));
    expect(await stage().units()).toBe('1 held 1 sold 0 available 0');
    expect(await stage().reserve()).toEqual({ kind: 'sold_out', skuId: 'tea' });
    await stage().settle('one');
    expect(await stage().units()).toBe('1 held 0 sold 0 available 1');
  });

  test('[ST-30] a new item can be bought at once', async () => {
    await stage().open(item('tea'));
    await stage().put(item('mug', { allotted: 2, returned: 1 }));
    expect(await stage().units('mug')).toBe('2 held 0 sold 0 available 2');
    expect(await stage().reserve({ units: { mug: 2, tea: 1 } })).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-33] infoRev only rises, and readers hear of it though no level changes', async () => {
    const { engine, id } = await stage().open(item('tea'));
    await stage().follow();
    const { version } = await stage().read();
    await engine.putItems(id, [], 7);
    await engine.putItems(id, [], 7);
    await engine.putItems(id, [item('tea', { rev: 2 })], 3);
    expect(await engine.peek(id)).toEqual({ epoch: 1, version: version + 2, infoRev: 7 });
    await soon(() => stage().heard.length === 2);
    expect(stage().heard[0]).toEqual({
      epoch: 1,
      previousVersion: version,
      version: version + 1,
      infoRev: 7,
      rows: [],
    });
    expect(stage().heard[1]).toMatchObject({ version: version + 2, infoRev: 7, rows: [{ skuId: 'tea' }] });
  });
}

function describeMessages(stage: () => Stage): void {
  test('[ST-34] each change of an item is one version, carried by the item', async () => {
    await stage().open(item('tea'), item('mug'));
    const versions = async () => (await stage().read()).items.map(({ skuId, version }) => `${skuId} ${version}`);
    expect(await versions()).toEqual(['mug 2', 'tea 1']);
    await stage().reserve({ rid: 'one', units: { tea: 1, mug: 1 } });
    expect(await versions()).toEqual(['mug 4', 'tea 3']);
    await stage().settle('one');
    await stage().reserve({ units: { tea: 99 } });
    await stage().release('absent');
    expect(await versions()).toEqual(['mug 6', 'tea 5']);
    expect(await stage().engine.peek(stage().id)).toEqual({ epoch: 1, version: 6, infoRev: 1 });
  });

  test('[ST-35] one call is one message with the newest row of each changed item, and messages join up', async () => {
    const { engine, id } = await stage().open(item('tea'), item('mug'), item('cup'));
    await stage().follow();
    const requests = ['a', 'b'].map((rid) => ({
      rid,
      key: null,
      bodyHash: 'x',
      buyerId: 'ann',
      deviceId: null,
      reacquires: null,
      lines: [
        { skuId: 'tea', quantity: 1 },
        { skuId: 'mug', quantity: 1 },
      ],
    }));
    await engine.reserve(id, requests);
    await engine.settle(id, ['b']);
    await soon(() => stage().heard.length === 2);
    const row = { allotted: 10, status: 'on_sale' };
    expect(stage().heard).toEqual([
      {
        epoch: 1,
        previousVersion: 3,
        version: 7,
        infoRev: 1,
        rows: [
          { ...row, skuId: 'tea', version: 6, available: 8, held: 2, sold: 0 },
          { ...row, skuId: 'mug', version: 7, available: 8, held: 2, sold: 0 },
        ],
      },
      {
        epoch: 1,
        previousVersion: 7,
        version: 9,
        infoRev: 1,
        rows: [
          { ...row, skuId: 'tea', version: 8, available: 8, held: 1, sold: 1 },
          { ...row, skuId: 'mug', version: 9, available: 8, held: 1, sold: 1 },
        ],
      },
    ]);
  });

  test('[ST-36] a follower hears everything in order from the moment on that it follows, and nothing after', async () => {
    await stage().open(item('tea', { allotted: 200 }));
    const [stop, stopOther] = [await stage().follow(), await stage().follow()];
    await stopOther();
    await stopOther();
    await Promise.all(Array.from({ length: 100 }, () => stage().reserve()));
    await soon(() => stage().heard.length === 100);
    expect(stage().heard.map(({ version }) => version)).toEqual(Array.from({ length: 100 }, (_, index) => index + 2));
    await stop();
    await stage().reserve();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stage().heard).toHaveLength(100);
    expect(stage().interruptions).toBe(0);
  });

  test('[ST-37] an item is scheduled until its sale opens, then opens by itself', async () => {
    const { clock } = stage();
    const opensAtMs = clock.nowMs + 1_000;
    await stage().open(item('tea', { opensAtMs, allotted: 1 }), item('none', { opensAtMs, allotted: 0 }));
    expect([await stage().status('tea'), await stage().status('none')]).toEqual(['scheduled', 'scheduled']);
    clock.nowMs += 1_000;
    expect([await stage().status('tea'), await stage().status('none')]).toEqual(['on_sale', 'sold_out']);
  });
}
