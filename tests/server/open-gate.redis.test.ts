import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CannotStart } from '../../server/lib/cannot-start.ts';
import { systemClock } from '../../server/lib/clock.ts';
import { openGate } from '../../server/open-gate.ts';
import { RedisProcess } from '../services/redis-process.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';

let redis: TestRedis;
let directory: string;
let lonely: RedisProcess;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stockcast-open-gate-'));
  redis = await startRedisServer();
  // A member of a cluster that was never joined to others: it serves no slot.
  lonely = await RedisProcess.start({ directory, settings: { save: '', 'cluster-enabled': 'yes' } });
});
afterAll(async () => {
  await lonely.kill();
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

/** What the start says: the sentence of `CannotStart`, or every line of the log. */
async function start(redisUrl: string, production = false): Promise<string> {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const settings = { pendingLeaseMs: 2_500, keyTtlMs: 60_000 };
  try {
    const gate = await openGate({ redisUrl, clock: systemClock, settings, log, production });
    await gate.ping();
    await gate.close();
    return lines.join('');
  } catch (error) {
    expect(error).toBeInstanceOf(CannotStart);
    return `CannotStart: ${error instanceof Error ? error.message : ''}`;
  }
}

test('[RD-3] a policy that evicts keys of livestreams is a warning, and in production the end of the start', async () => {
  expect(await start(redis.url, true)).toBe('');
  await redis.command('CONFIG SET maxmemory 100mb');
  await redis.command('CONFIG SET maxmemory-policy allkeys-lru');
  expect(await start(redis.url)).toMatch(/maxmemory-policy allkeys-lru.*noeviction/);
  expect(await start(redis.url, true)).toMatch(/^CannotStart: .*allkeys-lru.*noeviction\.$/);
  await redis.command('CONFIG SET maxmemory-policy noeviction');
});

test('[RD-3] a server of a cluster as if it were all of it, and a server as if it were a cluster, end the start', async () => {
  expect(await start(`redis://127.0.0.1:${lonely.port}`)).toMatch(/^CannotStart: .*write redis\+cluster:/);
  expect(await start(redis.url.replace('redis://', 'redis+cluster://'))).toMatch(
    /^CannotStart: .*cluster support disabled/,
  );
  expect(await start(`redis+cluster://127.0.0.1:${lonely.port}`)).toMatch(/^CannotStart: .*who serves all slots/);
});
