import { afterEach, expect, test, vi } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { minutes, type Night, openNight, plan, raisesOf } from './alert-test-kit.ts';

const soon = { timeout: 5_000, interval: 5 };

describeWithDatabases('alerts', ({ database }: DatabaseUnderTest) => {
  const nights: Night[] = [];
  const open = async (): Promise<Night> => {
    const night = await openNight(database());
    nights.push(night);
    return night;
  };
  afterEach(async () => {
    for (const night of nights.splice(0)) await night.close();
  });
  const raised = (night: Night, skuId: string, expected: readonly string[]) =>
    vi.waitFor(async () => expect(await raisesOf(night, skuId)).toEqual(expected), soon);

  test('[AL-2][AL-10] an estimate of 500: 400, 500 and 600 give yellow, orange and red, each once and in order', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const { desk, messages } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(skuId, 399);
    await night.pass(1_000);
    expect(await raisesOf(night, skuId)).toEqual([]);
    await night.sell(skuId, 1);
    await raised(night, skuId, ['consumption yellow']);
    // The row stands before the node that wrote it has its answer.
    await vi.waitFor(() => expect(desk.openTierOf(night.livestreamId, skuId)).toBe('yellow'), soon);
    await night.sell(skuId, 100);
    await raised(night, skuId, ['consumption yellow', 'consumption orange']);
    await night.sell(skuId, 100);
    await raised(night, skuId, ['consumption yellow', 'consumption orange', 'consumption red']);
    const [alert, ...none] = await desk.list(night.livestreamId, 'open');
    expect(none).toEqual([]);
    expect(alert).toMatchObject({ basis: 'consumption', tier: 'red', state: 'raised' });
    expect(alert?.facts).toMatchObject({ consumed: 600, estimate: 500, percent: 120, percentOfStock: 12 });
    await vi.waitFor(
      () => expect(messages.map(({ alert: { tier } }) => tier)).toEqual(['yellow', 'orange', 'red']),
      soon,
    );
  });

  test('[AL-2] refunds and expiries never re-arm a tier, nor does a resolution by hand', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    const rid = await night.sell(skuId, 450);
    await raised(night, skuId, ['consumption yellow']);
    await night.giveBack(rid);
    await night.pass(minutes(10));
    await night.sell(skuId, 450);
    await night.pass(1_000);
    const [alert] = await desk.list(night.livestreamId, 'open');
    await desk.resolve(night.livestreamId, alert?.alertId ?? '', 'operator');
    await night.sell(skuId, 10);
    await night.pass(minutes(10));
    expect(await raisesOf(night, skuId)).toEqual(['consumption yellow']);
    expect(await desk.list(night.livestreamId, 'open')).toEqual([]);
    await night.sell(skuId, 40);
    await raised(night, skuId, ['consumption yellow', 'consumption orange']);
  });

  test('[AL-3] a new estimate while live moves the coverage line, and consumption stays with the one at the opening', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000, { open: false });
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan({ estimate: 100 }), 'operator');
    await desk.putPlan(night.livestreamId, skuId, plan({ estimate: 500 }), 'operator');
    await night.open(skuId);
    await night.pass(1_000);
    const view = await desk.putPlan(night.livestreamId, skuId, plan({ estimate: 1_000 }), 'operator');
    expect(view).toMatchObject({ coverageLine: 1_200 });
    await night.sell(skuId, 400);
    await raised(night, skuId, ['consumption yellow']);
    const [alert] = await desk.list(night.livestreamId, 'open');
    expect(alert?.facts).toMatchObject({ estimate: 500, presentEstimate: 1_000, percent: 80 });
    expect(alert?.reasons[1]?.en).toContain('at the opening, 500; the present estimate is 1000');
  });

  test('[AL-4] 600 sellable is no coverage alert, 599 is one; stock on hand beside the pool counts for nothing', async () => {
    const night = await open();
    const skuId = await night.item('tea', 600);
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.pass(1_000);
    expect(await raisesOf(night, skuId)).toEqual([]);
    await night.sell(skuId, 1);
    await raised(night, skuId, ['coverage yellow']);
    const [alert] = await desk.list(night.livestreamId, 'open');
    expect(alert?.facts).toMatchObject({ available: 599, line: 600, coefficient: 1.2 });
  });

  test('[AL-6] 200 of 500 at 30:00 raises the line once, with its reason in the record and on the curve', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const { desk, markers } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.pass(1);
    await night.sell(skuId, 199);
    await night.pass(minutes(29));
    expect((await desk.plans(night.livestreamId)).items[0]?.coverageLine).toBe(600);
    await night.sell(skuId, 1);
    await night.pass(minutes(1) - 1);
    const [item] = (await desk.plans(night.livestreamId)).items;
    expect(item).toMatchObject({ coverageLine: 750, coefficient: 1.5 });
    const history = await desk.planHistory(night.livestreamId, skuId);
    expect(history.map(({ actor }) => actor)).toEqual(['rule', 'operator']);
    expect(history[0]?.reasons[0]?.en).toContain('40 %');
    expect(markers.filter(({ kind }) => kind === 'decision')).toHaveLength(1);
    await night.pass(minutes(60));
    expect((await desk.planHistory(night.livestreamId, skuId)).length).toBe(2);
    expect(await desk.putPlan(night.livestreamId, skuId, plan({ dynamicLine: false }), 'operator')).toMatchObject({
      coverageLine: 600,
    });
  });

  test('[AL-6] 49 of 500 at 60:00 relaxes the line, 50 does not', async () => {
    const night = await open();
    const [slow, kept] = [await night.item('slow', 5_000), await night.item('kept', 5_000)];
    const { desk } = await night.node();
    for (const skuId of [slow, kept]) await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(slow, 49);
    await night.sell(kept, 50);
    await night.pass(minutes(60) - 1);
    const lines = async () => (await desk.plans(night.livestreamId)).items.map(({ coverageLine }) => coverageLine);
    expect(await lines()).toEqual([600, 600]);
    await night.pass(1);
    expect(await lines()).toEqual([510, 600]);
  });

  test('[AL-13] coverage is over 5 % above its line for a minute, or at once when the pool grew; then it may be raised again', async () => {
    const night = await open();
    const skuId = await night.item('tea', 610);
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan({ dynamicLine: false }), 'operator');
    await night.sell(skuId, 20);
    await raised(night, skuId, ['coverage yellow']);
    const openCount = async () => (await desk.list(night.livestreamId, 'open')).length;
    await night.allot(skuId, 649);
    await night.pass(minutes(5));
    expect(await openCount()).toBe(1);
    await night.allot(skuId, 650);
    await vi.waitFor(async () => expect(await openCount()).toBe(0), soon);
    await night.sell(skuId, 40);
    await raised(night, skuId, ['coverage yellow', 'coverage yellow']);
  });

  test('[AL-13] sold out is red by itself, is over when units have been back for a minute, and then may be raised again', async () => {
    const night = await open();
    const skuId = await night.item('mug', 10);
    const { desk } = await night.node();
    await night.pass(0);
    const rid = await night.sell(skuId, 10);
    await raised(night, skuId, ['sold_out red']);
    await night.giveBack(rid);
    await night.pass(59_000);
    expect(await desk.list(night.livestreamId, 'open')).toHaveLength(1);
    await night.pass(1_000);
    await night.pass(0);
    expect(await desk.list(night.livestreamId, 'open')).toEqual([]);
    await night.sell(skuId, 10);
    await raised(night, skuId, ['sold_out red', 'sold_out red']);
  });

  test('[AL-13] 500 crossings of a line in a minute are one message for each tier and item', async () => {
    const night = await open();
    const [tea, mug] = [await night.item('tea', 605), await night.item('mug', 5)];
    const { desk, messages } = await night.node();
    await desk.putPlan(night.livestreamId, tea, plan(), 'operator');
    for (let crossing = 0; crossing < 500; crossing += 1) {
      const [one, all] = [await night.sell(tea, 6), await night.sell(mug, 5)];
      night.clock.nowMs += 60;
      if (crossing % 50 === 0) await desk.round();
      await night.giveBack(one);
      await night.giveBack(all);
      night.clock.nowMs += 60;
    }
    await night.pass(0);
    const sent = messages
      .filter(({ alert }) => alert.escalation === 0)
      .map(({ alert }) => `${alert.skuId} ${alert.tier}`);
    expect(sent.toSorted()).toEqual([`${mug} red`, `${tea} yellow`].toSorted());
    expect([await raisesOf(night, tea), await raisesOf(night, mug)]).toEqual([['coverage yellow'], ['sold_out red']]);
  });

  test('[AL-8] one order that crosses several tiers raises each of them in order, and sends the highest', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const { desk, messages } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(skuId, 620);
    await raised(night, skuId, ['consumption yellow', 'consumption orange', 'consumption red']);
    await vi.waitFor(() => expect(messages.map(({ alert }) => alert.tier)).toEqual(['red']), soon);
    expect(await desk.tasks(night.livestreamId)).toMatchObject([{ skuId, state: 'open' }]);
  });

  test('[AL-12] red mutes yellow and orange of the same item, and only those, until it is resolved', async () => {
    const night = await open();
    const [tea, mug] = [await night.item('tea', 500), await night.item('mug', 5_000)];
    const { desk, emitted } = await night.node();
    for (const skuId of [tea, mug]) await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(mug, 400);
    await night.sell(tea, 500);
    await raised(night, mug, ['consumption yellow']);
    const byBasis = async () =>
      Object.fromEntries(
        (await desk.list(night.livestreamId, 'open')).map(({ skuId, basis, muted }) => [
          `${skuId === tea ? 'tea' : 'mug'} ${basis}`,
          muted,
        ]),
      );
    await vi.waitFor(
      async () =>
        expect(await byBasis()).toEqual({
          'tea sold_out': false,
          'tea coverage': false,
          'tea consumption': true,
          'mug consumption': false,
        }),
      soon,
    );
    for (const { skuId, tier, alertId } of await desk.list(night.livestreamId, 'open')) {
      if (skuId === tea && tier === 'red') await desk.resolve(night.livestreamId, alertId, 'operator');
    }
    expect(await byBasis()).toEqual({ 'tea consumption': false, 'mug consumption': false });
    expect(emitted.at(-1)).toMatchObject({ skuId: tea, basis: 'consumption', muted: false });
  });

  test('[AL-21] alerts of a livestream end with it', async () => {
    const night = await open();
    const skuId = await night.item('tea', 5_000);
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    await night.sell(skuId, 450);
    await raised(night, skuId, ['consumption yellow']);
    await night.end();
    await night.pass(1_000);
    expect(await desk.list(night.livestreamId, 'open')).toEqual([]);
    const [alert] = await desk.list(night.livestreamId, 'resolved');
    const found = await desk.find(night.livestreamId, alert?.alertId ?? '');
    expect(found?.events.at(-1)).toMatchObject({ kind: 'resolved', actor: 'rule', note: 'livestream ended' });
    expect(await desk.putPlan(night.livestreamId, skuId, plan(), 'operator')).toBe('conflict');
  });
});
