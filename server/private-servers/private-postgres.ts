import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { CannotStart } from '../lib/cannot-start.ts';
import type { Log } from '../lib/log.ts';
import { findPostgresFolder, type Identity, postgresUser } from './find-programs.ts';
import { keepRunning, type ProcessKind } from './kept-process.ts';
import type { PrivateServer, ServerPlace } from './private-server.ts';

const user = 'stockcast';
const database = 'stockcast';

/** SIGINT is its fast shutdown: connections are ended, everything is written. */
export const postgresKind: ProcessKind = { name: 'PostgreSQL', stopSignal: 'SIGINT', stopWithinMs: 30_000 };

/**
 * A PostgreSQL of this cluster alone: the binaries of this machine, on loopback, with a password, durable (fsync and synchronous_commit
 * on). Made once in its folder. Root may not run it: the user `postgres` does then.
 */
export async function startPrivatePostgres(
  place: ServerPlace & { readonly connectionsMax: number },
  log: Log,
): Promise<PrivateServer> {
  const folder = resolve(place.folder);
  const data = join(folder, 'data');
  const binaries = binariesFor(data, place.searchPath);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const identity = giveFolder(folder);
  if (!existsSync(data)) await initialise({ binaries, folder, data, identity, password: place.password });

  const urlOf = (name: string) => `postgresql://${user}:${place.password}@127.0.0.1:${place.port}/${name}`;
  const settings = {
    port: place.port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    max_connections: place.connectionsMax,
    log_destination: 'stderr',
  };
  const server = await keepRunning({
    kind: postgresKind,
    folder,
    launch: (output) =>
      spawn(
        join(binaries, 'postgres'),
        ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        { ...identity, cwd: folder, detached: true, stdio: ['ignore', output, output] },
      ),
    untilAnswering: (givenUp) => makeDatabase(urlOf, givenUp),
    log,
  });
  return {
    url: urlOf(database),
    address: `127.0.0.1:${place.port}/${database}`,
    folder,
    program: join(binaries, 'postgres'),
    process: server,
  };
}

const install =
  'Debian, Ubuntu: sudo apt-get install -y --no-install-recommends postgresql · macOS: brew install postgresql@16';

function binariesFor(data: string, searchPath: string): string {
  const made = existsSync(join(data, 'PG_VERSION')) ? Number(readFileSync(join(data, 'PG_VERSION'), 'utf8')) : null;
  const found = findPostgresFolder(searchPath, made);
  if (found !== null) return found;
  if (made !== null && findPostgresFolder(searchPath) !== null) {
    throw new CannotStart(
      `${data} was made by PostgreSQL ${made}, which is not installed here; install that version, or move the data with pg_dumpall.`,
    );
  }
  throw new CannotStart(
    `There is no PostgreSQL: set DATABASE_URL, or install one that this cluster can start for itself (${install}).\n` +
      '没有找到 PostgreSQL：请设置 DATABASE_URL，或安装 PostgreSQL 由集群自行启动。',
  );
}

/** As root: gives the folder to the user that runs the server, who must be able to get there. */
function giveFolder(folder: string): Identity | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const identity = postgresUser();
  if (identity === null) {
    throw new CannotStart(
      'PostgreSQL refuses to run as root, and there is no user "postgres". Start the cluster as another user.',
    );
  }
  chownSync(folder, identity.uid, identity.gid);
  // Our own folders stay closed to others; this user's group may pass through them to what it owns.
  for (const own of [dirname(folder), dirname(dirname(folder))]) {
    const { mode, uid } = statSync(own);
    if (uid !== 0 || mayEnter(own, identity)) continue;
    chownSync(own, uid, identity.gid);
    chmodSync(own, mode | 0o010);
  }
  for (let above = dirname(folder); above !== dirname(above); above = dirname(above)) {
    if (mayEnter(above, identity)) continue;
    throw new CannotStart(
      `PostgreSQL refuses to run as root, and its user "postgres" may not enter ${above}. ` +
        'Start the cluster as another user, or put its data where that user may go: DATA_DIR=/var/lib/stockcast.',
    );
  }
  return identity;
}

function mayEnter(folder: string, identity: Identity): boolean {
  const { mode, uid, gid } = statSync(folder);
  if (uid === identity.uid) return (mode & 0o100) !== 0;
  return (mode & (gid === identity.gid ? 0o010 : 0o001)) !== 0;
}

/** Made beside its place and then renamed: a start that is killed in between leaves nothing that looks finished. */
async function initialise(options: {
  binaries: string;
  folder: string;
  data: string;
  identity: Identity | Record<string, never>;
  password: string;
}): Promise<void> {
  const { binaries, folder, data, identity, password } = options;
  const draft = join(folder, 'data.new');
  rmSync(draft, { recursive: true, force: true });
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if ('uid' in identity) chownSync(passwordFile, identity.uid, identity.gid);
  try {
    await promisify(execFile)(
      join(binaries, 'initdb'),
      ['-D', draft, '-U', user, '-A', 'scram-sha-256', '--pwfile', passwordFile, '-E', 'UTF8', '--locale=C'],
      { ...identity, cwd: folder },
    );
  } catch (cause) {
    throw new CannotStart(`PostgreSQL's initdb failed in ${folder}: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, data);
}

/** Resolves once the server answers and the database is there. */
async function makeDatabase(urlOf: (name: string) => string, givenUp: AbortSignal): Promise<void> {
  while (!givenUp.aborted) {
    const client = new Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
      if (rowCount === 0) await client.query(`CREATE DATABASE "${database}"`);
      return;
    } catch {
      await wait(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
