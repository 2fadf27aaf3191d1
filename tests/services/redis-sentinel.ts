import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisProcess, soonTrue } from './redis-process.ts';

export type TestSentinel = {
  readonly url: string;
  readonly sentinels: readonly RedisProcess[];
  /** The server that the sentinels call the primary. */
  primary(): Promise<RedisProcess>;
  replicas(): Promise<readonly RedisProcess[]>;
  /** Kills the primary (or lets it hang) and waits until the sentinels name another. Returns that one. */
  failOver(how?: 'kill' | 'hang'): Promise<RedisProcess>;
  /** The replicas copy nothing more, as after a broken link between them and the primary; it goes on serving. */
  freezeReplicas(): Promise<void>;
  /** The primary forgets its keys and its scripts. */
  flush(): Promise<void>;
  /** Starts what was killed, and waits until every replica is linked to the primary. */
  heal(): Promise<void>;
  stop(): Promise<void>;
};

const name = 'mymaster';
const passwords = { server: 'of-the-servers', sentinel: 'of-the-sentinels' };
const downAfterMs = 1_000;

/** One primary, two replicas and three sentinels, each kind with a password of its own, on free ports. */
export async function startRedisSentinel(): Promise<TestSentinel> {
  const directory = await mkdtemp(join(tmpdir(), 'stockcast-sentinel-'));
  const servers: RedisProcess[] = [];
  for (let index = 0; index < 3; index += 1) {
    const own = join(directory, String(index));
    await mkdir(own);
    const [first] = servers;
    const settings = {
      save: '',
      appendonly: 'no',
      'maxmemory-policy': 'noeviction',
      'repl-diskless-sync-delay': '0',
      requirepass: passwords.server,
      masterauth: passwords.server,
      ...(first === undefined ? {} : { replicaof: `127.0.0.1 ${first.port}` }),
    };
    servers.push(await RedisProcess.start({ directory: own, settings, password: passwords.server }));
  }
  const primaryPort = servers[0]?.port ?? 0;
  const sentinels = await Promise.all(
    Array.from({ length: 3 }, () =>
      RedisProcess.start({
        directory,
        settings: {},
        password: passwords.sentinel,
        sentinel: [
          `requirepass ${passwords.sentinel}`,
          `sentinel sentinel-pass ${passwords.sentinel}`,
          `sentinel monitor ${name} 127.0.0.1 ${primaryPort} 2`,
          `sentinel auth-pass ${name} ${passwords.server}`,
          `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
          // Two failovers of a test follow each other sooner than in life.
          `sentinel failover-timeout ${name} 3000`,
        ],
      }),
    ),
  );
  const running = new RunningSentinel(servers, sentinels, directory);
  await running.heal();
  return running;
}

class RunningSentinel implements TestSentinel {
  readonly url: string;
  readonly sentinels: readonly RedisProcess[];
  readonly #servers: readonly RedisProcess[];
  readonly #directory: string;

  constructor(servers: readonly RedisProcess[], sentinels: readonly RedisProcess[], directory: string) {
    this.#servers = servers;
    this.sentinels = sentinels;
    this.#directory = directory;
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
    this.url = `redis+sentinel://:${passwords.server}@${hosts}/${name}?sentinel_password=${passwords.sentinel}`;
  }

  async primary(): Promise<RedisProcess> {
    const ports = await Promise.all(
      this.sentinels
        .filter(({ isRunning }) => isRunning)
        .map(async (sentinel) => (await sentinel.lines(`SENTINEL GET-MASTER-ADDR-BY-NAME ${name}`)).at(-1)),
    );
    const named = this.#servers.find(({ port }) => ports.filter((each) => each === String(port)).length >= 2);
    if (named === undefined) throw new Error(`the sentinels do not agree: ${ports.join()}`);
    return named;
  }

  async replicas(): Promise<readonly RedisProcess[]> {
    const primary = await this.primary();
    return this.#servers.filter((server) => server !== primary && server.isRunning);
  }

  async failOver(how: 'kill' | 'hang' = 'kill'): Promise<RedisProcess> {
    const before = await this.primary();
    if (how === 'kill') await before.kill();
    else before.pause();
    await soonTrue('the sentinels promote a replica', async () => {
      const now = await this.primary();
      return now !== before && (await now.command('INFO replication')).includes('role:master');
    });
    return this.primary();
  }

  async freezeReplicas(): Promise<void> {
    const primary = await this.primary();
    await primary.lines('ACL SETUSER default -psync -sync');
    await primary.command('CLIENT KILL TYPE replica');
    for (const replica of await this.replicas()) {
      await soonTrue('the replica has lost its primary', async () =>
        (await replica.command('INFO replication')).includes('master_link_status:down'),
      );
    }
  }

  async flush(): Promise<void> {
    const primary = await this.primary();
    for (const line of ['FLUSHALL', 'SCRIPT FLUSH']) await primary.lines(line);
  }

  async heal(): Promise<void> {
    for (const process of [...this.#servers, ...this.sentinels]) {
      process.resume();
      if (!process.isRunning) await process.start();
    }
    for (const server of this.#servers) await server.command('ACL SETUSER default +psync +sync');
    await soonTrue('two replicas are linked, and every sentinel knows of all', async () => {
      const info = await (await this.primary()).command('INFO replication');
      if ([...info.matchAll(/state=online/g)].length !== 2) return false;
      for (const sentinel of this.sentinels) {
        const about = await sentinel.lines(`SENTINEL MASTER ${name}`);
        const valueOf = (field: string) => about[about.indexOf(field) + 1];
        if (valueOf('flags') !== 'master' || valueOf('num-slaves') !== '2') return false;
        if (valueOf('num-other-sentinels') !== '2') return false;
      }
      return true;
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers, ...this.sentinels].map((process) => process.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
