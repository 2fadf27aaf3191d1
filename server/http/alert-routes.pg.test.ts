import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { routes } from '../../contract/routes.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { type Night, type Node, openNight } from '../alerts/alert-test-kit.ts';
import { alertHandlers } from './alert-routes.ts';
import { bodyOf, send, startTestServer, type TestServer } from './http-test-kit.ts';

describeWithDatabases('alerts over HTTP', ({ database }) => {
  let [night, node, server, token] = [] as unknown as [Night, Node, TestServer, string];
  beforeAll(async () => {
    night = await openNight(database());
    node = await night.node();
    server = await startTestServer({
      handlers: alertHandlers({ desk: node.desk, notifier: { deliveriesOf: () => Promise.resolve([]) } }),
    });
    token = await server.issue({ role: 'operator', livestreamId: night.livestreamId });
  });
  afterAll(async () => {
    await server.stop();
    await night.close();
  });

  /** Status and body of a request by the operator, to an address below the livestream's. */
  async function ask(method: string, path: string, body?: object, by = token) {
    const url = `${server.url}/api/v1/livestreams/${night.livestreamId}${path}`;
    const headers = { authorization: `Bearer ${by}`, 'content-type': 'application/json' };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await send(url, { method, headers, ...content });
    return { status: answer.status, body: bodyOf(answer) as Record<string, never> };
  }
  const code = async (asked: ReturnType<typeof ask>) => {
    const { status, body } = await asked;
    return [status, (body['error'] as { code: string } | undefined)?.code];
  };

  test('[AL-27] plan, alert, acknowledgement, task and history go through the routes, as the contract has them', async () => {
    const skuId = await night.item('tea', 450);
    expect(await ask('PUT', `/plans/${skuId}`, { estimate: 500, leadTimeDays: 7 })).toMatchObject({
      status: 200,
      body: {
        item: { skuId, coverageLine: 800, coefficient: 1.6, unreachable: [{ tier: 'orange' }, { tier: 'red' }] },
      },
    });
    const alertId = await vi.waitFor(async () => {
      const { body } = await ask('GET', '/alerts?state=open');
      const [alert] = routes.listAlerts.answer.parse(body).alerts;
      expect(alert).toMatchObject({ skuId, basis: 'coverage', tier: 'yellow' });
      return alert?.alertId ?? '';
    });
    const path = `/alerts/${alertId}`;
    expect(await ask('POST', `${path}/acknowledge`, { note: 'seen' })).toMatchObject({
      status: 200,
      body: { alert: { state: 'acknowledged', acknowledgedBy: 'operator' } },
    });
    expect((await ask('POST', `${path}/unacknowledge`)).body).toMatchObject({ alert: { state: 'raised' } });
    expect((await ask('POST', `${path}/silence`, { minutes: 5 })).body).toMatchObject({
      alert: { silencedUntilMs: night.clock.nowMs + 300_000 },
    });
    expect((await ask('POST', `${path}/assign`, { personId: 'bo' })).body).toMatchObject({
      alert: { assignedTo: 'bo' },
    });
    expect((await ask('POST', `${path}/resolve`)).body).toMatchObject({ alert: { state: 'resolved' } });
    const { events } = routes.getAlert.answer.parse((await ask('GET', path)).body);
    expect(events.filter(({ actor }) => actor === 'operator').map(({ kind }) => kind)).toEqual([
      'acknowledged',
      'unacknowledged',
      'silenced',
      'assigned',
      'resolved',
    ]);
    const { tasks } = routes.listTasks.answer.parse((await ask('GET', '/tasks')).body);
    expect(tasks).toMatchObject([{ skuId, quantity: 350, state: 'open' }]);
    const taskPath = `/tasks/${tasks[0]?.taskId}/close`;
    expect(await ask('POST', taskPath, { state: 'done' })).toMatchObject({
      status: 200,
      body: { task: { state: 'done' } },
    });
    expect(await code(ask('POST', taskPath, { state: 'dropped' }))).toEqual([409, 'conflict']);
    const endAtMs = night.clock.nowMs + 7_200_000;
    await ask('PUT', '/plan', { plannedEndAtMs: endAtMs });
    expect((await ask('GET', '/plans')).body).toMatchObject({
      livestream: { plannedEndAtMs: endAtMs },
      items: [{ skuId, plan: { estimate: 500, leadTimeDays: 7 } }],
    });
    expect((await ask('GET', `/plans/${skuId}/history`)).body).toMatchObject({
      changes: [{ actor: 'operator', plan: { leadTimeDays: 7 } }],
    });
  });

  test('[AL-27] what is unknown, closed, or makes no sense is refused with its code', async () => {
    expect(await code(ask('GET', '/alerts/none'))).toEqual([404, 'route_not_found']);
    expect(await code(ask('POST', '/alerts/none/acknowledge', {}))).toEqual([404, 'route_not_found']);
    expect(await code(ask('POST', '/tasks/none/close', { state: 'done' }))).toEqual([404, 'route_not_found']);
    expect(await code(ask('PUT', '/plans/none', { estimate: 1 }))).toEqual([404, 'not_found']);
    const skuId = await night.item('mug', 450);
    const descending = { estimate: 1, yellowPercent: 100, orangePercent: 90 };
    expect(await code(ask('PUT', `/plans/${skuId}`, descending))).toEqual([400, 'bad_request']);
    expect(await code(ask('PUT', `/plans/${skuId}`, { estimate: -1 }))).toEqual([400, 'bad_request']);
    const { body } = await ask('GET', '/alerts?state=resolved');
    const [alert] = routes.listAlerts.answer.parse(body).alerts;
    const path = `/alerts/${alert?.alertId}`;
    expect(await code(ask('POST', `${path}/acknowledge`, {}))).toEqual([409, 'conflict']);
    expect(await code(ask('POST', `${path}/silence`, { minutes: 1 }))).toEqual([409, 'conflict']);
    expect(await code(ask('POST', `${path}/assign`, { personId: 'nobody' }))).toEqual([404, 'not_found']);
  });

  test('[AL-27] viewers, anchors and operators of other livestreams neither read nor change alerts and plans', async () => {
    const { livestreamId } = night;
    const others = [
      await server.issue({ role: 'viewer', livestreamId, buyerId: 'b' }),
      await server.issue({ role: 'anchor', livestreamId }),
      await server.issue({ role: 'operator', livestreamId: 'another' }),
    ];
    for (const by of others) {
      expect(await code(ask('GET', '/alerts', undefined, by))).toEqual([403, 'forbidden']);
      expect(await code(ask('PUT', '/plans/any', { estimate: 1 }, by))).toEqual([403, 'forbidden']);
    }
  });
});
