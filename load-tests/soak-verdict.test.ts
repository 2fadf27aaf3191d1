import { expect, test } from 'vitest';
import { type Sample, slopePerHour, verdictOf } from './soak-verdict.ts';

const quiet: Sample = {
  seconds: 0,
  heapMb: 80,
  externalMb: 10,
  rssMb: 200,
  handles: 60,
  lagMs: 20,
  metricLines: 500,
  redisKeys: 16,
  redisMb: 2,
  redisClients: 5,
  redisChannels: 2,
  postgresConnections: 12,
};
/** Half an hour, a sample each 15 s; the heap is a saw between collections. */
const run = (change: (hours: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 120 }, (_, index) => {
    const seconds = index * 15;
    return { ...quiet, seconds, heapMb: 80 + (index % 7) * 12, ...change(seconds / 3_600) };
  });

test('[BE-9] a heap that is collected again and again does not grow; one whose floor rises does', () => {
  expect(verdictOf(run(() => ({})))).toEqual([]);
  const leaking = run((hours) => ({ heapMb: 80 + 100 * hours + (Math.round(hours * 240) % 7) * 12 }));
  expect(slopePerHour(leaking, 'heapMb')).toBeGreaterThan(70);
  expect(verdictOf(leaking)).toEqual([expect.stringContaining('heapMb grows')]);
});

test('[BE-9] whatever grows is named; what grew in the first half only, as caches do, is not', () => {
  const warming = run((hours) => ({ rssMb: 200 + 400 * Math.min(hours, 0.2), redisKeys: hours < 0.2 ? 8 : 16 }));
  expect(verdictOf(warming)).toEqual([]);
  const keys = run((hours) => ({
    redisKeys: 16 + Math.round(400 * hours),
    metricLines: 500 + Math.round(600 * hours),
  }));
  expect(verdictOf(keys).map((text) => text.split(' ')[0])).toEqual(['metricLines', 'redisKeys']);
});

test('[BE-9] what was not measured, or too seldom, is no good news', () => {
  expect(verdictOf(run(() => ({ handles: Number.NaN })))).toEqual([
    expect.stringContaining('handles could not be judged'),
  ]);
  expect(verdictOf(run(() => ({})).slice(0, 5)).length).toBeGreaterThan(5);
});
