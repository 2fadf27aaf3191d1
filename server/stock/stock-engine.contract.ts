import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { describeAfterwards } from './stock-engine.afterwards.contract.ts';
import { type EngineFactory, item, request, Stage, settings, TestClock } from './stock-engine.fixtures.ts';
import { describeInvariant } from './stock-engine.model.contract.ts';
import { describeRebuild } from './stock-engine.rebuild.contract.ts';

/** Every rule of docs/spec/stock.md that does not need a particular engine. `create` is called once. */
export function describeStockEngine(create: EngineFactory): void {
  let nonces = 0;
  let livestreams = 0;
  const clock = new TestClock();
  let made: Awaited<ReturnType<EngineFactory>>;
  let stage: Stage;
  beforeAll(async () => {
    made = await create({ clock, settings, newNonce: () => `nonce${(nonces += 1)}` });
    return () => made.close();
  });
  beforeEach(() => {
    livestreams += 1;
    stage = new Stage(made, `live-${livestreams}`, clock);
  });
  const current = (): Stage => stage;
  describe('who gets a unit', () => describeUnits(current));
  describe('refusals in order', () => describePrecedence(current));
  describe('limits', () => describeLimits(current));
  describe('sale policies', () => describePolicies(current));
  describe('one key, one effect', () => describeKeys(current));
  describe('afterwards', () => describeAfterwards(current));
  describe('rebuild', () => describeRebuild(current));
  describe('any history', () => describeInvariant(create));
}

function describeUnits(stage: () => Stage): void {
  test('[ST-1] a reservation moves its units from available to held', async () => {
    const { engine, id } = await stage().open(item('tea', { allotted: 3 }));
    expect(await engine.reserve(id, [request({ units: { tea: 2 } })])).toEqual([
      { kind: 'reserved', takes: 'hold', epoch: 1 },
    ]);
    expect(await stage().units()).toBe('3 held 2 sold 0 available 1');
  });

  test('[ST-3] an order of several items changes nothing when one of them does not fit', async () => {
    await stage().open(item('tea'), item('mug', { allotted: 1 }));
    const before = await stage().read();
    expect(await stage().reserve({ units: { tea: 2, mug: 2 } })).toEqual({ kind: 'insufficient', skuId: 'mug' });
    expect(await stage().read()).toEqual(before);
    expect(await stage().engine.holds(stage().id)).toEqual([]);
    expect(await stage().reserve({ units: { tea: 2, mug: 1 } })).toMatchObject({ kind: 'reserved' });
    expect(await stage().units('tea')).toBe('10 held 2 sold 0 available 8');
    expect(await stage().units('mug')).toBe('1 held 1 sold 0 available 0');
  });

  test('[ST-4] the same SKU twice is one line of the sum', async () => {
    await stage().open(item('tea', { allotted: 5 }));
    const twice = (quantity: number) => [
      { skuId: 'tea', quantity },
      { skuId: 'tea', quantity },
    ];
    expect(await stage().reserveRequest({ ...request(), lines: twice(3) })).toMatchObject({ kind: 'insufficient' });
    expect(await stage().reserveRequest({ ...request({ rid: 'sum' }), lines: twice(2) })).toMatchObject({
      kind: 'reserved',
    });
    const [hold] = await stage().engine.holds(stage().id);
    expect(hold?.lines).toEqual([{ skuId: 'tea', quantity: 4 }]);
    await stage().release('sum');
    expect(await stage().units()).toBe('5 held 0 sold 0 available 5');
  });

  test('[ST-8] 5,000 orders for 1,000 units: exactly 1,000 are accepted, the others are told sold_out', async () => {
    const { engine, id } = await stage().open(item('tea', { allotted: 1_000 }));
    const batches = Array.from({ length: 200 }, () => Array.from({ length: 25 }, () => request()));
    const kinds = (await Promise.all(batches.map((batch) => engine.reserve(id, batch)))).flat().map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'reserved')).toHaveLength(1_000);
    expect(kinds.filter((kind) => kind === 'sold_out')).toHaveLength(4_000);
    expect(await stage().units()).toBe('1000 held 1000 sold 0 available 0');
  });

  test('[ST-8] two orders at once for the last unit, 1,000 times: one success each', async () => {
    const { engine, id } = await stage().open(item('tea', { allotted: 1 }));
    for (let round = 0; round < 1_000; round += 1) {
      const pair = [request(), request()];
      const outcomes = (await Promise.all(pair.map((one) => engine.reserve(id, [one])))).flat();
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['reserved', 'sold_out']);
      await engine.release(
        id,
        pair.map(({ rid }) => ({ rid, unbind: true })),
      );
    }
    expect(await stage().units()).toBe('1 held 0 sold 0 available 1');
  });

  test('[ST-43] livestreams do not touch each other, also with equal rids and keys', async () => {
    await stage().open(item('tea'));
    const other = await new Stage(stage().engine, `${stage().id}.b`, stage().clock).open(item('tea'));
    const same = request();
    expect(await stage().reserveRequest(same)).toMatchObject({ kind: 'reserved' });
    expect(await other.units()).toBe('10 held 0 sold 0 available 10');
    expect(await other.reserveRequest(same)).toMatchObject({ kind: 'reserved' });
    await other.engine.archive(other.id);
    expect(await stage().units()).toBe('10 held 1 sold 0 available 9');
  });
}

function describePrecedence(stage: () => Stage): void {
  test('[ST-5] the first refusal in order of precedence is given, whichever line it applies to', async () => {
    const limits = { perOrder: 5, perBuyer: 5, perDevice: 5 };
    await stage().open(
      item('scarce', { allotted: 1 }),
      item('gone', { allotted: 0 }),
      item('capped', { perBuyer: 1, perDevice: 1 }),
      item('device', { perDevice: 1 }),
      item('stopped', { sale: 'stopped', ...limits }),
      item('draft', { sale: 'not_open' }),
    );
    const ask = (...skuIds: string[]) =>
      stage().reserve({ deviceId: 'phone', units: Object.fromEntries(skuIds.map((skuId) => [skuId, 2])) });
    const all = ['scarce', 'gone', 'device', 'capped', 'stopped', 'draft', 'none'];
    expect(await ask(...all)).toEqual({ kind: 'not_found', skuId: 'none' });
    expect(await ask(...all.slice(0, 6))).toEqual({ kind: 'not_open', skuId: 'draft' });
    expect(await ask(...all.slice(0, 5))).toEqual({ kind: 'stopped', skuId: 'stopped' });
    const capped = { skuId: 'capped', limit: 1, counted: 0 };
    expect(await ask(...all.slice(0, 4))).toEqual({ kind: 'limit_buyer', ...capped });
    expect(await ask(...all.slice(0, 3))).toEqual({ kind: 'limit_device', ...capped, skuId: 'device' });
    expect(await ask(...all.slice(0, 2))).toEqual({ kind: 'sold_out', skuId: 'gone' });
    expect(await ask('scarce')).toEqual({ kind: 'insufficient', skuId: 'scarce' });
  });

  test('[ST-5] among equal refusals the first line is named', async () => {
    await stage().open(item('tea', { allotted: 0 }), item('mug', { allotted: 0 }));
    expect(await stage().reserve({ units: { mug: 1, tea: 1 } })).toEqual({ kind: 'sold_out', skuId: 'mug' });
  });

  test('[ST-6] a sale opens at its moment; not open and ended refuse alike, stopped on its own', async () => {
    const { clock } = stage();
    await stage().open(
      item('tea', { opensAtMs: clock.nowMs + 1_000 }),
      item('ended', { sale: 'ended' }),
      item('stopped', { sale: 'stopped', opensAtMs: clock.nowMs + 1_000 }),
    );
    clock.nowMs += 999;
    expect(await stage().reserve()).toEqual({ kind: 'not_open', skuId: 'tea' });
    clock.nowMs += 1;
    expect(await stage().reserve()).toMatchObject({ kind: 'reserved' });
    expect(await stage().reserve({ units: { ended: 1 } })).toEqual({ kind: 'not_open', skuId: 'ended' });
    expect(await stage().reserve({ units: { stopped: 1 } })).toEqual({ kind: 'stopped', skuId: 'stopped' });
  });

  test('[ST-7] an order that fits exactly gets the last units; then the item is sold out', async () => {
    await stage().open(item('tea', { allotted: 3 }));
    expect(await stage().reserve({ units: { tea: 4 } })).toEqual({ kind: 'insufficient', skuId: 'tea' });
    expect(await stage().reserve({ units: { tea: 3 } })).toMatchObject({ kind: 'reserved' });
    expect(await stage().reserve({ units: { tea: 1 } })).toEqual({ kind: 'sold_out', skuId: 'tea' });
  });
}

function describeLimits(stage: () => Stage): void {
  test('[ST-9] the limit per order counts the units of this order alone', async () => {
    await stage().open(item('tea', { perOrder: 2 }));
    const refusal = { kind: 'limit_buyer', skuId: 'tea', limit: 2, counted: 0 };
    expect(await stage().reserve({ buyerId: 'ann', units: { tea: 3 } })).toEqual(refusal);
    for (let order = 0; order < 2; order += 1) {
      expect(await stage().reserve({ buyerId: 'ann', units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
    }
  });

  test('[ST-10] the limit per buyer counts pending, held and paid units; a release gives them back', async () => {
    await stage().open(item('tea', { perBuyer: 3 }));
    const ask = (rid: string, tea: number) => stage().reserve({ rid, buyerId: 'ann', units: { tea } });
    const refusal = (counted: number) => ({ kind: 'limit_buyer', skuId: 'tea', limit: 3, counted });
    expect(await ask('one', 1)).toMatchObject({ kind: 'reserved' });
    expect(await ask('three', 3)).toEqual(refusal(1));
    expect(await ask('two', 2)).toMatchObject({ kind: 'reserved' });
    await stage().confirm('one');
    await stage().settle('one');
    expect(await ask('more', 1)).toEqual(refusal(3));
    expect(await stage().reserve({ buyerId: 'bob', units: { tea: 3 } })).toMatchObject({ kind: 'reserved' });
    await stage().release('two');
    expect(await ask('again', 3)).toEqual(refusal(1));
    expect(await ask('fits', 2)).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-11] the limit per device counts over buyers; orders without a device pass it', async () => {
    await stage().open(item('tea', { perDevice: 1 }));
    expect(await stage().reserve({ deviceId: 'phone' })).toMatchObject({ kind: 'reserved' });
    const refusal = { kind: 'limit_device', skuId: 'tea', limit: 1, counted: 1 };
    expect(await stage().reserve({ deviceId: 'phone' })).toEqual(refusal);
    expect(await stage().reserve({ deviceId: null })).toMatchObject({ kind: 'reserved' });
    expect(await stage().reserve({ deviceId: null })).toMatchObject({ kind: 'reserved' });
    expect(await stage().reserve({ deviceId: 'tablet' })).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-12] a limit that is set later includes what was bought before', async () => {
    await stage().open(item('tea'));
    await stage().reserve({ buyerId: 'ann', deviceId: 'phone', units: { tea: 4 } });
    await stage().put(item('tea', { termsRev: 2, perBuyer: 4, perDevice: 4 }));
    const who = { buyerId: 'ann', deviceId: 'phone' };
    expect(await stage().reserve(who)).toEqual({ kind: 'limit_buyer', skuId: 'tea', limit: 4, counted: 4 });
    expect(await stage().reserve({ ...who, buyerId: 'bob' })).toEqual({
      kind: 'limit_device',
      skuId: 'tea',
      limit: 4,
      counted: 4,
    });
  });

  test('[G4] a refused order does not count', async () => {
    await stage().open(item('tea', { perBuyer: 2 }), item('gone', { allotted: 0 }));
    await stage().reserve({ buyerId: 'ann', units: { tea: 2, gone: 1 } });
    expect(await stage().reserve({ buyerId: 'ann', units: { tea: 2 } })).toMatchObject({ kind: 'reserved' });
  });
}

function describePolicies(stage: () => Stage): void {
  test('[ST-13] deduct on payment needs the units, takes none and changes no level', async () => {
    await stage().open(item('tea', { allotted: 2, salePolicy: { kind: 'deduct_on_payment' } }));
    const before = await stage().read();
    expect(await stage().reserve({ units: { tea: 2 } })).toEqual({ kind: 'reserved', takes: 'pay', epoch: 1 });
    expect(await stage().reserve({ units: { tea: 2 } })).toMatchObject({ kind: 'reserved', takes: 'pay' });
    expect(await stage().reserve({ units: { tea: 3 } })).toEqual({ kind: 'insufficient', skuId: 'tea' });
    expect(await stage().read()).toEqual(before);
    await stage().put(item('tea', { poolRev: 2, allotted: 0, salePolicy: { kind: 'deduct_on_payment' } }));
    expect(await stage().reserve()).toEqual({ kind: 'sold_out', skuId: 'tea' });
  });

  test('[ST-13] with a threshold, units are taken at once from the threshold down', async () => {
    await stage().open(item('tea', { allotted: 4, salePolicy: { kind: 'hold_below', threshold: 3 } }));
    expect(await stage().reserve()).toMatchObject({ takes: 'pay' });
    await stage().put(item('tea', { poolRev: 2, allotted: 3 }));
    expect(await stage().reserve()).toMatchObject({ takes: 'hold' });
    expect(await stage().units()).toBe('3 held 1 sold 0 available 2');
  });

  test('[ST-14] one line that takes at once makes the whole order take at once', async () => {
    await stage().open(item('tea', { salePolicy: { kind: 'deduct_on_payment' } }), item('mug'));
    expect(await stage().reserve({ units: { tea: 2, mug: 1 } })).toMatchObject({ takes: 'hold' });
    expect(await stage().units('tea')).toBe('10 held 2 sold 0 available 8');
  });

  test('[ST-14] a switch of the policy does not touch earlier orders', async () => {
    await stage().open(item('tea', { salePolicy: { kind: 'deduct_on_payment' } }));
    await stage().reserve({ rid: 'early' });
    await stage().put(item('tea', { termsRev: 2 }));
    await stage().confirm('early');
    expect(await stage().engine.holds(stage().id)).toMatchObject([{ rid: 'early', state: 'placed', takes: 'pay' }]);
    await stage().release('early');
    expect(await stage().units()).toBe('10 held 0 sold 0 available 10');
  });
}

function describeKeys(stage: () => Stage): void {
  test('[ST-15] the same rid again gets the same answer and takes nothing more', async () => {
    await stage().open(item('tea', { perBuyer: 1 }));
    const one = request();
    const first = await stage().reserveRequest(one);
    await stage().put(item('tea', { rev: 2, sale: 'stopped' }));
    expect(await stage().reserveRequest(one)).toEqual(first);
    await stage().confirm(one.rid);
    expect(await stage().reserveRequest(one)).toEqual(first);
    expect(await stage().units()).toBe('10 held 1 sold 0 available 9');
  });

  test('[ST-16] a known key tells its first attempt and where it stands, beyond the end of the hold', async () => {
    await stage().open(item('tea', { perBuyer: 2 }));
    const ask = (rid: string, key: string) => stage().reserve({ rid, key, buyerId: 'ann' });
    const known = (rid: string, state: string) => ({ kind: 'known', rid, state, takes: 'hold' });
    await ask('r-paid', 'ann/paid');
    await ask('r-lost', 'ann/lost');
    expect(await ask('other', 'ann/paid')).toEqual(known('r-paid', 'pending'));
    await stage().confirm('r-paid');
    expect(await ask('other', 'ann/paid')).toEqual(known('r-paid', 'held'));
    await stage().settle('r-paid');
    await stage().release('r-lost');
    await stage().put(item('tea', { rev: 2, sale: 'stopped', perBuyer: 2 }));
    expect(await ask('other', 'ann/paid')).toEqual(known('r-paid', 'settled'));
    expect(await ask('r-paid', 'ann/paid')).toEqual(known('r-paid', 'settled'));
    expect(await ask('other', 'ann/lost')).toEqual(known('r-lost', 'closed'));
    expect(await stage().units()).toBe('10 held 0 sold 1 available 9');
  });

  test('[ST-17] a known key with another content is a mismatch, also when its first answer was a refusal', async () => {
    await stage().open(item('tea'), item('gone', { allotted: 0 }));
    await stage().reserve({ key: 'ann/one', bodyHash: 'a' });
    await stage().reserve({ key: 'ann/two', bodyHash: 'a', units: { gone: 1 } });
    expect(await stage().reserve({ key: 'ann/one', bodyHash: 'b' })).toEqual({ kind: 'idempotency_mismatch' });
    expect(await stage().reserve({ key: 'ann/two', bodyHash: 'b' })).toEqual({ kind: 'idempotency_mismatch' });
  });

  test('[ST-18] a refusal stays with its key although units have come back; a new key gets a new decision', async () => {
    await stage().open(item('tea', { allotted: 1, perBuyer: 1 }));
    await stage().reserve({ rid: 'first', buyerId: 'ann' });
    const late = { rid: 'late', key: 'bob/key', buyerId: 'bob' };
    const limited = { rid: 'limited', key: 'ann/more', buyerId: 'ann' };
    expect(await stage().reserve(late)).toEqual({ kind: 'sold_out', skuId: 'tea' });
    const refusal = { kind: 'limit_buyer', skuId: 'tea', limit: 1, counted: 1 };
    expect(await stage().reserve(limited)).toEqual(refusal);
    await stage().release('first');
    expect(await stage().reserve(late)).toEqual({ kind: 'sold_out', skuId: 'tea' });
    expect(await stage().reserve({ ...limited, rid: 'another' })).toEqual(refusal);
    expect(await stage().reserve({ ...late, key: 'bob/new' })).toMatchObject({ kind: 'reserved' });
  });

  test('[ST-19] unbinding frees the key for a new attempt', async () => {
    await stage().open(item('tea'));
    const ask = (rid: string) => stage().reserve({ rid, key: 'ann/key' });
    await ask('one');
    await stage().release('one', true);
    expect(await ask('two')).toMatchObject({ kind: 'reserved' });
    await stage().release('two', false);
    await stage().release('two', true);
    expect(await ask('three')).toEqual({ kind: 'known', rid: 'two', state: 'closed', takes: 'hold' });
  });

  test('[ST-20] equal keys and rids inside one batch behave as if sent one after the other', async () => {
    const { engine, id } = await stage().open(item('tea', { allotted: 2 }), item('mug'));
    const first = request({ rid: 'a', key: 'ann/key' });
    const outcomes = await engine.reserve(id, [
      first,
      request({ rid: 'b', key: 'ann/key' }),
      request({ rid: 'c', key: 'ann/key', bodyHash: 'other' }),
      first,
      request({ rid: 'd', units: { tea: 2 }, key: 'bob/key' }),
      request({ rid: 'e', units: { tea: 1 }, key: 'bob/key' }),
      request({ rid: 'f' }),
      request({ rid: 'g' }),
    ]);
    const reserved = { kind: 'reserved', takes: 'hold', epoch: 1 };
    expect(outcomes).toEqual([
      reserved,
      { kind: 'known', rid: 'a', state: 'pending', takes: 'hold' },
      { kind: 'idempotency_mismatch' },
      reserved,
      { kind: 'insufficient', skuId: 'tea' },
      { kind: 'insufficient', skuId: 'tea' },
      reserved,
      { kind: 'sold_out', skuId: 'tea' },
    ]);
    expect(await stage().units()).toBe('2 held 2 sold 0 available 0');
  });

  test('[ST-21] keys past the retry window are forgotten, oldest first, but not those of live attempts', async () => {
    const { engine, id, clock } = await stage().open(item('tea'));
    const ask = (rid: string, key: string) => stage().reserve({ rid, key });
    await ask('live', 'ann/live');
    clock.nowMs += 1;
    await ask('done', 'ann/done');
    clock.nowMs += 1;
    await ask('late', 'ann/late');
    await stage().release('done');
    await stage().release('late');
    clock.nowMs += settings.keyTtlMs - 3;
    expect(await engine.prune(id, 10)).toBe(0);
    clock.nowMs += 2;
    expect(await engine.prune(id, 1)).toBe(0);
    expect(await engine.prune(id, 10)).toBe(1);
    clock.nowMs += 1;
    expect(await ask('new', 'ann/live')).toMatchObject({ kind: 'known', rid: 'live' });
    expect(await ask('new', 'ann/late')).toMatchObject({ kind: 'known', rid: 'late' });
    expect(await ask('new', 'ann/done')).toMatchObject({ kind: 'reserved' });
    await stage().release('live');
    clock.nowMs += settings.keyTtlMs * 2;
    expect(await engine.prune(id, 2)).toBe(2);
    expect(await engine.prune(id, 10)).toBe(0);
  });
}
