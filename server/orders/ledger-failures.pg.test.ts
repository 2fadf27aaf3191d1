import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitOrder, countsOf, makeLivestream, newOrder } from '../../tests/services/ledger-fixture.ts';
import { startPostgresServer, type TestPostgres } from '../../tests/services/postgres-server.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { appendStatement } from './append-statement.ts';
import { GroupCommit } from './group-commit.ts';
import { StatementRefused } from './ledger-errors.ts';
import type { NewOrder, OrderLedger } from './order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';
import { createPrismaLedger } from './prisma-ledger.ts';

let server: TestPostgres;
let database: OpenDatabase;
let ledger: OrderLedger;
beforeAll(async () => {
  server = await startPostgresServer();
  database = await openDatabase({
    databaseUrl: await server.createDatabase(),
    dataDir: null,
    connectionsMax: 2,
    statementTimeoutMs: 1_500,
    connectTimeoutMs: 1_000,
  });
  ledger = createPrismaLedger({ prisma: database.prisma });
});
afterAll(async () => {
  await database.close();
  await server.stop();
});

/** Another session that has appended these orders and has not committed yet. */
async function appendInFlight(orders: readonly NewOrder[]) {
  const client = new Client(database.url);
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  const { sql } = appendStatement(orders);
  await client.query(sql.text, sql.values);
  return async (end: 'COMMIT' | 'ROLLBACK') => {
    await client.query(end);
    await client.end();
  };
}

test.each([
  ['COMMIT', 'held'],
  ['ROLLBACK', 'void'],
] as const)('[OL-17] resolve waits for an insert in flight: after its %s the state is %s', async (end, state) => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  const order = newOrder(id, { tea: 1 });
  const finish = await appendInFlight([order]);
  const resolving = ledger.resolve(id, [order.rid]);
  const early = await Promise.race([resolving, sleep(150)]);
  expect(early).toBeUndefined();
  await finish(end);
  expect(await resolving).toMatchObject([{ rid: order.rid, state }]);
});

test('[OL-17] resolve rejects after half a second and has decided nothing', async () => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  const order = newOrder(id, { tea: 1 });
  const finish = await appendInFlight([order]);
  // The lock's time-out, which is shorter than the statement's (57014).
  await expect(ledger.resolve(id, [newOrder(id, {}).rid, order.rid])).rejects.toMatchObject({ sqlState: '55P03' });
  await finish('COMMIT');
  expect(await ledger.resolve(id, [order.rid])).toMatchObject([{ state: 'held' }]);
});

test('[OL-16] an append that meets a void row in flight waits for it and then changes nothing', async () => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  const order = newOrder(id, { tea: 1 });
  const client = new Client(database.url);
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT stockcast_resolve($1, $2)', [id, [order.rid]]);
  const appending = ledger.append([newOrder(id, { tea: 1 }), order]);
  expect(await Promise.race([appending, sleep(150)])).toBeUndefined();
  await client.query('COMMIT');
  await client.end();
  expect(await appending).toMatchObject([{ kind: 'committed' }, { kind: 'exists', state: 'void' }]);
  expect(await countsOf(ledger, database.prisma, id)).toEqual({ tea: [5, 1, 0, 0] });
});

test('[OL-28] a statement that the server gives up is a known failure, and has changed nothing', async () => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  const finish = await appendInFlight([newOrder(id, { tea: 1 })]);
  const late = newOrder(id, { tea: 1 });
  await expect(ledger.append([late])).rejects.toMatchObject({ name: 'LedgerRefused', sqlState: '57014' });
  await finish('COMMIT');
  expect(await ledger.find(late.rid)).toBeNull();
});

test('[OL-28] a connection that the server ends leaves the outcome unknown', async () => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  const finish = await appendInFlight([newOrder(id, { tea: 1 })]);
  const appending = ledger.append([newOrder(id, { tea: 1 })]);
  const answer = expect(appending).rejects.toThrow(LedgerUnknown);
  const client = new Client(database.url);
  await client.connect();
  const endWaiting = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
  while ((await client.query(endWaiting)).rowCount === 0) await sleep(5);
  await client.end();
  await answer;
  await finish('ROLLBACK');
});

test('[OL-28] a server that goes silent: sent statements are unknown, those that found no connection were never sent', async () => {
  const id = await makeLivestream(database.prisma, { tea: 5 });
  await commitOrder(ledger, newOrder(id, { tea: 1 }));
  server.pause();
  const orders = [1, 2, 3, 4].map(() => newOrder(id, { tea: 1 }));
  const outcomes = await Promise.allSettled(orders.map((order) => ledger.append([order])));
  server.resume();
  const names = outcomes.map((outcome) =>
    outcome.status === 'rejected' ? (outcome.reason as Error).name : 'committed',
  );
  expect(names).toContain('LedgerUnknown');
  expect(names).toContain('LedgerRefused');
  expect(names).not.toContain('committed');
  for (;;) {
    // Until the server has worked off what was sent to it.
    const states = await ledger
      .resolve(
        id,
        orders.map(({ rid }) => rid),
      )
      .catch(() => null);
    if (states === null) {
      // Refused at once while the server counts as away: time has to pass for it to be asked again.
      await sleep(20);
      continue;
    }
    const sent = new Set(orders.filter((_, index) => names[index] === 'LedgerUnknown').map(({ rid }) => rid));
    expect(states.every(({ rid, state }) => state === 'void' || sent.has(rid))).toBe(true);
    break;
  }
  await countsOf(ledger, database.prisma, id);
});

test('[OL-28] a server killed in the middle of a burst: what was acknowledged is there, what is unknown is resolved', async () => {
  const id = await makeLivestream(database.prisma, { tea: 100_000 });
  const commit = new GroupCommit({ ledger, metrics: createMetrics(), queueLengthMax: 10_000 });
  const acknowledged: string[] = [];
  const unknown: string[] = [];
  const refused: string[] = [];
  const burst = { going: true };
  const buyer = async () => {
    while (burst.going) {
      const order = newOrder(id, { tea: 1 });
      try {
        const outcome = await commit.append(order);
        expect(outcome.kind).toBe('committed');
        acknowledged.push(order.rid);
      } catch (error) {
        (error instanceof LedgerUnknown ? unknown : refused).push(order.rid);
        await sleep(20);
      }
    }
  };
  const buyers = Array.from({ length: 100 }, buyer);
  while (acknowledged.length < 1_000) await sleep(5);
  // Groups that wait for this lock are under way when the server dies, however slow the buyers are.
  const blocker = new Client(database.url);
  blocker.on('error', () => undefined);
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT 1 FROM livestream_items WHERE livestream_id = $1 FOR UPDATE', [id]);
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
  while ((await blocker.query(waiting)).rowCount === 0) await sleep(5);
  await server.kill();
  await sleep(100);
  await server.restart();
  const before = acknowledged.length;
  while (acknowledged.length < before + 500) await sleep(5);
  burst.going = false;
  await Promise.all(buyers);
  await commit.drain();
  expect(unknown.length).toBeGreaterThan(0);

  const states = await ledger.resolve(id, [...unknown, ...refused, ...acknowledged]);
  const stateOf = new Map(states.map(({ rid, state }) => [rid, state]));
  expect(acknowledged.every((rid) => stateOf.get(rid) === 'held')).toBe(true);
  expect(refused.every((rid) => stateOf.get(rid) === 'void')).toBe(true);
  expect(unknown.every((rid) => ['held', 'void'].includes(stateOf.get(rid) ?? ''))).toBe(true);
  const inLedger = states.filter(({ state }) => state === 'held').length;
  expect(await countsOf(ledger, database.prisma, id)).toEqual({ tea: [100_000, inLedger, 0, 0] });
});

test('[OL-28] without a server nothing is sent: a known failure', async () => {
  await server.kill();
  const order = newOrder('night', { tea: 1 });
  await ledger.append([order]).catch(() => undefined);
  const failure = await ledger.append([order]).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LedgerRefused);
  expect(failure).not.toBeInstanceOf(StatementRefused);
  await server.restart();
  while (database.state() !== 'ok') await sleep(20);
});

test('[OL-31] an order that the database refuses is found by halves and fails alone', async () => {
  const id = await makeLivestream(database.prisma, { tea: 500 });
  const commit = new GroupCommit({ ledger, metrics: createMetrics(), queueLengthMax: 1_000 });
  const orders = Array.from({ length: 100 }, (_, index) =>
    // No text in PostgreSQL holds this character.
    newOrder(id, { tea: 1 }, index === 37 ? { deviceId: 'phone\u0000' } : {}),
  );
  const outcomes = await Promise.allSettled(orders.map((order) => commit.append(order)));
  const failed = outcomes.flatMap((outcome, index) =>
    outcome.status === 'rejected' ? [[index, outcome.reason as unknown]] : [],
  );
  expect(failed).toEqual([[37, expect.any(StatementRefused)]]);
  expect(await countsOf(ledger, database.prisma, id)).toEqual({ tea: [500, 99, 0, 0] });
});
