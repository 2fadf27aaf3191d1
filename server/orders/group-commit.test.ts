import { expect, test } from 'vitest';
import { newOrder } from '../../tests/services/ledger-fixture.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { GroupCommit } from './group-commit.ts';
import type { AppendOutcome, NewOrder } from './order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';

/** A ledger whose statements end when the test says so; each order is fenced, which tells them apart from nothing. */
function steppedLedger() {
  const groups: { orders: readonly NewOrder[]; end: () => void; fail: (error: Error) => void }[] = [];
  return {
    groups,
    append: (orders: readonly NewOrder[]) =>
      new Promise<readonly AppendOutcome[]>((resolve, reject) => {
        groups.push({ orders, end: () => resolve(orders.map(() => ({ kind: 'fenced' }))), fail: reject });
      }),
  };
}
const order = () => newOrder('night', { tea: 1 });
const turn = () => new Promise((resolve) => setImmediate(resolve));
const commitOn = (ledger: ReturnType<typeof steppedLedger>, queueLengthMax = 2_000) =>
  new GroupCommit({ ledger, metrics: createMetrics(), queueLengthMax });

test('[OL-29] a lone order is sent at once; those that come meanwhile go together, in order, 500 at most', async () => {
  const ledger = steppedLedger();
  const commit = commitOn(ledger);
  const lone = commit.append(order());
  expect(ledger.groups.map(({ orders }) => orders.length)).toEqual([1]);
  const others = Array.from({ length: 620 }, order);
  const answers = others.map((one) => commit.append(one));
  await turn();
  expect(ledger.groups).toHaveLength(1);
  for (let group = 0; group < 3; group += 1) {
    ledger.groups[group]?.end();
    await turn();
  }
  expect(await lone).toEqual({ kind: 'fenced' });
  expect(await Promise.all(answers)).toHaveLength(620);
  expect(ledger.groups.map(({ orders }) => orders.length)).toEqual([1, 500, 120]);
  expect(ledger.groups.slice(1).flatMap(({ orders }) => orders)).toEqual(others);
});

test('[O5][OL-33] a group without an answer is answered as unknown after a while, and the next one is sent', async () => {
  const ledger = steppedLedger();
  const ends: (() => void)[] = [];
  const patience = (end: () => void) => {
    const at = ends.push(end) - 1;
    return () => void (ends[at] = () => undefined);
  };
  const commit = new GroupCommit({ ledger, metrics: createMetrics(), queueLengthMax: 10, patience });
  const first = commit.append(order());
  const second = commit.append(order());
  ends[0]?.();
  await expect(first).rejects.toBeInstanceOf(LedgerUnknown);
  await turn();
  expect(ledger.groups).toHaveLength(2);
  // The first may be answered after all: it is nobody's any more.
  ledger.groups[0]?.end();
  ledger.groups[1]?.end();
  expect(await second).toEqual({ kind: 'fenced' });
  await turn();
  ends[1]?.();
  await commit.drain();
});

test('[OL-30] a full queue sheds at once and sends nothing of it', async () => {
  const ledger = steppedLedger();
  const commit = commitOn(ledger, 3);
  const answers = Array.from({ length: 4 }, () => commit.append(order()));
  const shed = order();
  await expect(commit.append(shed)).rejects.toMatchObject({ name: 'LedgerOverloaded' });
  for (let group = 0; group < 2; group += 1) {
    ledger.groups[group]?.end();
    await turn();
  }
  await Promise.all(answers);
  expect(ledger.groups.flatMap(({ orders }) => orders.map(({ rid }) => rid))).not.toContain(shed.rid);
});

test('[OL-28] a failure of a statement reaches every order of its group and nobody else', async () => {
  const ledger = steppedLedger();
  const commit = commitOn(ledger);
  const first = expect(commit.append(order())).rejects.toBeInstanceOf(LedgerRefused);
  const second = [1, 2].map(() => expect(commit.append(order())).rejects.toBeInstanceOf(LedgerUnknown));
  ledger.groups[0]?.fail(new LedgerRefused('no connection'));
  await turn();
  // An error of a kind that nobody expected says nothing about the commit.
  ledger.groups[1]?.fail(new TypeError('odd'));
  await Promise.all([first, ...second]);
  const third = commit.append(order());
  ledger.groups[2]?.end();
  expect(await third).toEqual({ kind: 'fenced' });
});

test('[OL-32] a drain ends when nothing waits and nothing is under way', async () => {
  const ledger = steppedLedger();
  const commit = commitOn(ledger);
  await commit.drain();
  const answers = [1, 2, 3].map(() => commit.append(order()));
  const drain = commit.drain();
  ledger.groups[0]?.end();
  expect(await Promise.race([drain, turn().then(() => 'still draining')])).toBe('still draining');
  ledger.groups[1]?.end();
  await drain;
  await Promise.all(answers);
});
