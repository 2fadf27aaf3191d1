import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { heldLease } from '../../tests/services/held-lease.ts';
import { runPeriodically } from '../lib/periodic.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { ReserveOutcome, ReserveRequest, StockEngine } from '../stock/stock-engine.ts';
import { GateUnavailable } from '../stock/stock-engine.ts';
import { GateFollower } from './gate-follower.ts';
import type { GateKeeper } from './gate-keeper.ts';
import { startOrderJobs } from './order-jobs.ts';
import type { OrderLedger } from './order-ledger.ts';
import { addUp } from './place-order.ts';
import { GateOverloaded, ReserveBatcher } from './reserve-batcher.ts';
import { makeRid } from './rid.ts';

const aRequest = (rid: string): ReserveRequest => ({
  rid,
  key: `buyer/${rid}`,
  bodyHash: 'b',
  buyerId: 'buyer',
  deviceId: null,
  lines: [{ skuId: 'tea', quantity: 1 }],
  reacquires: null,
});

/** A gate whose calls stay under way until the test lets them go. */
function slowGate() {
  const calls: { rids: string[]; answer: () => void; fail: (error: unknown) => void }[] = [];
  return {
    calls,
    reserve: (_livestreamId: string, requests: readonly ReserveRequest[]) =>
      new Promise<readonly ReserveOutcome[]>((resolve, reject) => {
        const outcomes = requests.map(({ rid }) => ({ kind: 'known', rid, state: 'held', takes: 'hold' }) as const);
        calls.push({ rids: requests.map(({ rid }) => rid), answer: () => resolve(outcomes), fail: reject });
      }),
  };
}

test('[OR-1] a lone reserve is sent at once, those that arrive together share calls of at most 50', async () => {
  const gate = slowGate();
  const batcher = new ReserveBatcher({ engine: gate, metrics: createMetrics(), queueLengthMax: 1_000 });
  const answers = Array.from({ length: 122 }, (_, index) => batcher.reserve('live', aRequest(`r${index}`)));
  expect(gate.calls.map(({ rids }) => rids.length)).toEqual([1, 1]);
  gate.calls[0]?.answer();
  gate.calls[1]?.answer();
  await wait(5);
  expect(gate.calls.map(({ rids }) => rids.length)).toEqual([1, 1, 50, 50]);
  gate.calls[2]?.answer();
  await wait(5);
  expect(gate.calls.map(({ rids }) => rids.length)).toEqual([1, 1, 50, 50, 20]);
  gate.calls[3]?.answer();
  gate.calls[4]?.answer();
  const outcomes = await Promise.all(answers);
  expect(outcomes.map((outcome) => (outcome.kind === 'known' ? outcome.rid : ''))).toEqual(
    outcomes.map((_, index) => `r${index}`),
  );
});

test('[OR-1] a full queue refuses before anything is sent, and a failed call fails exactly its own requests', async () => {
  const gate = slowGate();
  const batcher = new ReserveBatcher({ engine: gate, metrics: createMetrics(), queueLengthMax: 2 });
  const first = batcher.reserve('live', aRequest('r0'));
  const second = batcher.reserve('live', aRequest('r1'));
  const queued = [batcher.reserve('live', aRequest('r2')), batcher.reserve('live', aRequest('r3'))];
  await expect(batcher.reserve('live', aRequest('r4'))).rejects.toThrow(GateOverloaded);
  gate.calls[0]?.fail(new GateUnavailable('cut'));
  await expect(first).rejects.toThrow(GateUnavailable);
  await wait(5);
  gate.calls[1]?.answer();
  gate.calls[2]?.answer();
  expect((await second).kind).toBe('known');
  expect((await Promise.all(queued)).map(({ kind }) => kind)).toEqual(['known', 'known']);
});

test('[OR-2] operations go in the order confirm, settle, release, and a failed one does not stop the next', async () => {
  const seen: string[] = [];
  const errors: unknown[] = [];
  const engine = {
    confirm: async (_: string, attempts: readonly { rid: string }[]) => {
      seen.push(`confirm ${attempts.map(({ rid }) => rid).join()}`);
      if (attempts.some(({ rid }) => rid === 'bad')) throw new GateUnavailable('away');
    },
    settle: async (_: string, rids: readonly string[]) => void seen.push(`settle ${rids.join()}`),
    release: async (_: string, attempts: readonly { rid: string }[]) =>
      void seen.push(`release ${attempts.map(({ rid }) => rid).join()}`),
  };
  const follower = new GateFollower({ engine, onError: (error) => errors.push(error) });
  void follower.release('live', { rid: 'c', unbind: true });
  void follower.settle('live', 'b');
  void follower.confirm('live', { rid: 'a', expiresAtMs: 1 });
  await follower.drain();
  expect(seen).toEqual(['confirm a', 'settle b', 'release c']);
  await follower.confirm('live', { rid: 'bad', expiresAtMs: 1 });
  await follower.settle('live', 'd');
  expect(errors).toHaveLength(1);
  expect(seen.at(-1)).toBe('settle d');
});

test('[OR-6] the same units in other lines are the same body', () => {
  const split = addUp([
    { skuId: 'tea', quantity: 1 },
    { skuId: 'mug', quantity: 2 },
    { skuId: 'tea', quantity: 3 },
  ]);
  expect(split).toEqual([
    { skuId: 'mug', quantity: 2 },
    { skuId: 'tea', quantity: 4 },
  ]);
});

test('[OR-12] attempt ids are UUIDs of version 7, unique and ordered by time', () => {
  const now = 1_700_000_000_000;
  const rids = Array.from({ length: 1_000 }, (_, index) => makeRid(now + index));
  expect(new Set(rids).size).toBe(1_000);
  expect([...rids].sort()).toEqual(rids);
  expect(makeRid(now, randomBytes)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('[OR-13] periodic work never overlaps, survives a failed run, and stop waits for the run under way', async () => {
  let running = 0;
  let runs = 0;
  let most = 0;
  const errors: unknown[] = [];
  const job = runPeriodically(
    2,
    async () => {
      running += 1;
      most = Math.max(most, running);
      await wait(5);
      running -= 1;
      runs += 1;
      if (runs === 1) throw new Error('first run fails');
    },
    (error) => errors.push(error),
  );
  job.kick();
  job.kick();
  while (runs < 3) await wait(2);
  await job.stop();
  expect(running).toBe(0);
  expect(most).toBe(1);
  expect(errors).toHaveLength(1);
  const after = runs;
  await wait(20);
  expect(runs).toBe(after);
});

test('[OR-14] a drift check that pauses does not hold up a stop, and calls nothing drift because of it', async () => {
  const item = { skuId: 'tea', allotted: 5, sold: 0, returned: 0, poolRev: 1, termsRev: 1 };
  const level = { ...item, version: 1, available: 5, held: 0, status: 'on_sale' } as const;
  const counts = { ...item, held: 1, heldByOrders: 1, soldByOrders: 0 };
  const engine: Partial<StockEngine> = {
    read: async () => ({ epoch: 1, version: 1, infoRev: 1, items: [level] }),
    holds: async () => [],
  };
  const ledger: Partial<OrderLedger> = { audit: async () => ({ epoch: 1, infoRev: 1, items: [counts] }) };
  const reported: unknown[] = [];
  const pauses: (() => void)[] = [];
  const never = 3_600_000;
  const jobs = startOrderJobs({
    engine: engine as StockEngine,
    ledger: ledger as OrderLedger,
    catalogue: { active: async () => [], archive: async () => {} },
    follower: new GateFollower({ engine: engine as StockEngine, onError: (error) => reported.push(error) }),
    keeper: { ensureOpen: async () => 'open' } as unknown as GateKeeper,
    metrics: createMetrics(),
    driftLease: heldLease(),
    clock: { now: () => 0 },
    wait: () => new Promise((resolve) => pauses.push(resolve)),
    onOrderChanged: () => {},
    onArchived: () => {},
    report: { error: (_job, error) => reported.push(error), drift: (event) => reported.push(event) },
    intervals: { sweepMs: never, tailMs: never, driftMs: never },
  });
  jobs.checkDriftSoon('live');
  await expect.poll(() => pauses.length).toBe(1);
  const stopped = jobs.stop();
  pauses[0]?.();
  await stopped;
  expect(pauses).toHaveLength(1);
  expect(reported).toEqual([]);
});
