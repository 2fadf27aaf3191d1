import { afterEach, expect, test, vi } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { minutes, type Night, type Node, openNight, person, plan, toldBy } from './alert-test-kit.ts';

const soon = { timeout: 5_000, interval: 5 };

describeWithDatabases('life of an alert', ({ database }: DatabaseUnderTest) => {
  const nights: Night[] = [];
  const open = async (): Promise<Night> => {
    const night = await openNight(database());
    nights.push(night);
    return night;
  };
  afterEach(async () => {
    for (const night of nights.splice(0)) await night.close();
  });

  /** One alert of an item with an estimate of 500, after so many units; its first message is out. */
  async function alertAt(night: Night, node: Node, units: number, change: Parameters<typeof plan>[0] = {}) {
    const skuId = await night.item('tea', 5_000);
    await node.desk.putPlan(night.livestreamId, skuId, plan(change), 'operator');
    await night.pass(0);
    await night.sell(skuId, units);
    const alert = await vi.waitFor(async () => {
      const [found] = await node.desk.list(night.livestreamId, 'open');
      if (found === undefined) throw new Error('not raised yet');
      const history = await node.desk.find(night.livestreamId, found.alertId);
      expect(history?.events.some((event) => event.kind === 'notified')).toBe(true);
      return found;
    }, soon);
    return { skuId, alert, alertId: alert.alertId };
  }

  test('[AL-11] an acknowledgement of yellow does not hide orange', async () => {
    const night = await open();
    const node = await night.node();
    const { skuId, alertId } = await alertAt(night, node, 400);
    const first = await node.desk.acknowledge(night.livestreamId, alertId, 'operator:anna', 'on it');
    expect(first).toMatchObject({ kind: 'done', alert: { state: 'acknowledged', acknowledgedBy: 'operator:anna' } });
    await node.desk.silence(night.livestreamId, alertId, 30, 'operator:anna');
    await night.sell(skuId, 100);
    await vi.waitFor(async () => {
      expect((await node.desk.find(night.livestreamId, alertId))?.alert).toMatchObject({
        tier: 'orange',
        state: 'raised',
        acknowledgedAtMs: null,
        silencedUntilMs: null,
      });
    }, soon);
    await vi.waitFor(() => expect(node.messages.at(-1)?.alert.tier).toBe('orange'), soon);
  });

  test('[AL-20] orange goes to the next on call after 60 s, red after 20 s, then to all on every channel; yellow waits', async () => {
    const night = await open();
    const node = await night.node();
    const { skuId, alertId } = await alertAt(night, node, 400);
    await night.pass(minutes(10));
    expect(toldBy(node)).toEqual(['anna']);
    await night.sell(skuId, 100);
    await vi.waitFor(() => expect(toldBy(node)).toEqual(['anna', 'anna']), soon);
    await night.pass(59_999);
    expect(toldBy(node)).toEqual(['anna', 'anna']);
    await night.pass(1);
    expect(toldBy(node).slice(2)).toEqual(['bo']);
    expect((await node.desk.find(night.livestreamId, alertId))?.alert.escalation).toBe(1);
    await night.sell(skuId, 100);
    await vi.waitFor(() => expect(toldBy(node).slice(3)).toEqual(['anna']), soon);
    await night.pass(20_000);
    await night.pass(20_000);
    expect(toldBy(node).slice(4)).toEqual(['bo', 'anna+bo']);
    expect(node.messages.at(-1)?.everyChannel).toBe(true);
  });

  test('[AL-20] acknowledging stops the escalation; it ends by itself after ten steps', async () => {
    const night = await open();
    const node = await night.node();
    const { alertId } = await alertAt(night, node, 500);
    await node.desk.acknowledge(night.livestreamId, alertId, 'operator', '');
    await night.pass(minutes(5));
    expect(toldBy(node)).toEqual(['anna']);
    await node.desk.unacknowledge(night.livestreamId, alertId, 'operator');
    for (let round = 0; round < 15; round += 1) await night.pass(60_000);
    expect(node.messages).toHaveLength(1 + 1 + 10);
  });

  test('[AL-15] an acknowledgement without action ends after 15 minutes; an action begins them anew', async () => {
    const night = await open();
    const node = await night.node();
    const { skuId, alertId } = await alertAt(night, node, 500);
    await node.desk.acknowledge(night.livestreamId, alertId, 'operator', '');
    const state = async () => (await node.desk.find(night.livestreamId, alertId))?.alert.state;
    await night.pass(minutes(14));
    await night.allot(skuId, 5_100);
    // The action is noted beside the path of levels.
    await vi.waitFor(async () => {
      const { unackAt } = await night.shop.prisma.alert.findUniqueOrThrow({ where: { id: alertId } });
      expect(unackAt?.getTime()).toBe(night.clock.nowMs + minutes(15));
    }, soon);
    await night.pass(minutes(14));
    expect(await state()).toBe('acknowledged');
    await night.pass(minutes(1));
    expect(await state()).toBe('raised');
    expect(toldBy(node)).toEqual(['anna', 'anna']);
    const found = await node.desk.find(night.livestreamId, alertId);
    expect(found?.events.find((event) => event.kind === 'unacknowledged')).toMatchObject({ actor: 'rule' });
  });

  test('[AL-22] a silenced alert sends nothing until its time is over, then it is raised and sent again', async () => {
    const night = await open();
    const node = await night.node();
    const { alertId } = await alertAt(night, node, 500);
    await node.desk.silence(night.livestreamId, alertId, 10, 'operator');
    await night.pass(minutes(9));
    expect(toldBy(node)).toEqual(['anna']);
    await night.pass(minutes(1));
    expect(toldBy(node)).toEqual(['anna', 'anna']);
    expect(node.emitted.at(-1)).toMatchObject({ alertId, silencedUntilMs: null, state: 'raised' });
  });

  test('[AL-23] an alert is assigned to somebody who is then told first; nobody unknown', async () => {
    const night = await open();
    night.onCall.push(person('cleo'));
    const node = await night.node();
    const { alertId } = await alertAt(night, node, 500);
    expect(await node.desk.assign(night.livestreamId, alertId, 'cleo', 'operator')).toMatchObject({
      kind: 'done',
      alert: { assignedTo: 'cleo' },
    });
    expect(toldBy(node)).toEqual(['anna', 'cleo']);
    await night.pass(60_000);
    expect(toldBy(node)).toEqual(['anna', 'cleo', 'anna']);
    expect(await node.desk.assign(night.livestreamId, alertId, 'nobody', 'operator')).toEqual({ kind: 'no_person' });
  });

  test('[AL-19] who did what and when is kept, and neither event nor plan change can be rewritten', async () => {
    const night = await open();
    const node = await night.node();
    const { alertId } = await alertAt(night, node, 500);
    night.clock.nowMs += 5_000;
    await node.desk.acknowledge(night.livestreamId, alertId, 'operator:anna', 'calling the factory');
    await node.desk.resolve(night.livestreamId, alertId, 'operator:bo');
    const found = await node.desk.find(night.livestreamId, alertId);
    expect(found?.events.map((event) => `${event.kind} ${event.actor}`)).toEqual([
      'raised rule',
      'tier_raised rule',
      'response rule',
      'notified rule',
      'acknowledged operator:anna',
      'resolved operator:bo',
    ]);
    expect(found?.events[4]).toMatchObject({ atMs: night.clock.nowMs, note: 'calling the factory' });
    const { prisma } = night.shop;
    await expect(prisma.$executeRaw`UPDATE alert_events SET note = '' WHERE alert_id = ${alertId}`).rejects.toThrow(
      'append-only',
    );
    await expect(prisma.$executeRaw`DELETE FROM plan_changes`).rejects.toThrow('append-only');
    expect((await node.desk.acknowledge(night.livestreamId, alertId, 'operator', '')).kind).toBe('conflict');
    expect((await node.desk.resolve(night.livestreamId, alertId, 'operator')).kind).toBe('done');
    expect((await node.desk.resolve('another', alertId, 'operator')).kind).toBe('not_found');
  });

  test('[AL-16] yellow makes one open task of the units that are missing up to the line', async () => {
    const night = await open();
    const skuId = await night.item('tea', 550);
    const { desk } = await night.node();
    await desk.putPlan(night.livestreamId, skuId, plan(), 'operator');
    const task = await vi.waitFor(async () => {
      const [one] = await desk.tasks(night.livestreamId);
      expect(one).toMatchObject({ skuId, quantity: 50, state: 'open' });
      return one;
    }, soon);
    await night.sell(skuId, 400);
    await vi.waitFor(async () => {
      const tasks = await desk.tasks(night.livestreamId);
      expect(tasks.map(({ taskId, quantity }) => [taskId, quantity])).toEqual([[task?.taskId, 450]]);
    }, soon);
    const close = { state: 'done', note: 'ordered', actor: 'operator' } as const;
    const closed = await desk.closeTask(night.livestreamId, task?.taskId ?? '', close);
    expect(closed).toMatchObject({ state: 'done', note: 'ordered (operator)', doneAtMs: night.clock.nowMs });
    expect(await desk.closeTask(night.livestreamId, task?.taskId ?? '', { ...close, state: 'dropped' })).toBe(
      'conflict',
    );
    expect(await desk.closeTask(night.livestreamId, 'none', close)).toBe('not_found');
  });

  test('[AL-17] red stops the sale at the gate, audited, when the plan says so', async () => {
    const night = await open();
    const node = await night.node();
    const skuId = await night.item('tea', 5_000);
    await node.desk.putPlan(night.livestreamId, skuId, plan({ redPolicy: 'stop' }), 'operator');
    await night.sell(skuId, 600);
    await vi.waitFor(async () => {
      const reading = await night.engine.read(night.livestreamId);
      expect(reading?.items.find((item) => item.skuId === skuId)?.status).toBe('stopped');
    }, soon);
    const entries = await night.shop.entries(skuId);
    expect(entries.at(-1)).toMatchObject({ type: 'STOP', actor: 'rule' });
    expect(entries.at(-1)?.reason).toContain('已消耗 600 件');
    await night.resume(skuId);
    await night.sell(skuId, 10);
    await night.pass(10_000);
    const reading = await night.engine.read(night.livestreamId);
    expect(reading?.items.find((item) => item.skuId === skuId)?.status).toBe('on_sale');
  });

  test('[AL-17] red asks where the plan says ask, and names the supplier', async () => {
    const night = await open();
    night.suppliers.push({
      supplierId: 's1',
      name: 'Tea House',
      contact: '+86 571 0000',
      productIds: [night.shop.idOf('product')],
    });
    const node = await night.node();
    const { skuId, alert } = await alertAt(night, node, 600);
    const said = alert.reasons.map(({ en }) => en);
    expect(said.slice(-2)).toEqual(['Decide: stop the sale, or go on', 'Call the supplier Tea House: +86 571 0000']);
    const reading = await night.engine.read(night.livestreamId);
    expect(reading?.items.find((item) => item.skuId === skuId)?.status).toBe('on_sale');
  });

  test('[AL-25] a source of estimates fills items without a plan, with its name and reasons in the record', async () => {
    const night = await open();
    const [tea, mug] = [await night.item('tea', 5_000), await night.item('mug', 5_000)];
    const asked: string[] = [];
    const source = {
      name: 'forecast',
      estimate: (_livestreamId: string, skuId: string) => {
        asked.push(skuId);
        const reasons = [{ zh: '近三场均值', en: 'mean of three shows' }];
        return Promise.resolve(skuId === tea ? { estimate: 700, confidence: 'medium' as const, reasons } : null);
      },
    };
    const first = await night.node();
    await first.desk.putPlan(night.livestreamId, mug, plan({ estimate: 50 }), 'operator');
    await first.stop();
    const { desk } = await night.node({}, source);
    await night.pass(1_000);
    expect(asked).toEqual([tea]);
    expect(desk.planOf(night.livestreamId, tea)).toMatchObject({ estimate: 700, confidence: 'medium' });
    expect(desk.planOf(night.livestreamId, mug)).toMatchObject({ estimate: 50 });
    const [change] = await desk.planHistory(night.livestreamId, tea);
    expect(change).toMatchObject({ actor: 'forecast', reasons: [{ en: 'mean of three shows' }] });
  });

  test('[AL-5] a draft says before the show which tiers can never fire', async () => {
    const night = await open();
    const { shop } = night;
    const draft = await shop.livestream(`draft-${night.livestreamId}`);
    const skuId = await shop.sku(`draft-tea-${night.livestreamId}`, 1_000);
    await shop.add(draft, skuId, 550);
    const { desk } = await night.node();
    const view = await desk.putPlan(draft, skuId, plan(), 'operator');
    expect(view).toMatchObject({ unreachable: [{ basis: 'consumption', tier: 'red' }] });
    const { items } = await desk.plans(draft);
    expect(items[0]?.unreachable[0]?.why.en).toBe(
      'Fires at 600 units consumed; there are only 550 (110 % of the estimate): sold out before',
    );
  });
});
