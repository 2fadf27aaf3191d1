import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisProcess } from './redis-process.ts';

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
  const directory = await mkdtemp(join(tmpdir(), 'stockcast-redis-'));
  const settings = {
    save: '',
    appendonly: options.aof === true ? 'yes' : 'no',
    // What has been written survives the end of the process; only a lost machine would need `always`.
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
  };
  const server = await RedisProcess.start({ directory, settings });
  return {
    url: `redis://127.0.0.1:${server.port}`,
    port: server.port,
    async flush() {
      await server.command('FLUSHALL');
    },
    command: (line) => server.command(line),
    kill: () => server.kill(),
    async restart(how) {
      await server.kill();
      if (how?.empty === true) {
        for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
      }
      await server.start();
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    async stop() {
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
