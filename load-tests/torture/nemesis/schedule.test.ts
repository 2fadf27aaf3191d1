import { expect, test } from 'vitest';
import { seededRandom } from '../../lib/random.ts';
import { type FaultKind, faultKinds, planFaults } from './schedule.ts';

const plan = (seed: number, pack: FaultKind[] = []) =>
  planFaults({ random: seededRandom(seed), roundMs: 30_000, count: 10, nodes: 3, kinds: faultKinds, pack });

test('[TO-2] a seed gives the same faults again, another seed others', () => {
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
});

test('[TO-2] faults lie inside their round, in order, about nodes that exist', () => {
  for (const seed of Array.from({ length: 50 }, (_, index) => index)) {
    const faults = plan(seed);
    expect(faults).toHaveLength(10);
    expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).sort((a, b) => a - b));
    for (const { atMs, durationMs, node } of faults) {
      expect(atMs).toBeLessThan(30_000);
      expect(durationMs).toBeGreaterThanOrEqual(200);
      expect([0, 1, 2]).toContain(node);
    }
  }
});

test('[TO-2] over the rounds of one pack every kind has its turn', () => {
  const random = seededRandom(3);
  const pack: FaultKind[] = [];
  const seen = new Set<FaultKind>();
  for (let round = 0; round < 12; round += 1) {
    for (const { kind } of planFaults({ random, roundMs: 30_000, count: 10, nodes: 3, kinds: faultKinds, pack }))
      seen.add(kind);
  }
  expect([...seen].sort()).toEqual([...faultKinds].sort());
});
