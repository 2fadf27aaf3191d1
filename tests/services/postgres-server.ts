import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import {
  findPostgresFolder,
  freePort,
  type Identity,
  postgresUser,
} from '../../server/private-servers/find-programs.ts';
import { makeCertificate } from './certificates.ts';

export type TestPostgres = {
  readonly port: number;
  /** A file that its clients have to trust; null: it speaks no TLS. */
  readonly certificate: string | null;
  url(database?: string): string;
  /** Makes an empty database and returns its URL. */
  createDatabase(name?: string): Promise<string>;
  /** SIGKILL of every process of the server at once, as a crash of the machine. */
  kill(): Promise<void>;
  /** Starts again on the same port and files, after `kill` or instead of the running one. Resolves when it answers. */
  restart(): Promise<void>;
  /** Stops answering without closing a connection (SIGSTOP), as a hung machine does. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
};

/**
 * A real PostgreSQL server of the test's own: newest installed binaries, temporary folder, free port, trust authentication on loopback.
 * `fsync` (default false: faster, and a killed process still loses nothing) as in its settings; `parent`: where its folder is made;
 * `encrypted`: it has a certificate of its own, `certificate`. Root is not allowed to run it: the user `postgres` does then.
 */
export async function startPostgresServer(
  options: { fsync?: boolean; parent?: string; settings?: Record<string, string>; encrypted?: boolean } = {},
): Promise<TestPostgres> {
  const binaries = binariesFolder();
  const [port, folder] = [await freePort(), await mkdtemp(join(options.parent ?? tmpdir(), 'stockcast-postgres-'))];
  const identity = identityOf(folder);
  const data = join(folder, 'data');
  const secured = options.encrypted === true ? await makeCertificate(folder) : null;
  const { uid, gid } = identity;
  if (secured !== null && uid !== undefined && gid !== undefined) chownSync(secured.key, uid, gid);
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...identity, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const url = (database = 'postgres') => `postgresql://postgres@127.0.0.1:${port}/${database}`;
  const fsync = options.fsync === true ? 'on' : 'off';
  const start = async () => {
    const settings = {
      port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync,
      max_connections: 60,
      ...(secured === null ? {} : { ssl: 'on', ssl_cert_file: secured.certificate, ssl_key_file: secured.key }),
      ...options.settings,
    };
    const server = spawn(
      join(binaries, 'postgres'),
      ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { ...identity, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    await untilAnswering(server, url());
    return server;
  };
  let server = await start();
  const kill = () => end(server, 'SIGKILL');
  let databases = 0;
  return {
    port,
    url,
    certificate: secured?.certificate ?? null,
    async createDatabase(name = `test_${(databases += 1)}`) {
      const client = new Client(url());
      await client.connect();
      try {
        await client.query(`CREATE DATABASE "${name}"`);
      } finally {
        await client.end();
      }
      return url(name);
    },
    kill,
    async restart() {
      await kill();
      server = await start();
    },
    pause: () => signalAll(server, 'SIGSTOP'),
    resume: () => signalAll(server, 'SIGCONT'),
    async stop() {
      signalAll(server, 'SIGCONT');
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function end(server: ChildProcess, signal: 'SIGKILL'): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = new Promise((resolve) => server.once('exit', resolve));
  const children = childrenOf(server);
  signalAll(server, signal);
  await exited;
  // A restart is refused while a process still holds the old server's memory.
  while (children.some(isRunning)) await sleep(10);
}

function signalAll(server: ChildProcess, signal: NodeJS.Signals): void {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const children = childrenOf(server);
  server.kill(signal);
  for (const pid of children) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended since it was listed.
    }
  }
}

/** Each connection has a process; all of them are children of the first. */
function childrenOf(server: ChildProcess): number[] {
  const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  return listed
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === server.pid)
    .map(([pid = 0]) => pid);
}

function isRunning(pid: number): boolean {
  try {
    // A killed child whose parent is gone may stay listed as a zombie for a moment; it holds nothing.
    if (existsSync('/proc/self/stat')) return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilAnswering(server: ChildProcess, url: string): Promise<void> {
  let said = '';
  server.stderr?.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-4_000);
  });
  const deadlineMs = Date.now() + 30_000;
  while (Date.now() < deadlineMs) {
    if (server.exitCode !== null || server.signalCode !== null) throw new Error(`PostgreSQL did not start: ${said}`);
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch {
      await sleep(30);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  server.kill('SIGKILL');
  throw new Error(`PostgreSQL did not answer within 30 s: ${said}`);
}

function binariesFolder(): string {
  // oxlint-disable-next-line no-process-env -- tests look for installed programs
  const found = findPostgresFolder(process.env['PATH'] ?? '');
  if (found === null) {
    throw new Error(
      'No PostgreSQL server is installed. Run: sudo apt-get install -y --no-install-recommends postgresql',
    );
  }
  return found;
}

function identityOf(folder: string): Identity | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const identity = postgresUser();
  if (identity === null) throw new Error('PostgreSQL refuses to run as root, and there is no user "postgres"');
  chownSync(folder, identity.uid, identity.gid);
  return identity;
}
