import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type TestRedis = {
  readonly url: string;
  readonly port: number;
  /** Forgets every key, as FLUSHALL does. */
  flush(): Promise<void>;
  /** One inline command, as `DEL key` or `INFO memory`; resolves with the raw reply. */
  command(line: string): Promise<string>;
  /** SIGKILL: nothing is said, nothing is saved. */
  kill(): Promise<void>;
  /** Starts again on the same port, after `kill` or instead of the running one; `empty`: its disk is lost too. Resolves when it answers. */
  restart(options?: { empty: boolean }): Promise<void>;
  /** Stops answering without closing a connection (SIGSTOP), as a hung machine does. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
};

/** A real redis-server of the test's own, on a free port, with `noeviction` and nothing on disk unless `aof`. */
export async function startRedisServer(options: { aof?: boolean } = {}): Promise<TestRedis> {
  const [port, directory] = [await freePort(), await mkdtemp(join(tmpdir(), 'stockcast-redis-'))];
  let server = await spawnRedis(port, directory, options.aof === true);
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async flush() {
      await ask(port, 'FLUSHALL');
    },
    command: (line) => ask(port, line),
    kill,
    async restart(how) {
      await kill();
      if (how?.empty === true)
        for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
      server = await spawnRedis(port, directory, options.aof === true);
    },
    pause() {
      server.kill('SIGSTOP');
    },
    resume() {
      server.kill('SIGCONT');
    },
    async stop() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function spawnRedis(port: number, directory: string, aof: boolean): Promise<ChildProcess> {
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    save: '',
    appendonly: aof ? 'yes' : 'no',
    // What has been written survives the end of the process; only a lost machine would need `always`.
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
    loglevel: 'warning',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) stream?.on('data', (data) => (output += String(data)));
  const failed = new Promise<never>((_, reject) => {
    server.once('error', (cause) =>
      reject(new Error('redis-server does not start; install it: apt-get install redis-server', { cause })),
    );
    server.once('exit', (code) => reject(new Error(`redis-server has ended with ${code}: ${output}`)));
  });
  // Only the start is waited for; that it ends later is what tests do.
  failed.catch(() => {});
  await Promise.race([answers(port), failed]);
  return server;
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const reply = await ask(port, 'PING').catch(() => '');
    if (reply.startsWith('+PONG')) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`redis-server on port ${port} does not answer within 10 s`);
}

/** Reads until the server has closed: QUIT after the command ends the reply without a parser. */
function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\nQUIT\r\n`));
    let reply = '';
    socket.setEncoding('utf8').on('data', (data) => (reply += String(data)));
    socket.once('error', reject);
    socket.once('close', () => resolve(reply));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
