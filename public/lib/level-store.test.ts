import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { StockSnapshot } from '../../contract/events.ts';
import type { StockLevels } from '../../contract/levels.ts';
import { LevelStore } from './level-store.ts';

const snapshotOf = (change: Partial<StockSnapshot>): StockSnapshot => ({
  livestreamId: 'demo',
  lane: 'viewers',
  frame: 1,
  epoch: 1,
  upTo: 0,
  complete: true,
  rows: [],
  serverNowMs: 0,
  viewers: 1,
  stale: false,
  ...change,
});

const frameOf = (frame: Omit<StockLevels, 'livestreamId'>): StockLevels => ({ livestreamId: 'demo', ...frame });

describe('level store', () => {
  test('[VW-1] ends with the newest level of every item, whatever the order of arrival', () => {
    const aRow = fc.record({
      epoch: fc.integer({ min: 1, max: 3 }),
      index: fc.integer({ min: 0, max: 3 }),
      version: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(aRow, { minLength: 1, maxLength: 40 }), (rows) => {
        const store = new LevelStore();
        // One version is one level: what is shown is made of it.
        for (const { epoch, index, version } of rows) {
          store.applyFrame(frameOf({ frame: 1, epoch, rows: [[index, version, epoch * 1_000 + version, 2]] }));
        }
        for (const index of [0, 1, 2, 3]) {
          const own = rows.filter((row) => row.index === index).map(({ epoch, version }) => epoch * 1_000 + version);
          expect(store.level(index)?.shown).toBe(own.length === 0 ? undefined : Math.max(...own));
        }
      }),
    );
  });

  test("[VW-1] tells the item's listeners only, and only of a change", () => {
    const store = new LevelStore();
    const [first, second] = [vi.fn(), vi.fn()];
    store.subscribe(0, first);
    const end = store.subscribe(1, second);
    store.applyFrame(frameOf({ frame: 1, epoch: 1, rows: [[0, 5, 9, 2]] }));
    store.applyFrame(
      frameOf({
        frame: 2,
        epoch: 1,
        rows: [
          [0, 4, 10, 2],
          [0, 5, 11, 2],
        ],
      }),
    );
    end();
    store.applyFrame(frameOf({ frame: 3, epoch: 1, rows: [[1, 6, 1, 2]] }));
    expect(first).toHaveBeenCalledOnce();
    expect(second).not.toHaveBeenCalled();
  });

  test('[VW-1] reads the full rows of the other lanes', () => {
    const store = new LevelStore();
    store.applySnapshot(snapshotOf({ lane: 'operators', rows: [[3, 7, 10, 2, 5, 2]], upTo: 7 }));
    expect(store.level(3)).toEqual({ epoch: 1, version: 7, shown: 10, held: 2, sold: 5, status: 'on_sale' });
  });

  test('[VW-1] a complete snapshot may show the known version in another way, but no older one', () => {
    const store = new LevelStore();
    store.applySnapshot(
      snapshotOf({
        rows: [
          [0, 5, 42, 2],
          [1, 6, 9, 2],
        ],
        upTo: 6,
      }),
    );
    store.applyFrame(frameOf({ frame: 2, epoch: 1, upTo: 7, rows: [[1, 7, 8, 2]] }));
    store.applySnapshot(
      snapshotOf({
        rows: [
          [0, 5, '20+', 2],
          [1, 6, '1-9', 2],
        ],
        upTo: 6,
      }),
    );
    expect(store.level(0)?.shown).toBe('20+');
    expect(store.level(1)?.shown).toBe(8);
  });

  test('[VW-1] leaves out a row whose status it does not know', () => {
    const store = new LevelStore();
    store.applyFrame(frameOf({ frame: 1, epoch: 1, rows: [[0, 5, 9, 17]] }));
    expect(store.level(0)).toBeUndefined();
  });

  test('[VW-2][V3] a critical frame does not advance the resume point', () => {
    const store = new LevelStore();
    store.applySnapshot(snapshotOf({ upTo: 10 }));
    store.applyFrame(frameOf({ frame: 2, epoch: 1, rows: [[0, 15, 0, 3]] }));
    expect(store.resume).toEqual({ epoch: 1, upTo: 10 });
    store.applyFrame(frameOf({ frame: 3, epoch: 1, upTo: 15, rows: [] }));
    expect(store.resume).toEqual({ epoch: 1, upTo: 15 });
  });

  test('[VW-2] a frame before the snapshot of a new connection does not hide what was missed', () => {
    const store = new LevelStore();
    store.applySnapshot(snapshotOf({ upTo: 10 }));
    store.expectSnapshot();
    store.applyFrame(frameOf({ frame: 1, epoch: 1, upTo: 20, rows: [[0, 20, 3, 2]] }));
    expect(store.resume).toEqual({ epoch: 1, upTo: 10 });
    store.applySnapshot(snapshotOf({ complete: false, upTo: 19, rows: [[1, 12, 4, 2]] }));
    expect(store.resume).toEqual({ epoch: 1, upTo: 19 });
    expect(store.level(0)?.shown).toBe(3);
    expect(store.level(1)?.shown).toBe(4);
  });

  test('[VW-3] a later epoch needs a full snapshot, which ends the earlier history', () => {
    const store = new LevelStore();
    store.applySnapshot(
      snapshotOf({
        upTo: 50,
        rows: [
          [0, 50, 9, 2],
          [1, 40, 8, 2],
        ],
      }),
    );
    expect(store.applyFrame(frameOf({ frame: 2, epoch: 2, upTo: 3, rows: [[0, 3, 7, 2]] })).needs).toBe(
      'full_snapshot',
    );
    expect(store.resume).toEqual({ epoch: 1, upTo: 50 });
    expect(store.level(0)?.shown).toBe(7);
    expect(store.applySnapshot(snapshotOf({ epoch: 2, upTo: 2, rows: [[0, 2, 6, 2]] })).needs).toBe('nothing');
    expect(store.level(0)?.shown).toBe(7);
    expect(store.level(1)).toBeUndefined();
    expect(store.resume).toEqual({ epoch: 2, upTo: 2 });
  });

  test('[VW-3] messages of an earlier epoch change nothing', () => {
    const store = new LevelStore();
    store.applySnapshot(snapshotOf({ epoch: 4, upTo: 5, rows: [[0, 5, 9, 2]] }));
    store.applyFrame(
      frameOf({
        frame: 2,
        epoch: 3,
        upTo: 99,
        rows: [
          [0, 99, 1, 2],
          [1, 98, 1, 2],
        ],
      }),
    );
    store.applySnapshot(snapshotOf({ epoch: 3, upTo: 99, rows: [[0, 99, 1, 2]] }));
    expect(store.level(0)?.shown).toBe(9);
    expect(store.level(1)).toBeUndefined();
    expect(store.resume).toEqual({ epoch: 4, upTo: 5 });
  });

  test('[VW-3] a partial snapshot of a history that is not known here is refused', () => {
    const store = new LevelStore();
    const outcome = store.applySnapshot(snapshotOf({ complete: false, epoch: 2, rows: [[0, 5, 9, 2]] }));
    expect(outcome.needs).toBe('full_snapshot');
    expect(store.resume).toBeNull();
  });
});
