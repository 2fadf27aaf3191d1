import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgresServer, type TestPostgres } from '../../tests/services/postgres-server.ts';
import { ledgerErrorOf } from '../orders/ledger-errors.ts';
import { LedgerRefused, LedgerUnknown } from '../orders/order-ledger.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { isDatabaseAway } from './driver-error.ts';
import { GuardedPool } from './guarded-pool.ts';

const soon = { timeout: 30_000, interval: 20 };

let server: TestPostgres;
let database: OpenDatabase;
beforeAll(async () => {
  server = await startPostgresServer();
  database = await openDatabase({ databaseUrl: await server.createDatabase(), dataDir: null, connectionsMax: 2 });
});
afterAll(async () => {
  await database.close();
  await server.stop();
});

const ask = () => database.prisma.$queryRaw`SELECT 1`;
const failureOf = (work: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(work).then(
    () => null,
    (error: unknown) => error,
  );

test('[OL-34][OR-18] a server that hangs is known to be away, and whoever comes then is refused without waiting; back, all is as before', async () => {
  expect(database.state()).toBe('ok');
  server.pause();
  await expect.poll(() => database.state(), soon).toBe('away');
  const errors = await Promise.all(Array.from({ length: 50 }, () => failureOf(ask())));
  for (const error of errors) {
    expect(isDatabaseAway(error)).toBe(true);
    expect(ledgerErrorOf(error)).toBeInstanceOf(LedgerRefused);
    expect(ledgerErrorOf(error)).not.toBeInstanceOf(LedgerUnknown);
  }
  // Transactions too.
  expect(isDatabaseAway(await failureOf(database.prisma.$transaction(async (tx) => tx.$queryRaw`SELECT 1`)))).toBe(
    true,
  );
  server.resume();
  await expect.poll(() => database.state(), soon).toBe('ok');
  await expect.poll(() => failureOf(ask()), soon).toBeNull();
});

test('[OR-18] a server that was killed is away, and one that takes no writes is read_only; both are noticed, and so is their end', async () => {
  await server.kill();
  await expect.poll(() => database.state(), soon).toBe('away');
  await server.restart();
  await expect.poll(() => database.state(), soon).toBe('ok');
  await expect.poll(() => failureOf(ask()), soon).toBeNull();
  await database.prisma.$executeRaw`ALTER SYSTEM SET default_transaction_read_only = on`;
  await database.prisma.$executeRaw`SELECT pg_reload_conf()`;
  await expect.poll(() => database.state(), soon).toBe('read_only');
  expect(await failureOf(ask())).toBeNull();
  const client = new Client(database.url);
  await client.connect();
  await client.query('SET default_transaction_read_only = off');
  await client.query('ALTER SYSTEM RESET default_transaction_read_only');
  await client.query('SELECT pg_reload_conf()');
  await client.end();
  await expect.poll(() => database.state(), soon).toBe('ok');
});

test('[OL-34] when enough statements wait for a connection the next one is refused at once', async () => {
  let away = false;
  const guard = { isAway: () => away, waitingMax: 3 };
  const pool = new GuardedPool({ connectionString: database.url, max: 1 }, guard);
  try {
    const busy = await pool.connect();
    const waiting = Array.from({ length: 3 }, () => pool.query('SELECT 1'));
    await expect.poll(() => pool.waitingCount, soon).toBe(3);
    await expect(pool.query('SELECT 1')).rejects.toThrow('more statements wait');
    await expect(pool.connect()).rejects.toThrow('more statements wait');
    busy.release();
    expect((await Promise.all(waiting)).map(({ rowCount }) => rowCount)).toEqual([1, 1, 1]);
    away = true;
    await expect(pool.query('SELECT 1')).rejects.toThrow('away');
  } finally {
    await pool.end();
  }
});
