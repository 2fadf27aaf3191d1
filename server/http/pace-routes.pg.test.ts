import { afterEach, expect, test } from 'vitest';
import type { Grant } from '../../contract/access.ts';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { openPaceStage, type PaceStage, plan } from '../pace/pace-kit.ts';
import { startTestServer, type TestServer } from './http-test-kit.ts';
import { paceHandlers } from './pace-routes.ts';

describeWithDatabases('pace over HTTP', ({ database }: DatabaseUnderTest) => {
  let stage: PaceStage | undefined;
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.stop();
    await stage?.close();
  });

  async function open() {
    const show = (stage = await openPaceStage(database()));
    const node = await show.node();
    const shell = (server = await startTestServer({ handlers: paceHandlers({ pace: node.reader }) }));
    const ask = async (path: string, grant: Partial<Grant> & Pick<Grant, 'role'>, body?: object) => {
      const token = await shell.issue({ livestreamId: show.livestreamId, ...grant });
      const answer = await fetch(`${shell.url}/api/v1/livestreams/${show.livestreamId}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, never> };
    };
    return { show, node, ask };
  }

  test('[PA-4][PA-20] pace and curves answer operators and anchor; viewers get neither', async () => {
    const { show, node, ask } = await open();
    show.planned.plan = plan({ estimate: 600 });
    show.planned.endAtMs = show.clock.nowMs + 3_600_000;
    await show.run(120, 1, node);
    for (const role of ['operator', 'anchor'] as const) {
      const pace = await ask('/pace', { role });
      expect(pace).toMatchObject({
        status: 200,
        body: { hot: [show.skuId], items: [{ velocity: { perMinute: 60 } }] },
      });
      const curves = await ask('/curves?pointsMax=50', { role });
      expect(curves.status).toBe(200);
      const [curve] = (curves.body as { curves?: { points: []; band: [] }[] }).curves ?? [];
      expect([curve?.points.length, curve?.band.length]).toEqual([50, 121]);
    }
    expect((await ask('/pace', { role: 'viewer' })).status).toBe(403);
    expect((await ask('/curves', { role: 'viewer' })).status).toBe(403);
    expect((await ask('/curves?pointsMax=5', { role: 'anchor' })).status).toBe(400);
    expect((await ask('/pace', { role: 'admin', livestreamId: null })).status).toBe(200);
  });

  test('[PA-22][PA-23] a decision is kept in full with its actor, told to operators and anchor, and never on air', async () => {
    const { show, node, ask } = await open();
    const text = `再补 ${'货'.repeat(300)}`;
    const noted = await ask('/decisions', { role: 'operator' }, { skuId: show.skuId, kind: 'replenish', text });
    expect(noted).toEqual({ status: 201, body: { atMs: show.clock.nowMs } });
    expect(await show.markers()).toMatchObject([{ kind: 'decision', note: text, actor: 'operator', internal: true }]);
    expect(node.of('curve:marker').map(({ audiences }) => audiences)).toEqual([['operators', 'anchor']]);
    const markersFor = async (audience: 'anchor' | 'air') => {
      const pace = paceHandlers({ pace: node.reader });
      const input = { params: { livestreamId: show.livestreamId }, query: { pointsMax: 100 }, grant: { audience } };
      const { curves } = await pace.getCurves(input as unknown as Parameters<typeof pace.getCurves>[0]);
      return curves.flatMap(({ markers }) => markers.map(({ kind }) => kind));
    };
    expect(await markersFor('anchor')).toEqual(['decision']);
    expect(await markersFor('air')).toEqual([]);
    expect((await ask('/decisions', { role: 'operator' }, { skuId: 'other', kind: 'other', text: 'x' })).status).toBe(
      404,
    );
    expect((await ask('/decisions', { role: 'anchor' }, { skuId: null, kind: 'other', text: 'x' })).status).toBe(403);
    node.told.length = 0;
    node.state.broken = true;
    const lost = await ask('/decisions', { role: 'operator' }, { skuId: null, kind: 'other', text: 'lost' });
    expect(lost.status).toBeGreaterThanOrEqual(500);
    expect([node.told, (await show.markers()).length]).toEqual([[], 1]);
  });
});
