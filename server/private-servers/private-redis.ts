import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CannotStart } from '../lib/cannot-start.ts';
import type { Log } from '../lib/log.ts';
import { closeClient, openClient } from '../redis/open-client.ts';
import { parseRedisUrl } from '../redis/redis-target.ts';
import { findProgram } from './find-programs.ts';
import { keepRunning, type ProcessKind } from './kept-process.ts';
import type { PrivateServer, ServerPlace } from './private-server.ts';

export const redisKind: ProcessKind = { name: 'Redis', stopSignal: 'SIGTERM', stopWithinMs: 20_000 };

/**
 * A Redis of this cluster alone: `redis-server` from this machine, on loopback, with a password, everything written (`appendonly`) and
 * nothing thrown away (`noeviction`) in a folder of its own.
 */
export async function startPrivateRedis(place: ServerPlace, log: Log): Promise<PrivateServer> {
  const program = findProgram(['redis-server', 'valkey-server'], place.searchPath);
  if (program === null) throw new CannotStart(redisMissing);
  const folder = resolve(place.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { port, password } = place;
  const config = join(folder, 'redis.conf');
  // A file: what stands in the arguments of a process can be read by everybody on the machine.
  writeFileSync(config, configuration({ folder, port, password }), { mode: 0o600 });
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const server = await keepRunning({
    kind: redisKind,
    folder,
    launch: (output) => spawn(program, [config], { cwd: folder, detached: true, stdio: ['ignore', output, output] }),
    untilAnswering: (givenUp) => untilAnswering(url, givenUp),
    log,
  });
  return { url, address: `127.0.0.1:${port}`, folder, program, process: server };
}

const redisMissing =
  'There is no Redis: set REDIS_URL, or install one that this cluster can start for itself ' +
  '(Debian, Ubuntu: sudo apt-get install -y redis-server · macOS: brew install redis).\n' +
  '没有找到 Redis：请设置 REDIS_URL，或安装 redis-server 由集群自行启动。';

function configuration({ folder, port, password }: { folder: string; port: number; password: string }): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${password}`,
    `dir ${JSON.stringify(folder)}`,
    'daemonize no',
    'appendonly yes',
    // A killed process loses nothing of what was written; a power cut up to a second, after which the gate is rebuilt from the ledger.
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'loglevel notice',
    '',
  ].join('\n');
}

/** Answers PING and has read its files: until then it says LOADING. */
async function untilAnswering(url: string, givenUp: AbortSignal): Promise<void> {
  const parsed = parseRedisUrl(url);
  if (parsed.kind === 'mistake' || parsed.target.shape !== 'single') throw new Error('a private Redis is one server');
  const client = openClient(parsed.target, { commandTimeoutMs: 2_000, random: Math.random });
  client.on('error', () => undefined);
  try {
    while (!givenUp.aborted) {
      const answer = await client.ping().catch(() => '');
      if (answer === 'PONG') return;
      await wait(30);
    }
  } finally {
    await closeClient(client);
  }
}
