import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { startPostgresServer, type TestPostgres } from '../../tests/services/postgres-server.ts';
import { openDatabase } from './database.ts';
import { schemaScript } from './migrate.ts';

const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'stockcast-test-'));
  folders.push(folder);
  return folder;
};
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describeWithDatabases('database', ({ database }) => {
  test('[OL-6] transactions that run beside each other keep to themselves', async () => {
    const { prisma } = database();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 24 }, (_, index) =>
        prisma.$transaction(async (tx) => {
          await tx.product.create({ data: { id: `p${index}`, titleZh: '茶', titleEn: 'Tea' } });
          await tx.product.count();
          if (index % 3 === 0) throw new Error('rolled back');
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(8);
    const kept = await prisma.product.findMany({ select: { id: true } });
    expect(kept.map(({ id }) => Number(id.slice(1))).every((index) => index % 3 !== 0)).toBe(true);
    expect(kept).toHaveLength(16);
  });

  test('[OL-3] nobody changes, deletes or truncates the history of units', async () => {
    const { prisma } = database();
    const entry = { skuId: 'tea', type: 'RECEIVE', bucket: 'on_hand', before: 0, after: 5, actor: 'test' };
    await prisma.stockEntry.create({ data: entry });
    await expect(prisma.stockEntry.updateMany({ data: { after: 6 } })).rejects.toThrow(/append-only/);
    await expect(prisma.stockEntry.deleteMany()).rejects.toThrow(/append-only/);
    await expect(prisma.$executeRaw`TRUNCATE stock_entries`).rejects.toThrow(/append-only/);
    expect(await prisma.stockEntry.findMany({ select: { after: true } })).toEqual([{ after: 5 }]);
  });
});

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgresServer();
});
afterAll(() => server.stop());

test('[OL-35] over TLS: a certificate that is not trusted ends the start, with the one that is every connection is encrypted', async () => {
  const secured = await startPostgresServer({ encrypted: true });
  try {
    const url = await secured.createDatabase();
    const open = (query: string) => openDatabase({ databaseUrl: `${url}?${query}`, dataDir: null });
    await expect(open('sslmode=verify-full')).rejects.toThrow(
      /PostgreSQL cannot be used: self-signed certificate.*DATABASE_URL/,
    );
    const database = await open(`sslmode=verify-full&sslrootcert=${secured.certificate}`);
    const ours = await database.prisma.$queryRaw`
      SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'stockcast%'`;
    await database.close();
    expect(ours).toEqual([{ ssl: true }]);
  } finally {
    await secured.stop();
  }
});

test('[OL-5] the migrations make what schema.prisma says, and beyond it only what Prisma cannot express', async () => {
  const database = await openDatabase({ databaseUrl: await server.createDatabase('migrated'), dataDir: null });
  const plainUrl = await server.createDatabase('plain');
  try {
    const plain = new Client(plainUrl);
    await plain.connect();
    await plain.query(await schemaScript({ connectionString: plainUrl }));
    const expected = await catalogueOf(plain);
    await plain.end();
    const migrated = new Client(database.url);
    await migrated.connect();
    const actual = await catalogueOf(migrated);
    await migrated.end();

    expect(expected.length).toBeGreaterThan(100);
    // Left out on purpose: the migration says why.
    const without = /^constraint (orders orders_livestream_id_fkey|order_lines order_lines_order_id_fkey) /;
    expect(expected.filter((line) => !actual.includes(line) && !without.test(line))).toEqual([]);
    const extra = actual.filter((line) => !expected.includes(line));
    expect(
      extra.filter((line) => !/^(check|index .* WHERE )/.test(line) && !line.includes('_prisma_migrations')),
    ).toEqual([]);
  } finally {
    await database.close();
  }
});

test('[OL-5] several nodes that start at once on an empty database migrate it once', async () => {
  const databaseUrl = await server.createDatabase('crowded');
  const databases = await Promise.all([1, 2, 3, 4].map(() => openDatabase({ databaseUrl, dataDir: null })));
  try {
    const [first] = databases;
    if (first === undefined) throw new Error('nothing was opened');
    const applied = await first.prisma.$queryRaw<{ name: string; steps: number }[]>`
      SELECT migration_name AS name, applied_steps_count AS steps FROM _prisma_migrations`;
    expect(applied.length).toBeGreaterThan(0);
    expect(new Set(applied.map(({ name }) => name)).size).toBe(applied.length);
    expect(applied.every(({ steps }) => steps === 1)).toBe(true);
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
});

test('[OL-7] a commit of the server is on disk before it is acknowledged, whatever its default', async () => {
  const databaseUrl = await server.createDatabase('lax');
  const client = new Client(databaseUrl);
  await client.connect();
  await client.query('ALTER DATABASE lax SET synchronous_commit = off');
  await client.end();
  const database = await openDatabase({ databaseUrl, dataDir: null });
  try {
    const [row] = await database.prisma.$queryRaw<{ on: string }[]>`SELECT current_setting('synchronous_commit') AS on`;
    expect(row?.on).toBe('on');
  } finally {
    await database.close();
  }
});

test('[OL-8] a second process on the same folder is refused with a sentence that helps, and the first goes on', async () => {
  const folder = newFolder();
  const owner = await startOwner(folder);
  await expect(openDatabase({ databaseUrl: null, dataDir: folder })).rejects.toThrow(
    /Another Stockcast process.*DATA_DIR/,
  );
  await owner.write('after');
  await owner.kill();
});

test('[OL-8] a killed process loses nothing that was committed, and its folder is free at once', async () => {
  const folder = newFolder();
  const owner = await startOwner(folder);
  await owner.write('committed');
  await owner.kill();
  const database = await openDatabase({ databaseUrl: null, dataDir: folder });
  try {
    expect(await database.prisma.product.findMany({ select: { id: true } })).toEqual([{ id: 'committed' }]);
  } finally {
    await database.close();
  }
});

test('[OL-8] a lock whose process id now belongs to another program is stale', async () => {
  const folder = newFolder();
  const database = await openDatabase({ databaseUrl: null, dataDir: folder });
  const file = join(folder, 'server.lock');
  const holder: unknown = JSON.parse(readFileSync(file, 'utf8'));
  await database.close();
  // The parent of this test runs for sure, but it started at another time than the holder.
  writeFileSync(file, JSON.stringify({ ...(holder as object), pid: process.ppid, startedAt: 'long ago' }));
  const next = await openDatabase({ databaseUrl: null, dataDir: folder });
  await next.close();
});

/** Every column, key, index and check of the public schema, one line each. */
async function catalogueOf(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    SELECT concat_ws(' ', 'column', table_name, column_name, udt_name, character_maximum_length, datetime_precision, is_nullable,
                     column_default) AS line
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT concat_ws(' ', CASE contype WHEN 'c' THEN 'check' ELSE 'constraint' END, conrelid::regclass, conname,
                     pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'index', tablename, indexdef) FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT concat_ws(' ', 'enum', t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
      FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname`);
  return rows.map(({ line }) => line);
}

/** Another process that has the folder's database open and writes a product when told to. */
async function startOwner(folder: string) {
  const program = `
    import { openDatabase } from ${JSON.stringify(pathToFileURL(fileURLToPath(new URL('database.ts', import.meta.url))).href)};
    const database = await openDatabase({ databaseUrl: null, dataDir: ${JSON.stringify(folder)} });
    process.on('message', async (id) => {
      await database.prisma.product.create({ data: { id, titleZh: '茶', titleEn: 'Tea' } });
      process.send(id);
    });
    process.send('open');`;
  const file = join(newFolder(), 'owner.mts');
  writeFileSync(file, program);
  const child = spawn(process.execPath, ['--import', createRequire(import.meta.url).resolve('tsx'), file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await answerOf(child);
  return {
    async write(id: string) {
      child.send(id);
      await answerOf(child);
    },
    async kill() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the other process ended with ${code}`)));
  });
}
