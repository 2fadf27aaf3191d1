import { PrismaPg } from '@prisma/adapter-pg';
import type { ClientConfig } from 'pg';
import { PrismaClient } from '../../generated/prisma/client.ts';
import { CannotStart } from '../lib/cannot-start.ts';
import { isDatabaseAway } from './driver-error.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { GuardedPool } from './guarded-pool.ts';
import { migrate } from './migrate.ts';
import { type DatabaseState, startPulse } from './pulse.ts';

export type DatabaseLog = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export type DatabaseOptions = {
  /** A real PostgreSQL server; null: the embedded one. */
  readonly databaseUrl: string | null;
  /** Folder of the embedded database; null: in memory, for tests. */
  readonly dataDir: string | null;
  readonly log?: DatabaseLog;
  /** Connections of this node to a real server, 2…100. The embedded database has one. */
  readonly connectionsMax?: number;
  /** Longest a statement may run on the server; 1,000…60,000 ms. */
  readonly statementTimeoutMs?: number;
  /** Longest wait for a free connection. */
  readonly connectTimeoutMs?: number;
};

export type OpenDatabase = {
  readonly prisma: PrismaClient;
  readonly kind: 'postgresql' | 'pglite';
  /** Of this database, with its password: never log it. */
  readonly url: string;
  /** Settings for another connection of the same kind, as tests and `migrate` need. */
  readonly connection: ClientConfig;
  /** As of the last half second. The embedded database is in the process: it is `ok`. */
  state(): DatabaseState;
  /** Statements that wait for a connection. */
  waiting(): number;
  /** Idempotent. Waits for statements under way, 5 s at most. */
  close(): Promise<void>;
};

/** The tail asks for all livestreams at once, each of them some milliseconds: what is beyond this waits for seconds. */
const waitingMax = 5_000;

const nothing = () => undefined;
const silent: DatabaseLog = { info: nothing, warn: nothing, error: nothing };

/**
 * Opens the ledger's database and brings it up to date with `prisma/migrations`. Both kinds are reached by the same driver and speak the
 * same SQL. Rejects with a sentence for people: unreachable server, folder in use (`FolderInUse`), failed migration.
 */
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  if (options.databaseUrl !== null) return openServer(options.databaseUrl, options);

  const log = options.log ?? silent;
  const startedAtMs = performance.now();
  const embedded = await startEmbeddedPostgres(options.dataDir, (error) => {
    log.error({ err: error }, 'the embedded database is gone; restart this process');
  });
  try {
    const database = await connect(embedded.connection, 'pglite', embedded, options);
    log.info(
      { folder: options.dataDir, ms: Math.round(performance.now() - startedAtMs) },
      'embedded database is open: it survives a killed process; against power loss use PostgreSQL (DATABASE_URL)',
    );
    return database;
  } catch (error) {
    await embedded.close();
    throw error;
  }
}

async function openServer(databaseUrl: string, options: DatabaseOptions): Promise<OpenDatabase> {
  const statementTimeoutMs = options.statementTimeoutMs ?? 5_000;
  const connection: ClientConfig = {
    connectionString: databaseUrl,
    application_name: 'stockcast',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 2_000,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    // Longer than the server's own: whoever waits for an answer learns the server's reason first (O5: without one, nobody knows).
    query_timeout: statementTimeoutMs + 1_000,
    keepAlive: true,
    // An acknowledged order is on disk (I2), whatever the server's default says.
    options: '-c synchronous_commit=on',
  };
  const server = { url: databaseUrl, close: () => Promise.resolve() };
  try {
    return await connect(connection, 'postgresql', server, options);
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause || isDatabaseAway(cause))) throw cause;
    // The driver's words name the address, never the password.
    throw new CannotStart(`PostgreSQL cannot be used: ${cause.message}. Is it running, and is DATABASE_URL right?`, {
      cause,
    });
  }
}

async function connect(
  connection: ClientConfig,
  kind: OpenDatabase['kind'],
  server: Pick<EmbeddedPostgres, 'url' | 'close'>,
  options: DatabaseOptions,
): Promise<OpenDatabase> {
  const log = options.log ?? silent;
  const { query_timeout: _none, statement_timeout: _neither, ...patient } = connection;
  const applied = await migrate({ connection: patient, lock: kind === 'postgresql' });
  if (applied.length > 0) log.info({ migrations: applied }, 'database migrated');

  const pulse =
    kind === 'pglite'
      ? null
      : startPulse(connection, (state, error) =>
          log.warn({ state, err: error }, 'the state of the database has changed'),
        );
  const settings = {
    // The embedded database cannot stop a statement by itself; whoever waits for it stops waiting.
    query_timeout: 30_000,
    ...connection,
    // The embedded database is one session: with one connection, a transaction has it to itself, and the pool is the queue. What waits in
    // it waits for statements, not for a network: a start on a machine that is busy with other things ended after 5 s.
    max: kind === 'pglite' ? 1 : (options.connectionsMax ?? 10),
    connectionTimeoutMillis: options.connectTimeoutMs ?? (kind === 'pglite' ? 15_000 : 2_000),
    idleTimeoutMillis: kind === 'pglite' ? 0 : 60_000,
  };
  const pool = new GuardedPool(settings, { isAway: () => pulse?.state === 'away', waitingMax });
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'));
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, {
      onConnectionError: (error) => log.warn({ err: error }, 'a database connection was lost in a transaction'),
    }),
    errorFormat: 'minimal',
  });
  let closed: Promise<void> | undefined;
  return {
    prisma,
    kind,
    url: server.url,
    connection,
    state: () => pulse?.state ?? 'ok',
    waiting: () => pool.waitingCount,
    close() {
      closed ??= (async () => {
        await pulse?.stop();
        await prisma.$disconnect();
        await Promise.race([pool.end(), new Promise((resolve) => setTimeout(resolve, 5_000).unref())]);
        await server.close();
      })();
      return closed;
    },
  };
}
