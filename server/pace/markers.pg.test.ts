import { afterEach, expect, test } from 'vitest';
import type { CurveMarker } from '../../contract/pace.ts';
import { type DatabaseUnderTest, describeWithDatabases } from '../../tests/services/databases.ts';
import { managed } from '../livestreams/test-shop.ts';
import { openPaceStage, type PaceStage } from './pace-kit.ts';

describeWithDatabases('markers', ({ database }: DatabaseUnderTest) => {
  let stage: PaceStage | undefined;
  const open = async (): Promise<PaceStage> => (stage = await openPaceStage(database()));
  afterEach(async () => {
    await stage?.close();
    stage = undefined;
  });

  test('[PA-21] a change that every node reports is one marker, told once', async () => {
    const show = await open();
    const { catalogue, livestreamId, skuId } = show;
    const nodes = [await show.node(), await show.node()];
    const before = await show.info();
    managed(await catalogue.changeItem(livestreamId, skuId, { unitPriceMinor: 7_900 }, 'test'));
    const priced = await show.info();
    managed(await catalogue.pin(livestreamId, skuId, 'test'));
    const pinned = await show.info();
    await Promise.all(nodes.map(({ keeper }) => keeper.markChange(livestreamId, before, priced)));
    await Promise.all(nodes.map(({ keeper }) => keeper.markChange(livestreamId, priced, pinned)));
    expect((await show.markers()).map(({ kind }) => kind)).toEqual(['price', 'pin']);
    const told = nodes.flatMap((node) => node.of('curve:marker'));
    expect(told.map(({ payload }) => payload.marker.kind).toSorted()).toEqual(['pin', 'price']);
    expect(told.every(({ audiences }) => audiences.includes('air'))).toBe(true);
  });

  test('[PA-21] sold out, restock, and the opening by appointment are seen without being reported', async () => {
    const show = await open();
    const { catalogue, livestreamId, clock } = show;
    const later = await show.shop.sku('later', 100);
    managed(await show.shop.add(livestreamId, later, 10));
    const opensAtMs = clock.nowMs + 8_000;
    managed(await catalogue.changeSale(livestreamId, later, { action: 'open', opensAtMs }, 'test'));
    const [one, two] = [await show.node(), await show.node()];
    await show.allot(20);
    await show.sell(20);
    await show.run(3, 0, one, two);
    await show.allot(50);
    await show.run(12, 0, one, two);
    const markers = await show.markers();
    expect(markers.map(({ kind }) => kind)).toEqual(['sold_out', 'restock', 'open']);
    expect(markers[1]).toMatchObject({ textEn: 'Restocked +30', skuId: show.skuId });
    expect(markers[2]).toMatchObject({ skuId: later, at: new Date(opensAtMs) });
    expect(two.of('curve:marker')).toEqual([]);
    expect(one.of('curve:marker').length).toBe(3);
  });

  test('[PA-21] what the node that died had seen, or not, is marked once by the next one', async () => {
    const show = await open();
    const [one, two] = [await show.node(), await show.node()];
    await show.allot(10);
    await show.sell(10);
    await show.run(1, 0, one, two);
    await show.allot(30);
    await one.close();
    show.clock.nowMs += 1_000;
    await two.keeper.store();
    expect((await show.markers()).map(({ kind }) => kind)).toEqual(['sold_out', 'restock']);
  });

  const marker = (atMs: number, parts: Partial<CurveMarker> = {}): CurveMarker => ({
    atMs,
    skuId: null,
    kind: 'alert',
    tier: 'orange',
    text: { zh: '橙色告警', en: 'Orange' },
    internal: true,
    ...parts,
  });

  test('[PA-22] an alert is internal even if nobody said so, and the same one twice is one', async () => {
    const show = await open();
    const node = await show.node();
    const { markers } = node.curves;
    await markers.add(show.livestreamId, marker(show.clock.nowMs, { internal: false }));
    await markers.add(show.livestreamId, marker(show.clock.nowMs));
    expect(await show.markers()).toMatchObject([{ kind: 'alert', tier: 'orange', internal: true }]);
    expect(node.of('curve:marker').map(({ audiences }) => audiences)).toEqual([['operators', 'anchor']]);
    const data = { livestreamId: show.livestreamId, key: 'k', at: new Date(), textZh: 'x', textEn: 'x' };
    const onAir = show.prisma.curveMarker.create({ data: { ...data, kind: 'decision', internal: false } });
    await expect(onAir).rejects.toThrow(/curve_markers_internal_check/);
  });

  test('[PA-23] a marker that cannot be stored is told at once and stored once the database is back', async () => {
    const show = await open();
    const node = await show.node();
    const { createMarkerBook } = await import('./marker-book.ts');
    let away = true;
    const told: string[] = [];
    const book = createMarkerBook({
      store: {
        saveMarker: (livestreamId, one) =>
          away ? Promise.reject(new Error('away')) : node.curves.store.saveMarker(livestreamId, one),
      },
      emit: (_, audiences) => told.push(audiences.join()),
      log: { warn: () => undefined },
      metrics: node.curves.metrics,
    });
    await book.add(show.livestreamId, marker(show.clock.nowMs));
    await book.add(show.livestreamId, marker(show.clock.nowMs + 1));
    await book.retry();
    expect([told.length, (await show.markers()).length]).toEqual([2, 0]);
    away = false;
    await book.retry();
    await book.retry();
    expect([told.length, (await show.markers()).length]).toEqual([2, 2]);
  });
});
