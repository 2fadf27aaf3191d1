import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CuedItem, CueKeeper, holdMs, settleMs, wantedCue } from './cue.ts';
import { hotItems, nextItems, slowItems } from './ranking.ts';

const nowMs = Date.UTC(2_026, 10, 11, 12);

const item = (skuId: string, parts: Partial<CuedItem> & { perMinute?: number } = {}): CuedItem => {
  const { perMinute, ...rest } = parts;
  return {
    skuId,
    sells: true,
    pinned: false,
    consumed: 100,
    available: 100,
    velocity: perMinute === undefined ? null : { perMinute, low: perMinute / 2, high: perMinute * 2 },
    expected: 100,
    expectedPerMinute: 10,
    unitPriceMinor: 1_000,
    state: 'inside',
    tier: null,
    sellOutInMs: null,
    title: { zh: `商品${skuId}`, en: `Item ${skuId}` },
    ...rest,
  };
};

describe('lists', () => {
  test('[PA-9] what is being bought, fastest first', () => {
    const items = [item('a', { perMinute: 3 }), item('b', { perMinute: 30 }), item('c'), item('d', { perMinute: 0 })];
    expect(hotItems([...items, item('e', { perMinute: 9, sells: false })])).toEqual(['b', 'e', 'a']);
  });

  test('[PA-10] below half of what is expected, most unsold value first', () => {
    const items = [
      item('half', { consumed: 50 }),
      item('cheap', { consumed: 49, available: 500, unitPriceMinor: 100 }),
      item('dear', { consumed: 10, available: 20, unitPriceMinor: 90_000 }),
      item('new', { consumed: 0, expected: 4.9 }),
      item('stopped', { consumed: 0, sells: false }),
      item('unplanned', { consumed: 0, expected: null }),
    ];
    expect(slowItems(items)).toEqual(['dear', 'cheap']);
  });

  test('[PA-11] an item that lasts a push goes before a faster one that would sell out in its middle', () => {
    const fast = item('fast', { perMinute: 60, available: 200, expectedPerMinute: null });
    const lasting = item('lasting', { perMinute: 30, available: 400, expectedPerMinute: null });
    expect(nextItems([fast, lasting])).toEqual(['lasting', 'fast']);
    expect(nextItems([{ ...fast, available: 600 }, lasting])).toEqual(['fast', 'lasting']);
    expect(nextItems([fast, { ...lasting, available: 199 }])).toEqual(['fast', 'lasting']);
  });

  test('[PA-11] stopped, sold-out and pinned items are left out; one that nobody has shown counts as planned', () => {
    const items = [
      item('pinned', { perMinute: 90, pinned: true }),
      item('gone', { perMinute: 90, sells: false, available: 0 }),
      item('unseen', { expectedPerMinute: 8 }),
      item('slow', { perMinute: 2, expectedPerMinute: null }),
      item('nothing', { expectedPerMinute: null }),
    ];
    expect(nextItems(items)).toEqual(['unseen', 'slow', 'nothing']);
  });
});

describe('what the numbers ask for', () => {
  test('[PA-12] over the band and fast: slow down; under it and slow: add interaction; inside: keep', () => {
    const cueOf = (parts: Parameters<typeof item>[1]) => wantedCue([item('a', { pinned: true, ...parts })]).cue;
    expect(cueOf({ state: 'over', perMinute: 60 })).toBe('slow_down');
    expect(cueOf({ state: 'under', perMinute: 2 })).toBe('interact');
    expect(cueOf({ state: 'under' })).toBe('interact');
    expect(cueOf({ state: 'inside', perMinute: 60 })).toBe('keep');
    expect(cueOf({ state: 'unknown' })).toBe('keep');
    expect(cueOf({ state: 'over', perMinute: 9 })).toBe('keep');
    expect(cueOf({ state: 'under', perMinute: 11 })).toBe('keep');
  });

  test('[PA-12] the pinned item comes first; without one the most urgent', () => {
    const over = (skuId: string, sellOutInMs: number) => item(skuId, { state: 'over', perMinute: 60, sellOutInMs });
    const under = (skuId: string, available: number) => item(skuId, { state: 'under', available });
    const others = [under('u', 10), over('later', 900_000), over('soon', 60_000), under('v', 500)];
    expect(wantedCue([...others, item('p', { pinned: true })])).toMatchObject({ skuId: 'p', cue: 'keep' });
    expect(wantedCue(others)).toMatchObject({ skuId: 'soon', cue: 'slow_down' });
    expect(wantedCue([under('u', 10), under('v', 500)])).toMatchObject({ skuId: 'v', cue: 'interact' });
    expect(wantedCue([item('p', { pinned: true, sells: false }), under('u', 10)])).toMatchObject({ skuId: 'u' });
    expect(wantedCue([])).toEqual({ skuId: null, cue: 'keep', urgent: false });
  });

  test('[PA-13] an open orange or red alert of an item that sells slows down, red first; yellow does not', () => {
    const pinned = item('p', { pinned: true, state: 'under' });
    expect(wantedCue([pinned, item('y', { tier: 'yellow' })])).toMatchObject({ skuId: 'p', cue: 'interact' });
    expect(wantedCue([pinned, item('o', { tier: 'orange' })])).toEqual({ skuId: 'o', cue: 'slow_down', urgent: true });
    expect(wantedCue([item('o', { tier: 'orange' }), item('r', { tier: 'red' })]).skuId).toBe('r');
    expect(wantedCue([pinned, item('r', { tier: 'red', sells: false })]).skuId).toBe('p');
  });
});

describe('the cue that is given', () => {
  const over = item('a', { pinned: true, state: 'over', perMinute: 60 });
  const under = item('a', { pinned: true, state: 'under', perMinute: 1 });
  const tell = (keeper: CueKeeper, one: CuedItem, atMs: number) => keeper.decide(wantedCue([one]), [one], atMs);

  test('[PA-14] one moment over the band changes nothing, three seconds do; then it stays for twenty', () => {
    const keeper = new CueKeeper(nowMs);
    expect(tell(keeper, over, nowMs)).toMatchObject({ cue: 'keep' });
    expect(tell(keeper, over, nowMs + settleMs - 1)).toMatchObject({ cue: 'keep' });
    const givenAtMs = nowMs + settleMs;
    expect(tell(keeper, over, givenAtMs)).toEqual({
      skuId: 'a',
      cue: 'slow_down',
      text: { zh: '放慢节奏：商品a', en: 'Slow down: Item a' },
      sinceMs: givenAtMs,
    });
    expect(tell(keeper, under, givenAtMs + 1_000).cue).toBe('slow_down');
    expect(tell(keeper, under, givenAtMs + holdMs - 1).cue).toBe('slow_down');
    expect(tell(keeper, under, givenAtMs + holdMs)).toMatchObject({ cue: 'interact', text: { zh: '加互动：商品a' } });
  });

  test('[PA-13] an alert waits for nothing', () => {
    const keeper = new CueKeeper(nowMs);
    tell(keeper, under, nowMs);
    expect(tell(keeper, under, nowMs + settleMs).cue).toBe('interact');
    expect(tell(keeper, { ...under, tier: 'orange' }, nowMs + settleMs + 500).cue).toBe('slow_down');
  });

  test('[PA-14] two items with alerts do not take turns every second', () => {
    const keeper = new CueKeeper(nowMs);
    const red = (skuId: string, sellOutInMs: number) => item(skuId, { tier: 'red', sellOutInMs });
    const heard = Array.from({ length: 18 }, (_, second) => {
      const items = [red('a', 60_000 + (second % 2) * 10_000), red('b', 65_000)];
      return keeper.decide(wantedCue(items), items, nowMs + second * 1_000).skuId;
    });
    expect(new Set(heard)).toEqual(new Set(['a']));
  });

  test('[PA-14] a cue about an item that is sold out is gone at once', () => {
    const keeper = new CueKeeper(nowMs);
    tell(keeper, over, nowMs);
    expect(tell(keeper, over, nowMs + settleMs).cue).toBe('slow_down');
    const gone = { ...over, sells: false, available: 0 };
    expect(tell(keeper, gone, nowMs + settleMs + 1_000)).toMatchObject({ skuId: null, cue: 'keep' });
  });

  test('[PA-14] whatever is wanted when: without alerts, two changes of an item that sells are 20 s apart', () => {
    const states = fc.array(fc.constantFrom('inside', 'over', 'under', 'unknown'), { minLength: 5, maxLength: 200 });
    fc.assert(
      fc.property(states, (wanted) => {
        const keeper = new CueKeeper(nowMs);
        const changes: number[] = [];
        let last = 'keep';
        for (const [second, state] of wanted.entries()) {
          const { cue } = tell(keeper, { ...over, velocity: null, state }, nowMs + second * 1_000);
          if (cue !== last) changes.push(second);
          last = cue;
        }
        for (const [index, second] of changes.entries()) {
          if (index > 0) expect(second - (changes[index - 1] ?? 0)).toBeGreaterThanOrEqual(holdMs / 1_000);
        }
      }),
    );
  });
});
