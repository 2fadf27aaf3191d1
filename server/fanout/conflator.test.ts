import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LevelChange } from '../stock/stock-engine.ts';
import { Conflator } from './conflator.ts';
import { GateView } from './gate-view.ts';

const level = (skuId: string, version: number, available = version) => ({
  skuId,
  version,
  allotted: 1_000,
  available,
  held: 0,
  sold: 0,
  status: available > 0 ? ('on_sale' as const) : ('sold_out' as const),
});

test('[FO-1] [V1] the newest level of each item stays, whatever the order and number of arrivals', () => {
  const put = fc.record({
    epoch: fc.integer({ min: 1, max: 3 }),
    skuId: fc.constantFrom('a', 'b', 'c'),
    version: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(put, { maxLength: 60 }), (puts) => {
      const conflator = new Conflator();
      for (const { epoch, skuId, version } of puts) conflator.put(epoch, level(skuId, version));
      const newestEpoch = Math.max(-1, ...puts.map(({ epoch }) => epoch));
      expect(conflator.epoch).toBe(newestEpoch);
      for (const skuId of ['a', 'b', 'c']) {
        const versions = puts
          .filter((one) => one.epoch === newestEpoch && one.skuId === skuId)
          .map(({ version }) => version);
        expect(conflator.level(skuId)?.version).toBe(versions.length === 0 ? undefined : Math.max(...versions));
      }
    }),
  );
});

test('[FO-1] a dirty set collects what changed since its owner looked, and nothing of an older epoch', () => {
  const conflator = new Conflator();
  const [one, other] = [conflator.dirtySet(), conflator.dirtySet()];
  conflator.put(1, level('a', 1));
  conflator.put(1, level('b', 2));
  one.clear();
  conflator.put(1, level('b', 2));
  expect([...one]).toEqual([]);
  expect([...other]).toEqual(['a', 'b']);
  conflator.put(2, level('c', 1));
  expect([...one]).toEqual(['c']);
  expect([...other]).toEqual(['c']);
  expect(conflator.put(1, level('a', 99))).toEqual({ kind: 'older' });
});

const change = (previousVersion: number, version: number, epoch = 1): LevelChange => ({
  epoch,
  previousVersion,
  version,
  infoRev: 1,
  rows: [level(`sku${version}`, version)],
});
const reading = (version: number, epoch = 1) => ({
  epoch,
  version,
  infoRev: 1,
  items: Array.from({ length: version }, (_, i) =>
    Object.assign(level(`sku${i + 1}`, i + 1), { poolRev: 1, termsRev: 1, returned: 0 }),
  ),
});

test('[FO-3] [V2] rows beyond a gap are known at once, the version waits until the gap is closed', () => {
  const view = new GateView(() => {});
  view.adopt(reading(2), view.point);
  view.hear(change(3, 4));
  expect([view.point.version, view.behind, view.conflator.level('sku4')?.version]).toEqual([2, true, 4]);
  view.hear(change(2, 3));
  expect([view.point.version, view.behind]).toEqual([4, false]);
  view.hear(change(6, 7));
  view.hear(change(7, 8));
  view.adopt(reading(6), view.point);
  expect([view.point.version, view.behind]).toEqual([8, false]);
});

test('[FO-3] more changes beyond a gap than are kept leave the view behind until it is read again', () => {
  const view = new GateView(() => {});
  view.adopt(reading(1), view.point);
  for (let version = 3; version < 400; version += 1) view.hear(change(version - 1, version));
  expect(view.behind).toBe(true);
  view.adopt(reading(2), view.point);
  expect(view.behind).toBe(true);
  view.adopt(reading(399), view.point);
  expect([view.point.version, view.behind]).toEqual([399, false]);
});

test('[FO-15] [V1] a newer epoch voids what was known; messages of the older one change nothing any more', () => {
  const view = new GateView(() => {});
  view.adopt(reading(5), view.point);
  view.hear(change(0, 2, 2));
  expect([view.point.epoch, view.behind]).toEqual([1, true]);
  expect(view.adopt(reading(2, 2), view.point)).toBe('newer_epoch');
  view.hear(change(5, 6, 1));
  expect(view.point).toEqual({ epoch: 2, version: 2 });
  expect(view.conflator.level('sku5')).toBeUndefined();
});

test('[FO-20] only what was known before the reading began shows a gate that went backwards', () => {
  const view = new GateView(() => {});
  view.adopt(reading(5), view.point);
  const since = view.point;
  view.hear(change(5, 6));
  expect(view.adopt(reading(5), since)).toBe('same_epoch');
  expect(view.point.version).toBe(6);
  expect(view.adopt(reading(5), view.point)).toBe('backwards');
});
