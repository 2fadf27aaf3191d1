import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { itemStatuses } from '../../contract/levels.ts';
import { matchesSearch, passesFilter, type Standing, sellOutStep, sortings, sortStandings } from './urgency.ts';

const standing = (change: Partial<Standing> = {}): Standing => ({
  skuId: 'tea',
  index: 0,
  status: 'on_sale',
  available: 100,
  perMinute: null,
  sellOutInMs: null,
  tier: null,
  pinned: false,
  ...change,
});
const order = (standings: readonly Standing[], sorting: (typeof sortings)[number] = 'urgency') =>
  sortStandings(standings, sorting)
    .map(({ skuId }) => skuId)
    .join(' ');

test('[CO-3] urgency: tier, then sold out and stopped, then how soon it sells out, then the place in the show', () => {
  const standings = [
    standing({ skuId: 'later', index: 6 }),
    standing({ skuId: 'hour', index: 5, sellOutInMs: 3_000_000 }),
    standing({ skuId: 'minutes', index: 4, sellOutInMs: 120_000 }),
    standing({ skuId: 'stopped', index: 3, status: 'stopped' }),
    standing({ skuId: 'sold-out', index: 2, status: 'sold_out' }),
    standing({ skuId: 'yellow', index: 1, tier: 'yellow' }),
    standing({ skuId: 'red', index: 9, tier: 'red' }),
    standing({ skuId: 'ended', index: 0, status: 'ended' }),
  ];
  expect(order(standings)).toBe('red yellow sold-out stopped minutes hour later ended');
});

test('[CO-3] rows do not change places while their sell-out times stay within one step', () => {
  const of = (a: number, b: number) =>
    order([standing({ skuId: 'a', index: 0, sellOutInMs: a }), standing({ skuId: 'b', index: 1, sellOutInMs: b })]);
  expect(of(280_000, 250_000)).toBe('a b');
  expect(of(190_000, 300_000)).toBe('a b');
  expect(of(301_000, 300_000)).toBe('b a');
});

test('[CO-3] what is not on sale cannot sell out', () => {
  expect(sellOutStep({ status: 'stopped', sellOutInMs: 1 })).toBe(
    sellOutStep({ status: 'on_sale', sellOutInMs: null }),
  );
  expect(sellOutStep({ status: 'on_sale', sellOutInMs: 59_000 })).toBe(0);
});

test('[CO-3] every order is total: it does not depend on the order before', () => {
  const aStanding = fc.record({
    index: fc.nat(500),
    status: fc.constantFrom(...itemStatuses),
    available: fc.nat(5),
    perMinute: fc.option(fc.nat(5)),
    sellOutInMs: fc.option(fc.nat(4_000_000)),
    tier: fc.option(fc.constantFrom('yellow', 'orange', 'red')),
  } as const);
  fc.assert(
    fc.property(
      fc.uniqueArray(aStanding, { selector: ({ index }) => index, maxLength: 12 }),
      fc.constantFrom(...sortings),
      (changes, sorting) => {
        const standings = changes.map((change) => standing({ ...change, skuId: `s${change.index}` }));
        expect(order(standings.toReversed(), sorting)).toBe(order(standings, sorting));
      },
    ),
  );
});

test('[CO-3] items without enough sales for a pace come after those that sell', () => {
  const standings = [standing({ skuId: 'unknown' }), standing({ skuId: 'slow', index: 1, perMinute: 0 })];
  expect(order(standings, 'pace')).toBe('slow unknown');
});

test('[CO-3] every status passes exactly one of the filters of statuses', () => {
  for (const status of itemStatuses) {
    const passed = (['on_sale', 'sold_out', 'closed'] as const).filter((filter) =>
      passesFilter(standing({ status }), filter),
    );
    expect([status, passed.length]).toEqual([status, 1]);
    expect(passesFilter(standing({ status }), 'all')).toBe(true);
  }
  expect(passesFilter(standing(), 'alerting')).toBe(false);
  expect(passesFilter(standing({ tier: 'yellow' }), 'alerting')).toBe(true);
});

test('[CO-3] a search finds items of which every word stands somewhere', () => {
  const texts = ['sku-1', '连帽卫衣', 'Hoodie', '黑色'];
  expect(matchesSearch('', texts)).toBe(true);
  expect(matchesSearch('卫衣 黑', texts)).toBe(true);
  expect(matchesSearch('HOOD sku-1', texts)).toBe(true);
  expect(matchesSearch('卫衣 红', texts)).toBe(false);
});
