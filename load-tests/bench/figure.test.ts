import { describe, expect, test } from 'vitest';
import { compare, type Figure, jsonLine, median, reached, tableRow } from './figure.ts';
import { agesOf, interleaved } from './pair.ts';

const figure = (parts: Partial<Figure> = {}): Figure => ({
  id: 'F1',
  measure: 'something, µs',
  ours: 1,
  rival: 2,
  rivalName: 'somebody',
  ratio: 0.5,
  goal: 0.7,
  within: 'at most',
  n: 4_000,
  runs: 3,
  loadAverage: 1,
  ...parts,
});

describe('a figure', () => {
  test('[BE-1] is the median of each side, and their ratio', () => {
    const compared = compare({
      id: 'F1',
      measure: 'µs',
      rivalName: 'somebody',
      goal: 0.7,
      n: 10,
      ours: [9, 1, 2],
      rival: [4, 400, 8, 4],
    });
    expect(compared).toMatchObject({ ours: 2, rival: 6, ratio: 2 / 6, runs: 3, within: 'at most' });
    expect([median([3]), median([1, 2]), median([5, 1, 3])]).toEqual([3, 1.5, 3]);
    expect(median([])).toBeNaN();
  });

  test('[BE-1] rounds of both sides take turns', async () => {
    const order: string[] = [];
    const say = (name: string) => async () => order.push(name);
    const bench = { quick: true, rounds: 3, only: null, log: () => {} };
    const { ours, rival } = await interleaved(bench, say('ours'), say('rival'));
    expect(order).toEqual(['ours', 'rival', 'ours', 'rival', 'ours', 'rival']);
    expect([ours.length, rival.length]).toEqual([3, 3]);
  });

  test('[BE-2] as JSON has exactly these fields, in this order', () => {
    const keys = ['id', 'ours', 'rival', 'rivalName', 'ratio', 'goal', 'n', 'runs'];
    expect(Object.keys(JSON.parse(jsonLine(figure({ note: 'a word' }))) as object)).toEqual(keys);
    expect(jsonLine(figure({ ours: 1 / 3 }))).toContain('"ours":0.333333,');
  });

  test('[BE-2] that could not be measured is null', () => {
    const line = jsonLine(figure({ rival: Number.NaN, ratio: Number.POSITIVE_INFINITY }));
    expect(JSON.parse(line)).toMatchObject({ ours: 1, rival: null, ratio: null });
  });

  test('[BE-3] reaches its goal on the right side of it only', () => {
    expect([0.7, 0.71, Number.NaN, Number.POSITIVE_INFINITY].map((ratio) => reached(figure({ ratio })))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const atLeast = (ratio: number) => reached(figure({ ratio, goal: 20, within: 'at least' }));
    expect([20, 19.9, Number.NaN].map(atLeast)).toEqual([true, false, false]);
    expect(tableRow(figure({ ratio: 0.71 }))).toContain('| no |');
    expect(tableRow(figure())).toContain('| ≤ 0.7 | yes |');
  });

  test('[BE-4] ages count from the moment at which a change was due', () => {
    const driven = { base: 10, count: 3, startMs: 1_000, intervalMs: 4 };
    const samples = [
      [10, 1_001],
      [11, 1_001],
      [13, 1_500],
      [14, 1_600],
    ] as const;
    expect(agesOf(samples, driven)).toEqual([1, 492]);
  });
});
