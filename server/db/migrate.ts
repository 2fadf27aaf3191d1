import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg';
import { Client, type ClientConfig } from 'pg';

const prismaFolder = new URL('../../prisma/', import.meta.url);
const noFilters = { externalTables: [], externalEnums: [] };

export type MigrateOptions = {
  /** libpq-style connection settings; one connection is used for the migrations, one holds the lock. */
  readonly connection: ClientConfig;
  /** False for an embedded database: it has one session and one process, and needs no lock. */
  readonly lock: boolean;
  /** How long to wait for another node that migrates just now. */
  readonly lockTimeoutMs?: number;
};

/**
 * Applies `prisma/migrations` with Prisma's own schema engine and returns the names of those that were new. Safe when several nodes
 * start at once: one migrates, the others wait and find nothing to do. `prisma migrate deploy` stays usable beside it: the same
 * table `_prisma_migrations`, the same checksums. Rejects when a migration fails or the lock is not free in time.
 */
export async function migrate({ connection, lock, lockTimeoutMs = 60_000 }: MigrateOptions): Promise<string[]> {
  if (!lock) return applyMigrations(connection);
  const client = new Client(connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(`SET lock_timeout = ${Math.ceil(lockTimeoutMs)}`);
    await client.query('SET statement_timeout = 0');
    // A number of our own: the engine takes 72707369 itself, in whichever of its sessions.
    await client.query('SELECT pg_advisory_lock(7270736901)');
    return await applyMigrations(connection);
  } finally {
    await client.end();
  }
}

async function applyMigrations(connection: ClientConfig): Promise<string[]> {
  return withSchemaEngine(connection, async (engine) => {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: await readMigrations(),
      filters: noFilters,
    });
    return appliedMigrationNames;
  });
}

/** The script that makes the tables of `schema.prisma` in an empty database: what the migrations are compared with. */
export async function schemaScript(connection: ClientConfig): Promise<string> {
  const files = [await readSchema()];
  return withSchemaEngine(connection, async (engine) => {
    const { stdout } = await engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: noFilters,
    });
    return stdout ?? '';
  });
}

async function withSchemaEngine<Result>(
  connection: ClientConfig,
  use: (engine: engineModule.SchemaEngine) => Promise<Result>,
): Promise<Result> {
  await loadEngine();
  const schema = await readSchema();
  const messages: string[] = [];
  const factory = scriptAware(new PrismaPg({ ...connection, max: 1 }));
  const engine = await engineModule.SchemaEngine.new(
    { datamodels: [[schema.path, schema.content]] },
    (message: string) => messages.push(message),
    bindMigrationAwareSqlAdapterFactory(factory),
  );
  try {
    return await use(engine);
  } catch (error) {
    throw new Error(`Prisma's schema engine failed: ${reasonOf(error)}`, { cause: error });
  } finally {
    engine.free();
    await factory.dispose();
  }
}

/**
 * The adapter splits scripts at every semicolon, which cuts function bodies into pieces. A script goes to the server whole instead, as
 * `prisma migrate deploy` sends it: one simple query, which is one transaction.
 */
function scriptAware(factory: PrismaPg): SqlMigrationAwareDriverAdapterFactory & { dispose(): Promise<void> } {
  const disposals: (() => Promise<void>)[] = [];
  const withScripts = async (connect: () => ReturnType<PrismaPg['connect']>) => {
    const adapter = await connect();
    const end = adapter.dispose.bind(adapter);
    disposals.push(end);
    // The engine disposes of an adapter once it is freed; the pool may end only once.
    adapter.dispose = () => Promise.resolve();
    adapter.executeScript = async (script: string) => {
      await adapter.underlyingDriver().query(script);
    };
    return adapter;
  };
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: () => withScripts(() => factory.connect()),
    connectToShadowDb: () => withScripts(() => factory.connectToShadowDb()),
    dispose: async () => {
      for (const end of disposals.splice(0)) await end();
    },
  };
}

/** Node's types do not declare the global of the same name; this is the part of it that is used. */
const webAssembly = (globalThis as unknown as Record<'WebAssembly', WebAssemblyLoader>).WebAssembly;
type WebAssemblyLoader = {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

let engineLoaded: Promise<void> | undefined;

/** The engine's module expects a bundler to bind its WebAssembly; this does it by hand, once a process. */
function loadEngine(): Promise<void> {
  engineLoaded ??= (async () => {
    const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
    const bytes = await readFile(file.replace(/schema_engine\.js$/, 'schema_engine_bg.wasm'));
    const { instance } = await webAssembly.instantiate(bytes, { './schema_engine_bg.js': engineModule });
    engineModule.__wbg_set_wasm(instance.exports);
    instance.exports.__wbindgen_start();
  })();
  return engineLoaded;
}

async function readSchema() {
  return { path: 'prisma/schema.prisma', content: await readFile(new URL('schema.prisma', prismaFolder), 'utf8') };
}

async function readMigrations() {
  const folder = new URL('migrations/', prismaFolder);
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  if (names.length === 0) throw new Error('prisma/migrations holds no migration');
  return {
    baseDir: folder.pathname,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(new URL('migration_lock.toml', folder), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.sort().map(async (name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(new URL(`${name}/migration.sql`, folder), 'utf8'),
          },
        },
      })),
    ),
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The engine puts the database's own words into `meta`, where its errors have one.
  const { meta } = error as { meta?: unknown };
  return meta === undefined ? error.message : `${error.message} ${JSON.stringify(meta)}`;
}
