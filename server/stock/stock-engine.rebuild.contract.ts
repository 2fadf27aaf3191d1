import { expect, test } from 'vitest';
import { item, request, type Stage, settings, snapshot, soon } from './stock-engine.fixtures.ts';
import type { GateHold } from './stock-engine.ts';

/** Missing, closed, loaded, archived: B1 to B3 on the gate's side. */
export function describeRebuild(stage: () => Stage): void {
  async function expectNothingThere(): Promise<void> {
    const { engine, id } = stage();
    expect(await engine.reserve(id, [request(), request()])).toEqual([{ kind: 'rebuilding' }, { kind: 'rebuilding' }]);
    expect(await engine.read(id)).toBeNull();
    expect(await engine.peek(id)).toBeNull();
    expect(await engine.holds(id)).toEqual([]);
    expect(await engine.overdue(id, 10)).toEqual([]);
    expect(await engine.prune(id, 10)).toBe(0);
    await stage().confirm('one');
    await stage().settle('one');
    await stage().release('one');
    await stage().put(item('tea'));
    expect(await engine.read(id)).toBeNull();
  }

  test('[ST-38] a missing gate answers rebuilding and does nothing', () => expectNothingThere());

  test('[ST-38] a closed gate answers rebuilding and does nothing', async () => {
    await stage().open(item('tea'));
    await stage().reserve({ rid: 'one' });
    await stage().follow();
    await stage().begin(true);
    await expectNothingThere();
    expect(stage().heard).toEqual([]);
  });

  test('[ST-39] begin closes a missing gate, is adopted by the next, and leaves an open gate alone unless forced', async () => {
    const { engine, id } = stage();
    const nonce = await stage().begin();
    expect(await engine.begin(id)).toEqual({ kind: 'closed', nonce });
    expect(await engine.begin(id, { force: true })).toEqual({ kind: 'closed', nonce });
    expect(await engine.load(id, nonce, snapshot({ epoch: 4, items: [item('tea')] }))).toBe('loaded');
    expect(await engine.begin(id)).toEqual({ kind: 'open', epoch: 4 });
    const forced = await stage().begin(true);
    expect(forced).not.toBe(nonce);
    expect(await engine.begin(id)).toEqual({ kind: 'closed', nonce: forced });
  });

  test('[ST-40] a load under another nonce or with no newer epoch changes nothing', async () => {
    const { engine, id } = stage();
    expect(await engine.load(id, 'nonce', snapshot())).toBe('superseded');
    const nonce = await stage().begin();
    expect(await engine.load(id, 'another', snapshot())).toBe('superseded');
    expect(await engine.load(id, nonce, snapshot({ epoch: 5, items: [item('tea')] }))).toBe('loaded');
    await stage().reserve({ rid: 'one' });
    for (const epoch of [4, 5]) expect(await engine.load(id, nonce, snapshot({ epoch }))).toBe('superseded');
    expect(await stage().units()).toBe('10 held 1 sold 0 available 9');
    const forced = await stage().begin(true);
    expect(await engine.load(id, nonce, snapshot({ epoch: 6 }))).toBe('superseded');
    expect(await engine.load(id, forced, snapshot({ epoch: 5 }))).toBe('superseded');
    expect(await engine.read(id)).toBeNull();
    expect(await engine.load(id, forced, snapshot({ epoch: 6 }))).toBe('loaded');
    expect(await stage().read()).toMatchObject({ epoch: 6, items: [] });
  });

  test('[ST-40] of two rebuilds under one nonce the one with the newer epoch wins, whichever comes first', async () => {
    const { engine, id } = stage();
    const nonce = await stage().begin();
    const load = (epoch: number) => engine.load(id, nonce, snapshot({ epoch, items: [item('tea')] }));
    expect([await load(2), await load(3), await load(2)]).toEqual(['loaded', 'loaded', 'superseded']);
    expect(await stage().reserve()).toEqual({ kind: 'reserved', takes: 'hold', epoch: 3 });
  });

  test('[ST-41] after a load everything is as the ledger says, and everybody hears of it', async () => {
    const { engine, id } = await stage().open(item('old'));
    await stage().reserve({ rid: 'lost', units: { old: 1 } });
    await stage().follow();
    const hold = (rid: string, state: GateHold['state']): GateHold => ({
      rid,
      state,
      takes: state === 'placed' ? 'pay' : 'hold',
      buyerId: 'ann',
      deviceId: 'phone',
      lines: [{ skuId: 'tea', quantity: 2 }],
      leaseEndsAtMs: stage().clock.nowMs + 5,
    });
    const holds = [hold('r-held', 'held'), hold('r-placed', 'placed')];
    const key = { bodyHash: 'hash', takes: 'hold' } as const;
    const items = [item('tea', { sold: 3, returned: 1, perBuyer: 5, rev: 7 }), item('mug', { perDevice: 1 })];
    await stage().load({
      epoch: 9,
      infoRev: 4,
      items,
      holds,
      counted: [
        { skuId: 'tea', buyerId: 'ann', deviceId: null, quantity: 1 },
        { skuId: 'mug', buyerId: 'ann', deviceId: 'phone', quantity: 1 },
      ],
      keys: [
        { ...key, key: 'ann/held', rid: 'r-held', state: 'held' },
        { ...key, key: 'ann/paid', rid: 'r-paid', state: 'settled' },
        { ...key, key: 'ann/gone', rid: 'r-gone', state: 'closed' },
      ],
    });
    expect(await stage().units()).toBe('10 held 2 sold 3 available 5');
    expect(await engine.holds(id)).toEqual(holds);
    expect(await stage().read()).toMatchObject({ epoch: 9, version: 2, infoRev: 4 });
    await soon(() => stage().heard.length === 1);
    expect(stage().heard).toMatchObject([{ epoch: 9, previousVersion: 0, version: 2, infoRev: 4 }]);
    expect(stage().heard[0]?.rows.map(({ skuId }) => skuId)).toEqual(['tea', 'mug']);

    const limit = { kind: 'limit_buyer', skuId: 'tea', limit: 5, counted: 5 };
    expect(await stage().reserve({ buyerId: 'ann' })).toEqual(limit);
    expect(await stage().reserve({ deviceId: 'phone', units: { mug: 1 } })).toMatchObject({ kind: 'limit_device' });
    for (const [name, state] of [
      ['held', 'held'] as const,
      ['paid', 'settled'] as const,
      ['gone', 'closed'] as const,
    ]) {
      const known = { kind: 'known', rid: `r-${name}`, state, takes: 'hold' };
      expect(await stage().reserve({ key: `ann/${name}` })).toEqual(known);
    }
    expect(await stage().reserve({ key: 'ann/gone', bodyHash: 'x' })).toEqual({ kind: 'idempotency_mismatch' });
    expect(await stage().reserve({ units: { old: 1 } })).toEqual({ kind: 'not_found', skuId: 'old' });

    await engine.release(id, [
      { rid: 'r-held', unbind: true },
      { rid: 'r-placed', unbind: false },
      { rid: 'lost', unbind: false },
    ]);
    expect(await stage().units()).toBe('10 held 0 sold 3 available 7');
    expect(await stage().reserve({ key: 'ann/held', buyerId: 'ann', units: { tea: 4 } })).toMatchObject({
      kind: 'reserved',
      epoch: 9,
    });
    stage().clock.nowMs += settings.keyTtlMs;
    // Two keys of the ledger and three of refusals; the fourth key has a live attempt.
    expect(await engine.prune(id, 10)).toBe(5);
  });

  test('[ST-41] a livestream without items can be loaded, and grows', async () => {
    await stage().open();
    expect(await stage().read()).toEqual({ epoch: 1, version: 1, infoRev: 1, items: [] });
    await stage().put(item('tea'));
    expect(await stage().reserve()).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-41] thousands of holds, keys and counts are loaded in one step', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => index);
    await stage().load({
      items: [item('tea', { allotted: 6_000, perBuyer: 2 })],
      holds: many.map((index) => ({
        rid: `r${index}`,
        state: 'held',
        takes: 'hold',
        buyerId: `b${index}`,
        deviceId: null,
        lines: [{ skuId: 'tea', quantity: 1 }],
        leaseEndsAtMs: index,
      })),
      counted: many.map((index) => ({ skuId: 'tea', buyerId: `b${index}`, deviceId: null, quantity: 1 })),
      keys: many.map((index) => ({
        key: `b${index}/k`,
        rid: `r${index}`,
        bodyHash: 'hash',
        state: 'held',
        takes: 'hold',
      })),
    });
    expect(await stage().units()).toBe('6000 held 5000 sold 0 available 1000');
    expect(await stage().reserve({ buyerId: 'b4999' })).toMatchObject({ kind: 'limit_buyer', counted: 2 });
    expect(await stage().engine.overdue(stage().id, 2)).toEqual([
      { rid: 'r0', state: 'held' },
      { rid: 'r1', state: 'held' },
    ]);
    await stage().engine.release(
      stage().id,
      many.map((index) => ({ rid: `r${index}`, unbind: true })),
    );
    expect(await stage().units()).toBe('6000 held 0 sold 0 available 6000');
    expect(await stage().engine.holds(stage().id)).toEqual([]);
  });

  test('[ST-42] an archived livestream is a missing one, and can begin again at any epoch', async () => {
    const { engine, id } = await stage().load({ epoch: 8, items: [item('tea')] });
    await stage().reserve({ rid: 'one', key: 'ann/key' });
    await engine.archive(id);
    await engine.archive(id);
    await expectNothingThere();
    await stage().load({ epoch: 2, items: [item('tea')] });
    expect(await stage().reserve({ key: 'ann/key' })).toMatchObject({ kind: 'reserved', epoch: 2 });
  });
}
