import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { CurveSampler, recentSeconds, type Sample, SampleQueue } from './curve-sampler.ts';

const startMs = 1_760_000_000_000;
const startSecond = startMs / 1_000;

const level = (consumed: number, version: number, parts: Partial<ItemLevel> = {}): ItemLevel => ({
  skuId: 'tea',
  version,
  allotted: 1_000,
  available: 1_000 - consumed,
  held: Math.ceil(consumed / 2),
  sold: Math.floor(consumed / 2),
  status: 'on_sale',
  ...parts,
});

const open = (lengthMax = 1_000) => {
  const queue = new SampleQueue(lengthMax);
  const sampler = new CurveSampler(queue);
  /** `[second since the start, consumed]` of everything that waits. */
  const waiting = () => queue.head(10_000).map(({ second, consumed }) => [second - startSecond, consumed]);
  return { queue, sampler, waiting };
};

test('[PA-15] one sample a second with its last state, one after the last change, one at the end of a quiet time', () => {
  const { sampler, waiting } = open();
  const sell = (atMs: number, consumed: number, version: number) =>
    sampler.observe('live', level(consumed, version), startMs + atMs);
  expect(sell(0, 0, 1)).toBe(0);
  expect(sell(1_100, 3, 2)).toBe(3);
  expect(sell(1_900, 5, 3)).toBe(2);
  sampler.settle(startMs + 2_999);
  expect(waiting()).toHaveLength(2);
  for (let second = 3; second < 60; second += 1) sampler.settle(startMs + second * 1_000);
  sell(59_000, 5, 4);
  sell(60_500, 6, 5);
  sampler.settle(startMs + 62_000);
  expect(waiting().toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
    [0, 0],
    [1, 5],
    [2, 5],
    [59, 5],
    [60, 6],
    [61, 6],
  ]);
});

test('[PA-2] consumption that falls and rises again counts what rises, and is drawn as it was', () => {
  const { sampler, waiting } = open();
  const rises = [10, 4, 7, 7, 0, 2].map((consumed, index) =>
    sampler.observe('live', level(consumed, index + 1), startMs + index * 1_000),
  );
  expect(rises).toEqual([0, 0, 3, 0, 0, 2]);
  expect(waiting()).toEqual([
    [0, 10],
    [1, 4],
    [2, 7],
    [3, 7],
    [4, 0],
    [5, 2],
  ]);
});

test('[PA-24] new samples are told once, and told again when their second changes', () => {
  const { sampler } = open();
  const told = () =>
    [...(sampler.takeNew().get('live') ?? [])].map(({ second, consumed }) => [second - startSecond, consumed]);
  sampler.observe('live', level(1, 1), startMs);
  expect(told()).toEqual([[0, 1]]);
  expect(told()).toEqual([]);
  sampler.observe('live', level(2, 2), startMs + 400);
  sampler.observe('live', level(3, 3), startMs + 500);
  expect(told()).toEqual([[0, 3]]);
});

test('[PA-17] what the database knows is not sampled again, and a time that nobody saw is not drawn as quiet', () => {
  const { sampler, waiting } = open();
  const known: Sample = {
    livestreamId: 'live',
    skuId: 'tea',
    second: startSecond - 100,
    consumed: 40,
    available: 960,
    version: 9,
  };
  sampler.restore(known);
  expect(sampler.observe('live', level(40, 9), startMs)).toBe(0);
  sampler.settle(startMs + 5_000);
  expect(waiting()).toEqual([]);
  expect(sampler.observe('live', level(41, 10), startMs + 9_000)).toBe(1);
  expect(waiting()).toEqual([
    [8, 40],
    [9, 41],
  ]);

  const late = open();
  late.sampler.restore(known);
  expect(late.sampler.observe('live', level(70, 30), startMs)).toBe(0);
  expect(late.waiting()).toEqual([[0, 70]]);
  const soon = open();
  soon.sampler.restore({ ...known, second: startSecond - 4 });
  expect(soon.sampler.observe('live', level(42, 11), startMs)).toBe(2);
});

test('[PA-19] while nothing is written, each second waits once, and beyond the limit the oldest goes and is counted', () => {
  const { queue, sampler, waiting } = open(5);
  for (let version = 1; version <= 40; version += 1) {
    sampler.observe('live', level(version, version), startMs + version * 250);
  }
  expect(queue.length).toBe(5);
  expect(queue.dropped).toBe(6);
  expect(waiting().map(([second]) => second)).toEqual([6, 7, 8, 9, 10]);
});

test('[PA-19] a second that changed while it was being written goes on waiting', () => {
  const { queue, sampler, waiting } = open();
  sampler.observe('live', level(1, 1), startMs);
  const written = queue.head(10);
  sampler.observe('live', level(2, 2), startMs + 100);
  queue.written(written);
  expect(waiting()).toEqual([[0, 2]]);
});

test('[PA-20] what was written stays for 15 s, for answers to those who come now', () => {
  const { queue, sampler } = open();
  for (let second = 0; second < 40; second += 1) {
    sampler.observe('live', level(second, second), startMs + second * 1_000);
    queue.written(queue.head(100));
    queue.forgetOld(startMs + second * 1_000);
  }
  expect(queue.length).toBe(0);
  expect(queue.recentOf('live')).toHaveLength(recentSeconds + 1);
  queue.forgetOld(startMs + 100_000);
  expect(queue.recentOf('live')).toEqual([]);
});

test('[PA-15] whatever changes when: seconds are distinct, time rises, and the samples end on the last state', () => {
  const change = fc.record({ afterMs: fc.integer({ min: -500, max: 4_000 }), consumed: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 80 }), (changes) => {
      const { queue, sampler } = open(100_000);
      let nowMs = startMs;
      for (const [index, { afterMs, consumed }] of changes.entries()) {
        nowMs += afterMs;
        expect(sampler.observe('live', level(consumed, index + 1), nowMs)).toBeGreaterThanOrEqual(0);
        sampler.settle(nowMs);
      }
      sampler.settle(nowMs + 60_000);
      const samples = [...queue.head(100_000)].toSorted((a, b) => a.second - b.second);
      expect(new Set(samples.map(({ second }) => second)).size).toBe(samples.length);
      expect(samples.at(-1)?.consumed).toBe(changes.at(-1)?.consumed);
      const fresh = sampler.takeNew().get('live') ?? [];
      expect(fresh.every(({ second }, index) => index === 0 || second > (fresh[index - 1]?.second ?? 0))).toBe(true);
    }),
  );
});
