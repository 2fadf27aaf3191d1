import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { CannotStart } from '../lib/cannot-start.ts';
import { processStart } from '../lib/process-start.ts';
import { type PrivateServers, startPrivateServers } from './private-servers.ts';

const log = pino({ level: 'silent' });
// oxlint-disable-next-line no-process-env -- tests look for installed programs
const searchPath = process.env['PATH'] ?? '';
const folders: string[] = [];
const running: PrivateServers[] = [];
afterEach(async () => {
  for (const servers of running.splice(0)) await servers.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stockcast-private-'));
  folders.push(folder);
  return join(folder, 'cluster');
}

async function startIn(folder: string, wanted = { redis: true, postgres: true }, path = searchPath) {
  const servers = await startPrivateServers({
    folder,
    wanted,
    postgresConnectionsMax: 30,
    searchPath: path,
    log,
    say: () => undefined,
  });
  running.push(servers);
  return servers;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    const answers: unknown = await client.query({ text, rowMode: 'array' });
    return [answers].flat().flatMap((answer) => (answer as { rows: unknown[][] }).rows.flat());
  } finally {
    await client.end();
  }
}

async function askRedis<Reply>(url: string, ask: (client: Redis) => Promise<Reply>): Promise<Reply> {
  const client = new Redis(url);
  // The answer to a command says it too.
  client.on('error', () => undefined);
  try {
    return await ask(client);
  } finally {
    client.disconnect();
  }
}

const urlsOf = ({ redis, postgres }: PrivateServers) => ({ redis: redis?.url ?? '', postgres: postgres?.url ?? '' });

test('[CU-1] private servers are durable, throw nothing away, and let in nobody without their password', async () => {
  const folder = newFolder();
  const servers = await startIn(folder);
  const url = urlsOf(servers);
  const settings = await query(
    url.postgres,
    "SELECT name || '=' || setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses') ORDER BY name",
  );
  expect(settings).toEqual(['fsync=on', 'full_page_writes=on', 'listen_addresses=127.0.0.1', 'synchronous_commit=on']);
  const asked = (name: string) => askRedis(url.redis, (client) => client.call('CONFIG', 'GET', name));
  expect(await asked('maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  expect(await asked('appendonly')).toEqual(['appendonly', 'yes']);
  expect(await asked('bind')).toEqual(['bind', '127.0.0.1']);

  await expect(query(url.postgres.replace(/:[0-9a-f]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(/password/);
  await expect(askRedis(url.redis.replace(/:[0-9a-f]+@/, ':wrong@'), (client) => client.get('x'))).rejects.toThrow(
    /NOAUTH|WRONGPASS/,
  );
  for (const secret of ['servers.json', 'redis/redis.conf']) {
    expect(statSync(join(folder, secret)).mode & 0o077, secret).toBe(0);
  }
});

test('[CU-1] a second start finds the same ports, passwords and data; a port that is taken meanwhile is changed', async () => {
  const folder = newFolder();
  const first = await startIn(folder);
  const url = urlsOf(first);
  await query(url.postgres, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
  await askRedis(url.redis, (client) => client.set('kept', 'seven'));
  await first.stop();

  const second = await startIn(folder);
  expect(urlsOf(second)).toEqual(url);
  expect(await query(url.postgres, 'SELECT n FROM kept')).toEqual([7]);
  expect(await askRedis(url.redis, (client) => client.get('kept'))).toBe('seven');
  await second.stop();

  const squatter = createServer().listen(Number(new URL(url.redis).port), '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  try {
    const third = await startIn(folder);
    expect(urlsOf(third).redis).not.toBe(url.redis);
    expect(await askRedis(urlsOf(third).redis, (client) => client.get('kept'))).toBe('seven');
  } finally {
    squatter.close();
  }
});

/** A start whose process is killed afterwards, as a primary can be. */
async function startAndKill(folder: string): Promise<{ url: ReturnType<typeof urlsOf>; pids: number[] }> {
  const module = new URL('./private-servers.ts', import.meta.url).href;
  const settings = { folder, wanted: { redis: true, postgres: true }, postgresConnectionsMax: 30, searchPath };
  const program = `
    const { startPrivateServers } = await import(${JSON.stringify(module)});
    const log = { info() {}, warn() {}, error() {} };
    const { redis, postgres } = await startPrivateServers({ ...${JSON.stringify(settings)}, log, say() {} });
    console.log(JSON.stringify({ url: { redis: redis.url, postgres: postgres.url }, pids: [redis.process.pid, postgres.process.pid] }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout), 'line');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  return JSON.parse(line);
}

test('[CU-2] servers whose primary was killed are ended before others open their files', async () => {
  const folder = newFolder();
  const { url, pids } = await startAndKill(folder);
  await query(url.postgres, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
  const next = await startIn(folder);
  expect(pids.map((pid) => processStart(pid))).toEqual([null, null]);
  expect(urlsOf(next)).toEqual(url);
  expect(await query(url.postgres, 'SELECT n FROM kept')).toEqual([7]);
});

test('[CU-3] a private server that is killed is started again on its files', async () => {
  const servers = await startIn(newFolder());
  const url = urlsOf(servers);
  await askRedis(url.redis, (client) => client.set('kept', 'seven'));
  await query(url.postgres, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
  for (const server of [servers.redis, servers.postgres]) process.kill(server?.process.pid ?? 0, 'SIGKILL');
  expect(await insist(() => query(url.postgres, 'SELECT n FROM kept'))).toEqual([7]);
  expect(await insist(() => askRedis(url.redis, (client) => client.get('kept')))).toBe('seven');
});

test('[CU-1] what is not installed is named, with the command that installs it', async () => {
  const nowhere = newFolder();
  // Debian's own folders are looked at whatever the path: PostgreSQL is found there, so only Redis can be missing here.
  const error = await startIn(nowhere, { redis: true, postgres: false }, nowhere).catch((reason: unknown) => reason);
  if (error instanceof CannotStart) expect(error.message).toMatch(/REDIS_URL.*apt-get install -y redis-server/s);
  else expect((error as PrivateServers).redis?.program).toMatch(/^\/usr\/(local\/bin|sbin)|^\/sbin/);
});

test('[CU-4] files of another version of PostgreSQL are left alone', async () => {
  const folder = newFolder();
  const first = await startIn(folder, { redis: false, postgres: true });
  await first.stop();
  const version = join(folder, 'postgres/data/PG_VERSION');
  const real = readFileSync(version, 'utf8');
  writeFileSync(version, '9\n');
  const error = await startIn(folder, { redis: false, postgres: true }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CannotStart);
  expect(String(error)).toContain('was made by PostgreSQL 9');
  writeFileSync(version, real);
  await startIn(folder, { redis: false, postgres: true });
});

async function insist<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await wait(100);
    }
  }
}
