import { afterEach, expect, test } from 'vitest';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { openPaceStage, type PaceStage, plan } from './pace-kit.ts';

describeWithDatabases('pace of a livestream', ({ database }: DatabaseUnderTest) => {
  let stage: PaceStage | undefined;
  const open = async (): Promise<PaceStage> => (stage = await openPaceStage(database()));
  afterEach(async () => {
    await stage?.close();
    stage = undefined;
  });
  const upTo = (last: number) => Array.from({ length: last + 1 }, (_, second) => second);

  test('[PA-15][PA-24] every second of selling is a row and is told to operators, anchor and air', async () => {
    const show = await open();
    const node = await show.node();
    await show.run(10, 3, node);
    await show.run(60, 0, node);
    await show.run(1, 3, node);
    expect(await show.rows()).toEqual([
      ...upTo(9).map((second) => [second, 3 * (second + 1)]),
      [10, 30],
      [69, 30],
      [70, 33],
    ]);
    const points = node.of('curve:points');
    expect(points[0]?.audiences).toEqual(['operators', 'anchor', 'air']);
    const told = points.flatMap(({ payload }) => payload.items.flatMap((one) => one.points));
    expect(told.filter(([atMs], index) => atMs < (told[index - 1]?.[0] ?? 0))).toEqual([]);
    expect(told.at(-1)).toEqual([show.clock.nowMs - 1_000, 33, 9_967]);
  });

  test('[PA-24] operators and anchor get the state once a second while anything changes, and then no more', async () => {
    const show = await open();
    show.planned.endAtMs = show.clock.nowMs + 40 * 60_000;
    const node = await show.node();
    await show.run(600, 1, node);
    const states = node.of('pace:state');
    expect(states.length).toBe(600);
    expect(states.every(({ audiences }) => audiences.join() === 'operators,anchor')).toBe(true);
    const [item] = states.at(-1)?.payload.items ?? [];
    expect(item).toMatchObject({ consumed: 600, available: 9_400, velocity: { perMinute: 60 }, state: 'unknown' });
    // 30 minutes left at 60 a minute; 9,400 left are enough.
    expect(item?.needUntilEnd?.expected).toBe(0);
    expect(item?.sellOutInMs?.expected).toBe(9_400_000);
    show.planned.endAtMs = null;
    await show.run(320, 0, node);
    node.told.length = 0;
    await show.run(30, 0, node);
    expect(node.told).toEqual([]);
  });

  test('[PA-4][PA-5] 300 left at 60 a minute with 30 minutes to go: 5:00 and 1,500 missing', async () => {
    const show = await open();
    const node = await show.node();
    await show.run(300, 1, node);
    await show.allot(600);
    show.planned.endAtMs = show.clock.nowMs + 30 * 60_000;
    const [item] = (await node.reader.state(show.livestreamId))?.items ?? [];
    expect(item).toMatchObject({
      available: 300,
      sellOutInMs: { expected: 300_000 },
      needUntilEnd: { expected: 1_500 },
    });
  });

  test('[PA-8][PA-12] selling far above the band is over and slows the anchor down, far below it adds interaction', async () => {
    const show = await open();
    const { catalogue, livestreamId, skuId } = show;
    const before = await show.info();
    await catalogue.pin(livestreamId, skuId, 'test');
    show.planned.plan = plan({ estimate: 600 });
    show.planned.endAtMs = show.clock.nowMs + 3_600_000;
    const node = await show.node();
    await node.keeper.markChange(livestreamId, { ...before, infoRev: 0, items: [] }, await show.info());
    await show.run(90, 2, node);
    expect(node.of('pace:state').at(-1)?.payload).toMatchObject({
      items: [{ skuId, state: 'over' }],
      cue: { skuId, cue: 'slow_down' },
      hot: [skuId],
    });
    await show.run(2_400, 0, node);
    expect(node.of('pace:state').at(-1)?.payload).toMatchObject({
      items: [{ state: 'under' }],
      cue: { cue: 'interact' },
    });
    const curves = await node.reader.curves({ livestreamId, pointsMax: 600 });
    expect(curves?.[0]?.band).toHaveLength(121);
    expect(curves?.[0]?.markers.map(({ kind }) => kind)).toEqual(['pin', 'open']);
  });

  test('[PA-17] a restart continues: no row twice, none missing but the time without a server, velocity remembered', async () => {
    const show = await open();
    const first = await show.node();
    await show.run(120, 1, first);
    const [before] = (await first.reader.state(show.livestreamId))?.items ?? [];
    await first.close();
    const stored = await show.rows();
    expect(stored.map(([second]) => second)).toEqual(upTo(119));

    show.clock.nowMs += 2_000;
    const second = await show.node();
    const [after] = (await second.reader.state(show.livestreamId))?.items ?? [];
    expect(after?.velocity?.perMinute).toBeGreaterThan(0.95 * (before?.velocity?.perMinute ?? 0));
    await second.keeper.store();
    expect(await show.rows()).toEqual(stored);
    await show.run(10, 1, second);
    expect((await show.rows()).map(([at]) => at)).toEqual([...upTo(119), 121, ...upTo(9).map((at) => 122 + at)]);
    expect((await show.rows()).at(-1)).toEqual([131, 130]);
  });

  test('[PA-16] two nodes that both think they hold the lease leave the rows that one would, and tell the same', async () => {
    const show = await open();
    const [one, two] = [await show.node(), await show.node()];
    expect([one.keeper.speaks, two.keeper.speaks]).toEqual([true, true]);
    await show.run(12, 2, one, two);
    expect(await show.rows()).toEqual(upTo(11).map((second) => [second, 2 * (second + 1)]));
    const shown = (node: typeof one) =>
      new Map(
        node
          .of('curve:points')
          .flatMap(({ payload }) => payload.items.flatMap(({ points }) => points.map((point) => [point[0], point[1]]))),
      );
    expect(shown(two)).toEqual(shown(one));
    expect(shown(two).size).toBe(12);
  });

  test('[PA-18] a node whose lease is over says nothing and hears nothing, though it has not noticed yet', async () => {
    const show = await open();
    const node = await show.node();
    await show.run(3, 1, node);
    node.told.length = 0;
    node.state.held = false;
    await show.run(3, 1, node);
    expect(node.told).toEqual([]);
    expect(await show.rows()).toEqual(upTo(2).map((second) => [second, second + 1]));
    expect(node.keeper.speaks).toBe(false);
  });

  test('[PA-16] whichever node writes first or last, the newest version of a second stays', async () => {
    const show = await open();
    const { store } = (await show.node()).curves;
    const sample = (second: number, consumed: number, version: number, skuId = 'x') => ({
      livestreamId: show.livestreamId,
      skuId,
      second,
      consumed,
      available: 0,
      version,
    });
    await store.saveSamples([sample(9, 5, 7), sample(8, 3, 4), sample(9, 1, 1, 'y')]);
    await store.saveSamples([sample(9, 4, 6), sample(8, 2, 9), sample(9, 1, 1, 'y')]);
    await Promise.all([
      store.saveSamples([sample(9, 6, 8), sample(8, 2, 9)]),
      store.saveSamples([sample(8, 2, 9), sample(9, 4, 6)]),
    ]);
    const rows = await show.prisma.curvePoint.findMany({
      where: { livestreamId: show.livestreamId, skuId: { in: ['x', 'y'] } },
      orderBy: [{ skuId: 'asc' }, { at: 'asc' }],
    });
    expect(rows.map(({ skuId, consumed, version }) => [skuId, consumed, version])).toEqual([
      ['x', 2, 9],
      ['x', 6, 8],
      ['y', 1, 1],
    ]);
  });

  test('[PA-18] the next node has the seconds that nobody sampled out of the ledger: no gap, and the velocity goes on', async () => {
    const show = await open();
    const one = await show.node();
    await show.run(60, 1, one);
    const [before] = (await one.reader.state(show.livestreamId))?.items ?? [];
    // Killed in the middle of a show that goes on selling.
    await one.die();
    await show.ledgerSays(60);
    for (let second = 0; second < 4; second += 1) {
      await show.sell(1);
      await show.ledgerSays(1);
      show.clock.nowMs += 1_000;
    }
    const two = await show.node();
    const [after] = (await two.reader.state(show.livestreamId))?.items ?? [];
    expect(after?.velocity?.perMinute).toBeGreaterThan(0.98 * (before?.velocity?.perMinute ?? 0));
    two.keeper.beat();
    await two.keeper.store();
    const told = two.of('curve:points').flatMap(({ payload }) => payload.items.flatMap((one) => one.points));
    expect(told.map(([, consumed]) => consumed)).toEqual([61, 62, 63, 64]);
    await show.run(3, 1, two);
    expect(await show.rows()).toEqual(upTo(66).map((second) => [second, second + 1]));
  });

  test('[PA-18] expiries, payments, refunds and a larger pool are in the seconds out of the ledger as they were', async () => {
    const show = await open();
    const { prisma, livestreamId, skuId, clock } = show;
    const startMs = clock.nowMs;
    const entry = (second: number, type: string, bucket: string, before: number, after: number) =>
      prisma.stockEntry.create({
        data: {
          skuId,
          livestreamId,
          type,
          bucket,
          before,
          after,
          actor: 'test',
          createdAt: new Date(startMs + second * 1_000 + 500),
        },
      });
    await entry(1, 'HOLD', 'held', 0, 3);
    await entry(1, 'HOLD', 'held', 3, 5);
    await entry(2, 'HOLD_POST', 'sold', 0, 3);
    await entry(4, 'HOLD_EXPIRE', 'held', 2, 1);
    await entry(4, 'ALLOT', 'allotted', 10_000, 10_010);
    await entry(6, 'SALE', 'sold', 3, 7);
    await entry(7, 'SALE_CANCEL', 'sold', 7, 5);
    await prisma.livestreamItem.updateMany({
      where: { livestreamId, skuId },
      data: { allotted: 10_010, held: 1, sold: 5 },
    });
    clock.nowMs += 8_000;
    const node = await show.node();
    const missed = await node.curves.store.loadMissed(livestreamId, [], clock.nowMs);
    const bySecond = missed.map(({ second, consumed, available }) => [second - startMs / 1_000, consumed, available]);
    expect(bySecond.toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
      [1, 5, 9_995],
      [2, 5, 9_995],
      [4, 4, 10_006],
      [6, 8, 10_002],
      [7, 6, 10_004],
    ]);
    const known = { livestreamId, skuId, second: startMs / 1_000 + 4, consumed: 4, available: 10_006, version: 9 };
    const after = await node.curves.store.loadMissed(livestreamId, [known], clock.nowMs);
    expect(after.map(({ consumed, version }) => [consumed, version]).toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
      [6, 9],
      [8, 9],
    ]);
  });

  test('[PA-18] a node that does not follow a livestream answers about it out of database and gate', async () => {
    const show = await open();
    const [holder, other] = [await show.node(), await show.node()];
    await other.keeper.end();
    await show.run(30, 2, holder);
    expect(other.keeper.paceOf(show.livestreamId)).toBeNull();
    const [here] = (await holder.reader.state(show.livestreamId))?.items ?? [];
    const [there] = (await other.reader.state(show.livestreamId))?.items ?? [];
    expect(there).toMatchObject({ consumed: 60, available: 9_940 });
    expect(there?.velocity?.perMinute).toBeGreaterThan(0.95 * (here?.velocity?.perMinute ?? 0));
    expect((await other.reader.curves({ livestreamId: show.livestreamId, pointsMax: 600 }))?.[0]?.points.length).toBe(
      30,
    );
  });

  test('[PA-19] while the database is away samples wait, and every second is stored when it is back', async () => {
    const show = await open();
    const node = await show.node();
    await show.run(3, 1, node);
    node.state.broken = true;
    await show.run(60, 1, node);
    expect(node.of('pace:state').length).toBe(63);
    expect((await show.rows()).length).toBe(3);
    node.state.broken = false;
    // The lease has run out meanwhile and is taken anew.
    await node.keeper.end();
    expect(await show.rows()).toEqual(upTo(62).map((second) => [second, second + 1]));
  });

  test('[PA-20] a long show is read with as many points as asked for, up to the newest one that is not stored yet', async () => {
    const show = await open();
    const { livestreamId, skuId, clock, prisma } = show;
    const node = await show.node();
    const startMs = clock.nowMs;
    const seconds = 4 * 3_600;
    await prisma.$executeRaw`
      INSERT INTO curve_points SELECT ${livestreamId}, ${skuId}, to_timestamp(${startMs / 1_000}::float8 + s), s / 10, 10000 - s / 10, s
        FROM generate_series(0, ${seconds}::int) AS s ON CONFLICT DO NOTHING`;
    clock.nowMs += seconds * 1_000 + 5_000;
    await show.sell(7);
    node.keeper.beat();
    const read = async (query: { sinceMs?: number; pointsMax: number }) => {
      const [curve] = (await node.reader.curves({ livestreamId, ...query })) ?? [];
      return curve?.points ?? [];
    };
    for (const pointsMax of [10, 600, 5_000]) {
      const points = await read({ pointsMax });
      expect(points.length).toBe(pointsMax);
      expect(points[0]).toEqual([startMs, 0, 10_000]);
      expect(points.at(-1)).toEqual([clock.nowMs, 7, 9_993]);
      expect(points.every(([atMs], index) => index === 0 || atMs > (points[index - 1]?.[0] ?? 0))).toBe(true);
    }
    const since = await read({ sinceMs: startMs + (seconds - 60) * 1_000, pointsMax: 600 });
    expect(since[0]?.[0]).toBe(startMs + (seconds - 60) * 1_000);
    expect(since.length).toBeGreaterThan(60);
    expect(await node.reader.curves({ livestreamId, skuId: 'other', pointsMax: 10 })).toEqual([]);
    expect(await node.reader.curves({ livestreamId: 'nowhere', pointsMax: 10 })).toBeNull();
  });
});
