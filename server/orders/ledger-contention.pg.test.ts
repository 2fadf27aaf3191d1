import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { commitOrder, countsOf, makeDue, makeLivestream, newOrder } from '../../tests/services/ledger-fixture.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import type { AppendOutcome, NewOrder, OrderLedger } from './order-ledger.ts';
import { createPrismaLedger } from './prisma-ledger.ts';

/** Numbers that look random and are the same in every run. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

describeWithDatabases('contention', ({ kind, database }) => {
  /** Ledgers of several nodes: connections of their own where the database has any. */
  const nodes: OpenDatabase[] = [];
  const ledgers: OrderLedger[] = [];
  beforeAll(async () => {
    for (let node = 0; node < 3; node += 1) {
      if (kind === 'postgresql') nodes.push(await openDatabase({ databaseUrl: database().url, dataDir: null }));
      ledgers.push(createPrismaLedger({ prisma: (nodes[node] ?? database()).prisma }));
    }
  });
  afterAll(() => Promise.all(nodes.map((node) => node.close())));
  const prisma = () => database().prisma;
  const ledgerOf = (node: number): OrderLedger => {
    const ledger = ledgers[node % ledgers.length];
    if (ledger === undefined) throw new Error('no node');
    return ledger;
  };
  const committedOf = (orders: readonly NewOrder[], outcomes: readonly AppendOutcome[]) =>
    orders.filter((_, index) => outcomes[index]?.kind === 'committed').map(({ rid }) => rid);

  test('[OL-14] near sold-out, groups of three nodes beside cancellations and sweeps never fail and never oversell', async () => {
    const id = await makeLivestream(prisma(), { tea: 60, mug: 40 });
    const random = sequence(7);
    const out: string[] = [];
    const seen = new Set<string>();
    const buy = async (node: number) => {
      for (let round = 0; round < 25; round += 1) {
        const group = Array.from({ length: 20 }, () => {
          const units = 1 + Math.floor(random() * 3);
          const both = random() < 0.3;
          return newOrder(id, both ? { mug: units, tea: 1 } : random() < 0.5 ? { tea: units } : { mug: units });
        });
        const outcomes = await ledgerOf(node).append(group);
        for (const outcome of outcomes) seen.add(outcome.kind);
        out.push(...committedOf(group, outcomes));
      }
    };
    const release = async (node: number) => {
      for (let round = 0; round < 40; round += 1) {
        const [cancelled, ...due] = out.splice(0, 4);
        if (cancelled !== undefined) await ledgerOf(node).cancel(cancelled, 'buyer');
        if (due.length > 0) await makeDue(prisma(), due);
        await ledgerOf(node).expireDue(10);
      }
    };
    await Promise.all([buy(0), buy(1), buy(2), release(1), release(2)]);
    expect([...seen].sort()).toEqual(['committed', 'does_not_fit']);
    const counts = await countsOf(ledgerOf(0), prisma(), id);
    expect(Object.keys(counts)).toEqual(['tea', 'mug']);
  });

  test('[OL-14] 600 orders of three nodes for 100 units: exactly 100 are committed', async () => {
    const id = await makeLivestream(prisma(), { tea: 100 });
    const groups = Array.from({ length: 30 }, () => Array.from({ length: 20 }, () => newOrder(id, { tea: 1 })));
    const outcomes = await Promise.all(groups.map((group, index) => ledgerOf(index).append(group)));
    expect(outcomes.flat().filter(({ kind }) => kind === 'committed')).toHaveLength(100);
    expect(outcomes.flat().filter(({ kind }) => kind === 'does_not_fit')).toHaveLength(500);
    expect(await countsOf(ledgerOf(0), prisma(), id)).toEqual({ tea: [100, 100, 0, 0] });
  });

  test('[OL-12] the same keys in groups of three nodes, over different items: one order each', async () => {
    const id = await makeLivestream(prisma(), { tea: 500, mug: 500, pot: 500 });
    const keys = Array.from({ length: 40 }, (_, index) => `buyer-${index}/key-${id}`);
    const skus = ['tea', 'mug', 'pot'];
    const random = sequence(11);
    const groups = skus.map((sku) =>
      keys.toSorted(() => random() - 0.5).map((key) => newOrder(id, { [sku]: 2 }, { key })),
    );
    const outcomes = await Promise.all(groups.map((group, index) => ledgerOf(index).append(group)));
    const owners = new Map<string | null, string>();
    for (const [index, group] of groups.entries()) {
      for (const rid of committedOf(group, outcomes[index] ?? [])) {
        const key = group.find((order) => order.rid === rid)?.key ?? null;
        expect(owners.has(key)).toBe(false);
        owners.set(key, rid);
      }
    }
    expect(owners.size).toBe(keys.length);
    for (const [index, group] of groups.entries()) {
      for (const [position, outcome] of (outcomes[index] ?? []).entries()) {
        if (outcome.kind === 'committed') continue;
        expect(outcome).toMatchObject({
          kind: 'key_conflict',
          order: { orderId: owners.get(group[position]?.key ?? null) },
        });
      }
    }
    const counts = await countsOf(ledgerOf(0), prisma(), id);
    expect(Object.values(counts).reduce((sum, [, held = 0]) => sum + held, 0)).toBe(80);
  });

  test('[OL-13] a fence beside running appends: what is in the picture was committed, what comes later is fenced', async () => {
    const id = await makeLivestream(prisma(), { tea: 10_000 });
    const appended: string[] = [];
    let fenced = 0;
    const buy = async (node: number) => {
      for (let round = 0; round < 15; round += 1) {
        const group = Array.from({ length: 20 }, () => newOrder(id, { tea: 1 }));
        const outcomes = await ledgerOf(node).append(group);
        appended.push(...committedOf(group, outcomes));
        fenced += outcomes.filter(({ kind }) => kind === 'fenced').length;
      }
    };
    const fence = async () => {
      while (appended.length < 100) await new Promise((resolve) => setImmediate(resolve));
      return ledgerOf(2).fenceAndRead(id, 60_000);
    };
    const [picture] = await Promise.all([fence(), buy(0), buy(1)]);
    expect(picture?.holds.map(({ rid }) => rid).sort()).toEqual(appended.sort());
    expect(appended.length + fenced).toBe(600);
    expect(fenced).toBeGreaterThan(0);
  });

  test('[OL-20] one late payment repeated on three nodes is settled once', async () => {
    const id = await makeLivestream(prisma(), { tea: 2 });
    const order = await commitOrder(ledgerOf(0), newOrder(id, { tea: 1 }));
    await makeDue(prisma(), [order.orderId]);
    await ledgerOf(0).expireDue(10);
    const request = { paymentId: `late-${id}`, orderId: order.orderId, amountMinor: 500, currency: 'CNY' };
    const attempts = [0, 1, 2].map((node) => ({ node, rid: newOrder(id, {}).rid }));
    const outcomes = await Promise.all(
      attempts.map(({ node, rid }) => ledgerOf(node).payReacquired({ ...request, rid, epoch: 0 })),
    );
    const settled = outcomes.flatMap((outcome) =>
      outcome.kind === 'final' && outcome.transition ? [outcome.transition.rid] : [],
    );
    expect(settled).toHaveLength(1);
    const states = await ledgerOf(0).resolve(
      id,
      attempts.map(({ rid }) => rid),
    );
    expect(states.map(({ state }) => state).sort()).toEqual(['paid', 'void', 'void']);
    expect(states.find(({ state }) => state === 'paid')?.rid).toBe(settled[0]);
    expect(await countsOf(ledgerOf(0), prisma(), id)).toEqual({ tea: [2, 0, 1, 0] });
  });
});
