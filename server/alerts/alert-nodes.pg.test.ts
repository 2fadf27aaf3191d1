import { afterEach, expect, test, vi } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { type Night, openNight, plan, raisesOf, toldBy } from './alert-test-kit.ts';

const soon = { timeout: 5_000, interval: 5 };

describeWithDatabases('alerts of several nodes, and what goes wrong', ({ database }: DatabaseUnderTest) => {
  const nights: Night[] = [];
  const open = async (): Promise<Night> => {
    const night = await openNight(database());
    nights.push(night);
    return night;
  };
  afterEach(async () => {
    for (const night of nights.splice(0)) await night.close();
  });

  test('[I7][AL-9] of several nodes one raises a tier, sends it and stops the sale', async () => {
    const night = await open();
    const [one, two, three] = [await night.node(), await night.node(), await night.node()];
    const skuIds = [await night.item('tea', 5_000), await night.item('mug', 5_000), await night.item('bowl', 620)];
    for (const skuId of skuIds) {
      await one.desk.putPlan(night.livestreamId, skuId, plan({ redPolicy: 'stop' }), 'operator');
    }
    await night.pass(1_000);
    for (let step = 0; step < 13; step += 1) {
      await Promise.all(skuIds.map((skuId) => night.sell(skuId, step === 12 ? 24 : 48)));
    }
    const consumption = ['consumption yellow', 'consumption orange', 'consumption red'];
    await vi.waitFor(async () => {
      for (const skuId of skuIds) {
        const raises = await raisesOf(night, skuId);
        expect(raises.filter((text) => text.startsWith('consumption'))).toEqual(consumption);
      }
    }, soon);
    await night.pass(1_000);
    for (const node of [one, two, three]) {
      for (const skuId of skuIds) expect(node.desk.openTierOf(night.livestreamId, skuId)).toBe('red');
    }
    const sent = [one, two, three].flatMap(({ messages }) => messages).filter(({ alert }) => alert.escalation === 0);
    const keys = sent.map(({ alert }) => `${alert.skuId} ${alert.basis} ${alert.tier}`);
    expect(keys.length).toBe(new Set(keys).size);
    const stops = async () => {
      const entries = await Promise.all(skuIds.map((skuId) => night.shop.entries(skuId)));
      return entries.map((some) => some.filter(({ type }) => type === 'STOP').length);
    };
    await vi.waitFor(async () => expect(await stops()).toEqual([1, 1, 1]), soon);
    await night.pass(10_000);
    expect(await stops()).toEqual([1, 1, 1]);
  });

  test('[I7][AL-14] what a node owed when it died, another sends after three seconds', async () => {
    const night = await open();
    const [one, two] = [await night.node(), await night.node()];
    const skuId = await night.item('tea', 5_000);
    await one.desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await one.stop();
    await two.stop();
    // The statement of the first committed, and then it was gone: no message, no event, a lease of three seconds.
    const { prisma, clock } = night.shop;
    const crossing = {
      skuId,
      basis: 'consumption',
      generation: 0,
      tiers: ['yellow', 'orange'],
      alertId: `${skuId}-dead`,
    };
    const request = {
      livestreamId: night.livestreamId,
      atMs: clock.nowMs,
      leaseMs: 3_000,
      orangeMs: 60_000,
      redMs: 20_000,
    };
    const raise = { ...request, crossings: [{ ...crossing, facts: {}, reasons: [], note: '', task: null }] };
    await prisma.$queryRaw`SELECT stockcast_raise_alerts(${JSON.stringify(raise)}::jsonb)`;
    const three = await night.node();
    await night.pass(2_999);
    expect(three.messages).toEqual([]);
    await night.pass(1);
    expect(toldBy(three)).toEqual(['anna']);
    expect(three.emitted.map(({ tier }) => tier)).toEqual(['orange']);
    await night.pass(10_000);
    expect(toldBy(three)).toEqual(['anna']);
  });

  test('[AL-9] a node that starts late raises what was crossed while nobody looked, and nothing a second time', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const first = await night.node();
    await first.desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(skuId, 400);
    await vi.waitFor(async () => expect(await raisesOf(night, skuId)).toEqual(['consumption yellow']), soon);
    await first.stop();
    await night.sell(skuId, 100);
    const second = await night.node();
    await vi.waitFor(async () => {
      expect(await raisesOf(night, skuId)).toEqual(['consumption yellow', 'consumption orange']);
      // The row is committed before the node that wrote it has read the answer.
      expect(second.desk.openTierOf(night.livestreamId, skuId)).toBe('orange');
    }, soon);
  });

  // The clock stands still and no round is made: only the level that was heard can raise. (Figures: load-tests/README.md.)
  test('[AL-24] a tier is raised and sent to operators by the order that crossed it, no poll in between', async () => {
    const night = await open();
    const node = await night.node();
    const count = 100;
    const skuIds: string[] = [];
    for (let at = 0; at < count; at += 1) skuIds.push(await night.item(`item-${at}`, 5_000));
    for (const skuId of skuIds) await node.desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.pass(0);
    for (const skuId of skuIds) {
      await night.sell(skuId, 400);
      await vi.waitFor(() => expect(node.emitted.map((alert) => alert.skuId)).toContain(skuId), soon);
    }
    expect(node.emitted.map(({ tier }) => tier)).toEqual(Array.from({ length: count }, () => 'yellow'));
  });

  test('[AL-28] crossings while the database is away are raised in their order when it is back, once', async () => {
    const night = await open();
    const node = await night.node();
    const skuId = await night.item('tea', 5_000);
    await node.desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.pass(0);
    night.outage.on = true;
    await night.sell(skuId, 400);
    await night.sell(skuId, 100);
    await expect(night.pass(1_000)).rejects.toThrow('away');
    expect([node.messages, node.emitted]).toEqual([[], []]);
    night.outage.on = false;
    await night.pass(1_000);
    await vi.waitFor(async () => {
      expect(await raisesOf(night, skuId)).toEqual(['consumption yellow', 'consumption orange']);
      expect(toldBy(node)).toEqual(['anna']);
    }, soon);
    await night.pass(1_000);
    expect(toldBy(node)).toEqual(['anna']);
  });

  test('[AL-18] a plan takes effect at once, is recorded with its actor, and reaches other nodes with their next look', async () => {
    const night = await open();
    const [one, two] = [await night.node(), await night.node()];
    const skuId = await night.item('tea', 5_000);
    await night.pass(0);
    await night.sell(skuId, 450);
    await one.desk.putPlan(night.livestreamId, skuId, plan({ dynamicLine: false }), 'operator:anna');
    expect(await raisesOf(night, skuId)).toEqual(['consumption yellow']);
    await one.desk.putPlan(night.livestreamId, skuId, plan({ orangePercent: 90, dynamicLine: false }), 'operator:bo');
    expect(await raisesOf(night, skuId)).toEqual(['consumption yellow', 'consumption orange']);
    await night.pass(0);
    expect(two.desk.planOf(night.livestreamId, skuId)?.orangePercent).toBe(90);
    expect(await raisesOf(night, skuId)).toEqual(['consumption yellow', 'consumption orange']);
    const history = await two.desk.planHistory(night.livestreamId, skuId);
    expect(history.map(({ actor, plan: was }) => [actor, was.orangePercent])).toEqual([
      ['operator:bo', 90],
      ['operator:anna', 100],
    ]);
    expect(await one.desk.putPlan(night.livestreamId, 'none', plan(), 'operator')).toBe('not_found');
    expect(await one.desk.putPlannedEnd(night.livestreamId, night.clock.nowMs + 1, 'operator')).toBe(true);
    expect(one.desk.plannedEndAtMs(night.livestreamId)).toBe(night.clock.nowMs + 1);
    expect(await one.desk.putPlannedEnd('none', null, 'operator')).toBe(false);
  });
});
