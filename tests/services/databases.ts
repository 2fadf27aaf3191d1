import { afterAll, beforeAll, describe } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../server/db/database.ts';
import { startPostgresServer, type TestPostgres } from './postgres-server.ts';

export type DatabaseUnderTest = {
  readonly kind: OpenDatabase['kind'];
  /** Migrated and empty at the start of the suite; shared by its tests. */
  readonly database: () => OpenDatabase;
  /** The server behind it; throws for the embedded database. */
  readonly server: () => TestPostgres;
};

/** Runs a suite twice: against the embedded database in memory, and against a real PostgreSQL server, each with a fresh database. */
export function describeWithDatabases(name: string, suite: (on: DatabaseUnderTest) => void): void {
  describe.each(['pglite', 'postgresql'] as const)(`${name} (%s)`, (kind) => {
    let server: TestPostgres | undefined;
    let database: OpenDatabase | undefined;
    beforeAll(async () => {
      server = kind === 'postgresql' ? await startPostgresServer() : undefined;
      database = await openDatabase({ databaseUrl: (await server?.createDatabase()) ?? null, dataDir: null });
    });
    afterAll(async () => {
      await database?.close();
      await server?.stop();
    });
    suite({ kind, database: () => orFail(database), server: () => orFail(server) });
  });
}

function orFail<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new Error('not started, or not of this kind');
  return thing;
}
