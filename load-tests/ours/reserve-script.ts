import { readFileSync } from 'node:fs';
import { systemClock } from '../../server/lib/clock.ts';
import { openRedis } from '../../server/redis/open-redis.ts';
import type { RedisLink } from '../../server/redis/redis-link.ts';
import { channelOf, keyNames, keysOf } from '../../server/stock/redis-engine/keys-of.ts';
import { connectRedisEngine } from '../../server/stock/redis-engine/redis-engine.ts';
import { requestText } from '../../server/stock/redis-engine/text.ts';

/**
 * What the publish inside the reserve script costs Redis: the product's own script as it is, and the same text without that line, in
 * turns, on one livestream with a subscriber; beside it, what fifty reserves in one call cost. Arguments: Redis' URL, rounds, calls a
 * round. Prints reserves per second of Redis' CPU.
 */
const livestreamId = 'script';
const place = keysOf(livestreamId).meta;
const settings = { pendingLeaseMs: 2_500, keyTtlMs: 600_000 };
const publishLine = "call(PUBLISH, channel, concat(rows, '\\n'))";

const luaOf = (name: string): string =>
  readFileSync(new URL(`../../server/stock/redis-engine/lua/${name}.lua`, import.meta.url), 'utf8');

async function main([url = '', rounds = '3', calls = '5000']: readonly string[]): Promise<void> {
  const engine = await connectRedisEngine({ url, timeoutMs: 5_000 }, { clock: systemClock, settings });
  const begun = await engine.begin(livestreamId);
  if (begun.kind === 'closed') await engine.load(livestreamId, begun.nonce, snapshot);
  const stopFollowing = await engine.follow(livestreamId, { change: () => {}, interrupted: () => {} });
  const redis = openRedis({ url });
  await redis.ready(5_000);
  const whole = `local PUBLISH = 'PUBLISH'\n${luaOf('prelude')}\n${luaOf('reserve')}`;
  const silent = whole.replace(publishLine, '');
  if (silent === whole) throw new Error('the script publishes in another way than this program knows');
  const measured: Record<'withPublish' | 'without' | 'inGroups', number[]> = {
    withPublish: [],
    without: [],
    inGroups: [],
  };
  await operationsPerCpuSecond(redis, whole, 1_000);
  await operationsPerCpuSecond(redis, silent, 1_000);
  for (let round = 0; round < Number(rounds); round += 1) {
    measured.withPublish.push(await operationsPerCpuSecond(redis, whole, Number(calls)));
    measured.without.push(await operationsPerCpuSecond(redis, silent, Number(calls)));
    measured.inGroups.push(50 * (await operationsPerCpuSecond(redis, whole, Number(calls) / 50, 50)));
  }
  process.stdout.write(`${JSON.stringify(measured)}\n`);
  await redis.close();
  await stopFollowing();
  await engine.close();
}

const snapshot = {
  epoch: 1,
  infoRev: 1,
  items: [0, 1, 2, 3, 4].map((index) => ({
    skuId: `sku${index}`,
    pool: { rev: 1, allotted: 100_000_000, returned: 0 },
    terms: {
      rev: 1,
      sale: 'open' as const,
      opensAtMs: 0,
      salePolicy: { kind: 'deduct_on_order' as const },
      limits: { perOrder: null, perBuyer: null, perDevice: null },
    },
    sold: 0,
  })),
  holds: [],
  counted: [],
  keys: [],
};

let made = 0;

function nextRequest(): string {
  const rid = `rid${(made += 1)}`;
  const lines = [{ skuId: `sku${made % 5}`, quantity: 1 }];
  const who = { rid, key: `b${made}/k${made}`, bodyHash: 'x', buyerId: `b${made}`, deviceId: null, reacquires: null };
  return requestText({ ...who, lines }, lines);
}

/** So many reserves a call, 100 calls under way at a time. */
async function operationsPerCpuSecond(redis: RedisLink, lua: string, calls: number, perCall = 1): Promise<number> {
  const sha = await redis.send(place, (client) => client.script('LOAD', lua) as Promise<string>);
  const keys = keysOf(livestreamId);
  const names = keyNames.map((name) => keys[name]);
  const once = async (): Promise<void> => {
    const requests = Array.from({ length: perCall }, nextRequest).join('\n');
    const args = [Date.now(), channelOf(livestreamId), settings.pendingLeaseMs, settings.keyTtlMs, requests];
    const reply = (await redis.send(place, (client, identity) =>
      client.evalsha(sha, names.length, ...names, identity, ...args),
    )) as readonly string[];
    if (!reply[1]?.startsWith('reserved')) throw new Error(`the script refused: ${JSON.stringify(reply)}`);
  };
  const before = await cpuSecondsOf(redis);
  for (let done = 0; done < calls; done += 100) await Promise.all(Array.from({ length: 100 }, once));
  return calls / ((await cpuSecondsOf(redis)) - before);
}

async function cpuSecondsOf(redis: RedisLink): Promise<number> {
  const info = await redis.send(place, (client) => client.info('cpu'));
  const of = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return of('used_cpu_user') + of('used_cpu_sys');
}

await main(process.argv.slice(2));
