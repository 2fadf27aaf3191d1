import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { API_PREFIX, routes } from '../contract/routes.ts';
import { startPostgresServer } from '../tests/services/postgres-server.ts';
import { startRedisServer } from '../tests/services/redis-server.ts';
import { paymentWebhookSecret, type ServerProcess, startServerProcess } from '../tests/services/server-process.ts';
import { ApiClient, Unanswered } from './lib/api-client.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { delay } from './lib/limiter.ts';
import { payByCallback } from './lib/payment.ts';
import { type Random, seededRandom } from './lib/random.ts';
import { buildStage, type Stage } from './lib/stage.ts';
import { Viewer } from './lib/viewer.ts';
import { growthOf, type Sample, showSample, verdictOf } from './soak-verdict.ts';

const now = (): number => performance.now();

type World = {
  readonly server: ServerProcess;
  readonly api: ApiClient;
  readonly random: Random;
  readonly adminToken: string;
  readonly pay: ReturnType<typeof payByCallback>;
  /** Of things that must not happen; each text once. */
  readonly failures: Map<string, number>;
  readonly done: Record<'orders' | 'paid' | 'cancelled' | 'refused' | 'viewers' | 'shows', number>;
};

const itemsOfShow = 4;
const showSeconds = 45;
const holdTtlMs = 15_000;

/** One livestream from its creation to its end: buyers who pay, cancel and forget, viewers who come and go, an operator who looks. */
async function playShow(world: World, number: number): Promise<string> {
  const livestreamId = `soak-${number}`;
  const stage = await buildStage(world.api, world.adminToken, {
    livestreamId,
    title: `Show ${number}`,
    holdTtlMs,
    items: Array.from({ length: itemsOfShow }, (_, index) => ({
      skuId: `${livestreamId}-${index}`,
      title: `Item ${index}`,
      priceMinor: 100,
      currency: 'CNY',
      allotted: 400,
    })),
  });
  const untilMs = now() + showSeconds * 1_000;
  const parts = [
    ...Array.from({ length: 6 }, (_, buyer) => shop(world, stage, buyer, untilMs)),
    ...Array.from({ length: 12 }, (_, viewer) => look(world, stage, viewer, untilMs)),
    operate(world, stage, untilMs),
  ];
  for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') note(world, part.reason);
  await world.api.need(routes.endLivestream, { token: stage.operatorToken, params: { livestreamId } });
  world.done.shows += 1;
  return livestreamId;
}

async function shop(world: World, { livestreamId }: Stage, buyer: number, untilMs: number): Promise<void> {
  const { api, server, random, done } = world;
  for (let count = 0; now() < untilMs; count += 1) {
    const token = await server.token({ role: 'viewer', livestreamId, buyerId: `buyer-${buyer}-${count % 50}` });
    const skuId = `${livestreamId}-${Math.floor(random() * itemsOfShow)}`;
    const order = { idempotencyKey: `soak-key-${buyer}-${count}`, lines: [{ skuId, quantity: 1 }] };
    const result = await api.call(routes.placeOrder, { token, params: { livestreamId }, body: order });
    if (!result.ok) {
      done.refused += 1;
      // A machine with other work may shed; what may never be is an error of ours.
      if (result.error.code === 'internal') note(world, new Error('an order was answered with internal'));
    } else {
      done.orders += 1;
      const { order: placed, payUrl } = result.answer;
      const chance = random();
      // The others are left to expire.
      if (chance < 0.5) {
        const { kind } = await world.pay(placed, payUrl);
        if (kind === 'paid') done.paid += 1;
      } else if (chance < 0.7) {
        await api.need(routes.cancelOrder, { token, params: { livestreamId, orderId: placed.orderId } });
        done.cancelled += 1;
      }
    }
    await delay(100 + 200 * random());
  }
}

async function look(world: World, { livestreamId }: Stage, viewer: number, untilMs: number): Promise<void> {
  const { server, random, done } = world;
  while (now() < untilMs) {
    const token = await server.token({ role: 'viewer', livestreamId, buyerId: `viewer-${viewer}` });
    const watching = await Viewer.watch({
      url: server.url,
      token,
      livestreamId,
      lane: 'viewers',
      random,
      now,
      strict: viewer === 0,
    });
    done.viewers += 1;
    await delay(2_000 + 6_000 * random());
    for (const violation of watching.book.violations) note(world, new Error(violation));
    watching.stop();
  }
}

async function operate(world: World, { livestreamId, operatorToken: token }: Stage, untilMs: number): Promise<void> {
  const { api } = world;
  const params = { livestreamId };
  while (now() < untilMs) {
    await api.need(routes.getPace, { token, params });
    await api.need(routes.getCurves, { token, params });
    await api.need(routes.listAlerts, { token, params });
    await api.need(routes.listOrders, { token, params, query: { limit: '50' } });
    await delay(3_000);
  }
}

function note({ failures }: World, reason: unknown): void {
  const text = reason instanceof Unanswered ? 'no answer' : reason instanceof Error ? reason.message : String(reason);
  failures.set(text, (failures.get(text) ?? 0) + 1);
}

/** What the server and its neighbours have now. */
async function sample(world: World, redis: Redis, postgres: Client, startedAtMs: number): Promise<Sample> {
  const reply = await world.api.send({ method: 'GET', path: '/metrics' });
  const read = (name: string): number =>
    Number(new RegExp(`^${name} ([\\d.e+-]+)$`, 'm').exec(reply.text)?.[1] ?? Number.NaN);
  const memory = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? Number.NaN);
  const clients = Number(/connected_clients:(\d+)/.exec(await redis.info('clients'))?.[1] ?? Number.NaN);
  const channels = (await redis.pubsub('CHANNELS')) as string[];
  const { rows } = await postgres.query<{ connections: number }>(
    "SELECT count(*)::int AS connections FROM pg_stat_activity WHERE application_name LIKE 'stockcast%'",
  );
  return {
    seconds: (now() - startedAtMs) / 1_000,
    heapMb: read('stockcast_nodejs_heap_size_used_bytes') / 1e6,
    externalMb: read('stockcast_nodejs_external_memory_bytes') / 1e6,
    rssMb: read('stockcast_process_resident_memory_bytes') / 1e6,
    handles: read('stockcast_nodejs_active_handles_total'),
    lagMs: read('stockcast_nodejs_eventloop_lag_p99_seconds') * 1_000,
    metricLines: reply.text.split('\n').length,
    redisKeys: await redis.dbsize(),
    redisMb: memory / 1e6,
    redisClients: clients,
    redisChannels: channels.length,
    postgresConnections: rows[0]?.connections ?? Number.NaN,
  };
}

/** Everything of these livestreams that is still in Redis or in the server's metrics. */
async function remainsOf(world: World, redis: Redis, livestreamIds: readonly string[]): Promise<string[]> {
  const keys = await redis.keys('*');
  const channels = (await redis.pubsub('CHANNELS')) as string[];
  const { text } = await world.api.send({ method: 'GET', path: '/metrics' });
  const lines = text.split('\n').filter((line) => line.includes('livestream="soak-'));
  const own = (name: string) => livestreamIds.some((id) => new RegExp(`${id}(?!\\d)`).test(name));
  return [...keys, ...channels, ...lines].filter(own);
}

export async function soakProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['minutes', 'every', 'seed'] });
  const minutes = flags.whole('minutes', 60, { min: 1, max: 10_000 });
  const every = flags.whole('every', 15, { min: 1, max: 600 });
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-soak-'));
  const [postgres, redisServer] = await Promise.all([startPostgresServer(), startRedisServer()]);
  const databaseUrl = await postgres.createDatabase();
  const redis = new Redis(redisServer.url);
  const database = new Client(databaseUrl);
  await database.connect();
  const settings = { dataDir, databaseUrl, redisUrl: redisServer.url, environment: { DEMO: 'false' } };
  const server = await startServerProcess(settings);
  const api = new ApiClient(server.url, { connections: 64, timeoutMs: 30_000 });
  const world: World = {
    server,
    api,
    random: seededRandom(flags.whole('seed', 1, { min: 0, max: 2 ** 31 })),
    adminToken: await server.token({ role: 'admin' }),
    pay: payByCallback(api, paymentWebhookSecret, () => Date.now()),
    failures: new Map(),
    done: { orders: 0, paid: 0, cancelled: 0, refused: 0, viewers: 0, shows: 0 },
  };
  try {
    return await soak(world, { redis, database, minutes, everyMs: every * 1_000 });
  } finally {
    api.close();
    redis.disconnect();
    await database.end();
    await server.stop();
    await Promise.all([postgres.stop(), redisServer.stop()]);
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function soak(
  world: World,
  run: { readonly redis: Redis; readonly database: Client; readonly minutes: number; readonly everyMs: number },
): Promise<number> {
  const startedAtMs = now();
  const untilMs = startedAtMs + run.minutes * 60_000;
  const samples: Sample[] = [];
  const ended: string[] = [];
  let shows = 0;
  const stages = [0, 1].map(async (slot) => {
    await delay(slot * (showSeconds / 2) * 1_000);
    while (now() < untilMs) {
      shows += 1;
      try {
        ended.push(await playShow(world, shows));
      } catch (error) {
        note(world, error);
        await delay(1_000);
      }
    }
  });
  const watch = (async () => {
    while (now() < untilMs) {
      await delay(run.everyMs);
      try {
        const one = await sample(world, run.redis, run.database, startedAtMs);
        samples.push(one);
        console.log(showSample(one, world.done));
      } catch (error) {
        note(world, error);
      }
    }
  })();
  await Promise.all([...stages, watch]);
  // The last holds run out, the last livestream is archived, and what was kept for a while goes.
  let remains: string[] = ['not looked yet'];
  for (let look = 0; look < 60 && remains.length > 0; look += 1) {
    await delay(1_000);
    remains = await remainsOf(world, run.redis, ended);
  }
  const { audits, drift } = await auditAll(world, ended);
  console.log(`\n${growthOf(samples)}\n`);
  const found = [
    ...verdictOf(samples),
    ...(remains.length === 0
      ? []
      : [`of ended livestreams there remain ${remains.length}: ${remains.slice(0, 5).join(', ')}`]),
    ...(drift === 0 ? [] : [`${drift} of ${audits} audits show drift`]),
    ...[...world.failures].map(([text, count]) => `${count} × ${text}`),
    ...(world.done.shows < 2 ? ['fewer than two livestreams were played to their end'] : []),
  ];
  console.log(found.length === 0 ? 'Nothing grows. 没有增长。' : found.map((text) => `✗ ${text}`).join('\n'));
  return found.length === 0 ? 0 : 1;
}

async function auditAll({ api, adminToken }: World, livestreamIds: readonly string[]) {
  let drift = 0;
  for (const livestreamId of livestreamIds) {
    const path = `${API_PREFIX}/livestreams/${livestreamId}/orders?state=held&limit=1`;
    const reply = await api.send({ method: 'GET', path, token: adminToken });
    if (reply.status !== 200 || (JSON.parse(reply.text) as { orders: unknown[] }).orders.length > 0) drift += 1;
  }
  return { audits: livestreamIds.length, drift };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(soakProgram);
