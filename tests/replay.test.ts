import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../load-tests/lib/random.ts';
import { readDays } from '../load-tests/replay/day-orders.ts';
import { BadOptions, parseOptions } from '../load-tests/replay/options.ts';
import { type OrderLine, type Parsed, readOrderFile } from '../load-tests/replay/order-file.ts';
import { itemsByRank, makePlan, ownItems, type PlanSettings } from '../load-tests/replay/plan.ts';
import { matchRefunds } from '../load-tests/replay/refunds.ts';
import { schedule } from '../load-tests/replay/schedule.ts';
import { allotmentOf, type Sale, select, wireIds } from '../load-tests/replay/selection.ts';
import { trimmedCsv } from '../load-tests/replay/trim.ts';

const realDay = fileURLToPath(new URL('../load-tests/data/uci-2011-12-05.csv.gz', import.meta.url));
const header = 'ts,invoice,sku,qty,price,customer,country';
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockcast-replay-'));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
async function fileOf(content: string | Buffer): Promise<string> {
  files += 1;
  const path = join(folder, `orders-${files}.csv`);
  await writeFile(path, content);
  return path;
}
async function parsed(content: string | Buffer): Promise<Parsed[]> {
  const all: Parsed[] = [];
  for await (const one of readOrderFile(await fileOf(content))) all.push(one);
  return all;
}
const line = (over: Partial<OrderLine> = {}): OrderLine => ({
  lineNumber: 2,
  atMs: Date.parse('2011-12-05T08:38:00Z'),
  day: '2011-12-05',
  invoice: '580538',
  sku: '23084',
  quantity: 6,
  priceMinor: 179,
  customer: '14075',
  ...over,
});

test('[RP-1] columns are found by name, and gzip by its bytes', async () => {
  const csv = 'customer,qty,ts,note,sku,invoice,price\n14075,-3,2011-12-05T08:38:00,"a, b",85123A,C1,2.55\n';
  const expected = [
    {
      kind: 'line',
      line: line({ invoice: 'C1', sku: '85123A', quantity: -3, priceMinor: 255 }),
    },
  ];
  expect(await parsed(csv)).toEqual(expected);
  expect(await parsed(gzipSync(csv))).toEqual(expected);
  expect(await parsed(`\uFEFF${csv.replaceAll('\n', '\r\n')}`)).toEqual(expected);
});

test('[RP-2] each bad line is named with its line and column, and the lines after it are read', async () => {
  const good = '2011-12-05T08:38:00,580538,23084,6,1.79,14075,UK';
  const rows = [
    good,
    '2011-02-30T08:38:00,580538,23084,6,1.79,14075,UK',
    '2011-12-05 08:38,580538,23084,6,1.79,14075,UK',
    '2011-12-05T08:38:00,,23084,6,1.79,14075,UK',
    '2011-12-05T08:38:00,580538,,6,1.79,14075,UK',
    '2011-12-05T08:38:00,580538,23084,6.5,1.79,14075,UK',
    '2011-12-05T08:38:00,580538,23084,1e3,1.79,14075,UK',
    '2011-12-05T08:38:00,580538,23084,6,free,14075,UK',
    '2011-12-05T08:38:00,580538,23084',
    good,
  ];
  const all = await parsed([header, ...rows].join('\n'));
  const problems = all.flatMap((one) => (one.kind === 'problem' ? [one.problem] : []));
  expect(problems.map(({ lineNumber, column }) => [lineNumber, column])).toEqual([
    [3, 'ts'],
    [4, 'ts'],
    [5, 'invoice'],
    [6, 'sku'],
    [7, 'qty'],
    [8, 'qty'],
    [9, 'price'],
    [10, 'qty'],
  ]);
  expect(problems[5]?.message).toBe('is "1e3", expected a whole number');
  expect(all.flatMap((one) => (one.kind === 'line' ? [one.line.lineNumber] : []))).toEqual([2, 11]);
});

test('[RP-2] broken quotes cost their own line only', async () => {
  const good = '2011-12-05T08:38:00,580538,23084,6,1.79,14075,UK';
  const rows = [
    good,
    '2011-12-05T08:38:00,"58"0538,23084,6,1.79,14075,UK',
    '2011-12-05T08:38:00,"580538,23084,6,1.79,14075,UK',
    '2011-12-05T08:38:00,"580538",23084,6,1.79,14075,"Eire, west"',
  ];
  const all = await parsed([header, ...rows].join('\n'));
  expect(all.map(({ kind }) => kind)).toEqual(['line', 'problem', 'problem', 'line']);
});

test('[RP-1] a file without line ends is refused before it fills the memory', async () => {
  await expect(parsed('x'.repeat(200_000))).rejects.toThrow(/longer than 16384 characters/);
});

test.each([
  ['a missing column', 'ts,invoice,sku,qty,customer\n', /line 1: the column "price" is missing.*found ts,invoice/],
  ['an empty file', '', /line 1: the file is empty/],
  ['a damaged gzip stream', gzipSync(`${header}\n`).subarray(0, 20), /cannot be read/],
  ['no usable line', `${header}\n`, /no usable line/],
  ['blank lines only', '\n\n\n', /line 1: the file is empty/],
])('[RP-3] %s ends the replay with a sentence that helps', async (_, content, message) => {
  await expect(readDays(await fileOf(content), [])).rejects.toThrow(message);
});

test('[RP-3] a file that is not there is named', async () => {
  await expect(readDays(join(folder, 'nowhere.csv'), [])).rejects.toThrow(/nowhere\.csv cannot be read/);
});

test('[RP-4] the busiest day is the default, of equals the earliest; an absent day is named with those that exist', async () => {
  const row = (day: string): string => `${day}T09:00:00,1,a,1,1,7,UK`;
  const days = ['2011-12-06', '2011-12-05', '2011-12-05', '2011-12-06', '2011-12-07'];
  const path = await fileOf([header, ...days.map(row)].join('\n'));
  expect(await readDays(path, [])).toMatchObject({ days: ['2011-12-05'], linesRead: 5 });
  await expect(readDays(path, ['2011-12-09'])).rejects.toThrow('2011-12-05, 2011-12-06, 2011-12-07');
});

test('[RP-5] the most wanted SKUs are those of the greatest capped demand, of equals the first by name', () => {
  const lines = [
    line({ sku: 'wholesale', quantity: 5_000 }),
    line({ sku: 'b', quantity: 20 }),
    line({ sku: 'b', quantity: 5 }),
    line({ sku: 'a', quantity: 24 }),
    line({ sku: 'a', quantity: 1 }),
    line({ sku: 'a', quantity: 0 }),
    line({ sku: 'a', quantity: -2 }),
    line({ sku: 'a', quantity: 2, invoice: 'C7' }),
    line({ sku: 'a', quantity: -2, invoice: 'C8' }),
  ];
  const selection = select(lines, { skuCount: 2, quantityMax: 24 });
  expect(selection.skus.map(({ sku, demand }) => [sku, demand])).toEqual([
    ['a', 25],
    ['b', 25],
  ]);
  expect(selection.skipped).toEqual({ notPositive: 3, otherSkus: 1 });
  expect(selection.cancellations).toHaveLength(1);
  expect(selection.sales).toHaveLength(4);
});

test('[RP-6] names become ids of the contract, and no two names one id', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 90, unit: 'grapheme' }), { maxLength: 30 }),
      (names) => {
        const ids = [...wireIds(names).values()];
        expect(new Set(ids).size).toBe(names.length);
        for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
      },
    ),
  );
  expect(wireIds(['BANK CHARGES', 'BANK_CHARGES']).get('BANK_CHARGES')).toBe('BANK_CHARGES-2');
});

test('[RP-7] stock is the rounded-up share of the demand, at least one unit', () => {
  expect([allotmentOf(276, 0.8), allotmentOf(5, 0.8), allotmentOf(1, 0.001)]).toEqual([221, 4, 1]);
});

const sale = (over: Partial<Sale>): Sale => ({ lineNumber: 1, atMs: 0, sku: 'a', customer: '7', quantity: 2, ...over });

test('[RP-8] a cancellation takes the latest earlier sale of the same customer, SKU and quantity', () => {
  const sales = [sale({ lineNumber: 1, atMs: 1 }), sale({ lineNumber: 2, atMs: 2 }), sale({ lineNumber: 9, atMs: 9 })];
  const cancellations = [
    sale({ lineNumber: 4, atMs: 4 }),
    sale({ lineNumber: 5, atMs: 5 }),
    sale({ lineNumber: 6, atMs: 6 }),
  ];
  const matches = matchRefunds(sales, cancellations);
  expect(matches.map((one) => (one.kind === 'matched' ? one.sale.lineNumber : one.reason))).toEqual([
    2,
    1,
    'no_earlier_sale',
  ]);
  const unmatched = (over: Partial<Sale>) => matchRefunds(sales, [sale({ lineNumber: 5, atMs: 5, ...over })])[0];
  expect(unmatched({ customer: '' })).toMatchObject({ reason: 'no_customer' });
  expect(unmatched({ quantity: 1 })).toMatchObject({ reason: 'other_quantity' });
  expect(unmatched({ sku: 'b' })).toMatchObject({ reason: 'no_earlier_sale' });
});

test('[RP-8] whatever the lines, no sale is taken twice and none by a cancellation before it', () => {
  const aLine = fc.record({
    atMs: fc.nat(20),
    sku: fc.constantFrom('a', 'b'),
    customer: fc.constantFrom('', '7', '8'),
    quantity: fc.constantFrom(1, 2),
  });
  fc.assert(
    fc.property(fc.array(aLine, { maxLength: 30 }), fc.array(aLine, { maxLength: 30 }), (some, others) => {
      const sales = some.map((one, index) => sale({ ...one, lineNumber: index }));
      const matches = matchRefunds(
        sales,
        others.map((one, index) => sale({ ...one, lineNumber: 100 + index })),
      );
      expect(matches).toHaveLength(others.length);
      const taken = matches.flatMap((one) => (one.kind === 'matched' ? [one.sale] : []));
      expect(new Set(taken).size).toBe(taken.length);
      for (const one of matches) {
        if (one.kind !== 'matched') continue;
        expect(one.sale.atMs).toBeLessThanOrEqual(one.cancellation.atMs);
        expect(one.sale).toMatchObject({ sku: one.cancellation.sku, quantity: one.cancellation.quantity });
      }
    }),
  );
});

test('[RP-9] lines keep their minute, the speed divides, and nights are left out', () => {
  const at = (text: string, lineNumber: number) => ({ atMs: Date.parse(`${text}Z`), lineNumber });
  const ones = [
    at('2011-12-05T08:38:30', 2),
    at('2011-12-05T08:39:10', 3),
    at('2011-12-05T10:38:00', 4),
    at('2011-12-06T09:00:00', 5),
    at('2011-12-06T09:02:00', 6),
  ];
  const timed = schedule(ones, { speed: 60, random: seededRandom(5) });
  expect(timed.map(({ replayMs }) => Math.floor(replayMs / 60_000))).toEqual([0, 1, 120, 121, 123]);
  expect(timed[0]?.replayMs).toBe(30_000);
  for (const { replayMs, wallMs } of timed) expect(wallMs).toBe(replayMs / 60);
  const atOnce = schedule(ones, { speed: 0, random: seededRandom(5) });
  expect(atOnce.map(({ wallMs }) => wallMs)).toEqual([0, 0, 0, 0, 0]);
});

test('[RP-9] whatever the lines, time never runs backwards and no line is lost', () => {
  const aMoment = fc.nat(5 * 86_400).map((second) => second * 1_000);
  fc.assert(
    fc.property(fc.array(aMoment, { maxLength: 60 }), fc.integer({ min: 0, max: 1_000 }), (moments, speed) => {
      const ones = moments.map((atMs, lineNumber) => ({ atMs, lineNumber }));
      const timed = schedule(ones, { speed, random: seededRandom(1) });
      expect(timed.map(({ one }) => one.lineNumber).sort((a, b) => a - b)).toEqual(
        ones.map(({ lineNumber }) => lineNumber),
      );
      timed.forEach(({ replayMs, one }, index) => {
        expect(replayMs).toBeGreaterThanOrEqual(Math.max(0, timed[index - 1]?.replayMs ?? 0));
        const before = timed[index - 1]?.one.atMs ?? 0;
        expect(Math.floor(before / 60_000)).toBeLessThanOrEqual(Math.floor(one.atMs / 60_000));
      });
    }),
  );
});

const settings = (over: Partial<PlanSettings>): PlanSettings => ({
  runId: 'r1234567',
  seed: 3,
  speed: 600,
  via: 'mixed',
  pay: 0.5,
  cancel: 0.3,
  itemOf: () => ({ skuId: 'a', quantity: 1 }),
  ...over,
});

test('[RP-10] the same seed gives the same plan of a real day, another seed another', async () => {
  const { lines } = await readDays(realDay, ['2011-12-05']);
  const selection = select(lines, { skuCount: 40, quantityMax: 24 });
  const planOf = (seed: number) => makePlan(selection, settings({ seed, itemOf: ownItems(selection) }));
  expect(planOf(3)).toEqual(planOf(3));
  expect(planOf(3)).not.toEqual(planOf(4));
  const orders = planOf(3).events.flatMap(({ one }) => (one.kind === 'order' ? [one] : []));
  expect(orders).toHaveLength(selection.sales.length);
  expect(new Set(orders.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(orders.length);
  const share = (kind: string): number => orders.filter(({ fate }) => fate.kind === kind).length / orders.length;
  expect(share('pay')).toBeGreaterThan(0.4);
  expect(share('pay')).toBeLessThan(0.6);
  expect(share('expire')).toBeGreaterThan(0.1);
});

test('[RP-10] a sale that the file takes back later is always paid', () => {
  const lines = [
    line({ lineNumber: 2, quantity: 2 }),
    line({ lineNumber: 3, quantity: -2, invoice: 'C9', atMs: line().atMs + 60_000 }),
  ];
  const plan = makePlan(select(lines, { skuCount: 1, quantityMax: 24 }), settings({ pay: 0, cancel: 1 }));
  expect(plan.matched).toBe(1);
  expect(plan.events.map(({ one }) => (one.kind === 'order' ? one.fate.kind : one.kind))).toEqual(['pay', 'refund']);
});

test('[RP-11] the demo buys every item, the first one most, 1 to 3 units', async () => {
  const { lines } = await readDays(realDay, []);
  const selection = select(lines, { skuCount: 120, quantityMax: 24 });
  const skuIds = ['tea', 'mug', 'cup', 'pot', 'jar', 'hat'];
  const none = { perOrder: null, perBuyer: null, perDevice: null };
  const items = skuIds.map((skuId) => ({ skuId, limits: skuId === 'hat' ? { ...none, perBuyer: 1 } : none }));
  const plan = makePlan(selection, settings({ itemOf: itemsByRank(selection, items) }));
  const units = new Map<string, number>();
  for (const { one } of plan.events) {
    if (one.kind !== 'order') continue;
    expect(one.quantity).toBeGreaterThanOrEqual(1);
    expect(one.quantity).toBeLessThanOrEqual(Math.min(one.skuId === 'hat' ? 1 : 3, one.sale.quantity));
    units.set(one.skuId, (units.get(one.skuId) ?? 0) + 1);
  }
  expect([...units.keys()].sort()).toEqual(skuIds.toSorted());
  expect(Math.max(...units.values())).toBe(units.get('tea'));
});

test('[RP-17] every mistake of a command line is reported at once', () => {
  const parse = (...args: string[]) => parseOptions(args, {}, 'demo.csv.gz');
  const mistakes = (() => {
    try {
      parse('--speed', 'fast', '--day', 'monday', '--pay', '0.9', '--cancel', '0.2', '--via', 'pigeon');
    } catch (error) {
      return error instanceof BadOptions ? error.message.split('\n') : [];
    }
    return [];
  })();
  expect(mistakes).toHaveLength(6);
  expect(mistakes.join(' ')).toMatch(/--file.*/);
  expect(() => parse('--nonsense')).toThrow(BadOptions);
  expect(() => parse('--demo', '--token', 'x')).toThrow(/--livestream/);
  expect(parse('--demo', '--livestream', 'demo', '--token', 'x')).toMatchObject({ file: 'demo.csv.gz', speed: 90 });
  expect(parseOptions(['--file', 'a.csv'], { STOCKCAST_TOKEN: 'secret' }, '')).toMatchObject({
    token: 'secret',
    speed: 600,
    skuCount: 20,
    stockShare: 0.8,
    quantityMax: 24,
  });
});

test('[RP-5] the day in this repository is the one that its trimming makes', async () => {
  const { lines, linesRead, problemCount } = await readDays(realDay, ['2011-12-05']);
  expect([linesRead, lines.length, problemCount]).toEqual([5_325, 5_325, 0]);
  const path = await fileOf(trimmedCsv(lines, 5_000));
  expect((await readDays(path, [])).lines).toEqual(lines);
});
