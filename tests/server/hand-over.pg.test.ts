import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ItemPlan } from '../../contract/alerts.ts';
import { routes } from '../../contract/routes.ts';
import { ApiClient } from '../../load-tests/lib/api-client.ts';
import { buildStage, type Stage } from '../../load-tests/lib/stage.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';

const livestreamId = 'handed-over';
const soon = { timeout: 60_000, interval: 100 };

let postgres: TestPostgres;
let redis: TestRedis;
let dataDir = '';
let stage: Stage;
const nodes: { server: ServerProcess; api: ApiClient }[] = [];

beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-hand-over-'));
  const databaseUrl = await postgres.createDatabase();
  for (let at = 0; at < 3; at += 1) {
    const settings = { dataDir, databaseUrl, redisUrl: redis.url, environment: { DEMO: 'false' } };
    const server = await startServerProcess(settings);
    nodes.push({ server, api: new ApiClient(server.url, { timeoutMs: 20_000 }) });
  }
  const items = [{ skuId: 'tea', title: 'Tea', priceMinor: 990, currency: 'CNY', allotted: 5_000 }];
  const admin = await node(0).server.token({ role: 'admin' });
  stage = await buildStage(node(0).api, admin, { livestreamId, title: 'Night', holdTtlMs: 600_000, items });
});
afterAll(async () => {
  for (const { server, api } of nodes) {
    api.close();
    await server.kill();
  }
  await Promise.all([postgres.stop(), redis.stop()]);
  await rm(dataDir, { recursive: true, force: true });
});

function node(at: number) {
  const one = nodes[at];
  if (one === undefined) throw new Error(`no node ${at}`);
  return one;
}

async function holdsDesk(at: number): Promise<boolean> {
  const text = await (await fetch(`${node(at).server.url}/metrics`)).text();
  const [, value] = /^stockcast_lease_held\{lease="desk"\} (\d)$/m.exec(text) ?? [];
  if (value === undefined) throw new Error('the metric is missing');
  return value === '1';
}

/** Which of these holds the desk's lease; null: none of them. */
async function holderOf(candidates: readonly number[]): Promise<number | null> {
  const held = await Promise.all(candidates.map(holdsDesk));
  return candidates.find((_, index) => held[index] === true) ?? null;
}

async function untilOneOf(candidates: readonly number[]): Promise<number> {
  let holder: number | null = null;
  await expect.poll(async () => (holder = await holderOf(candidates)), soon).not.toBeNull();
  return holder ?? -1;
}

let sold = 0;
async function sell(at: number, quantity: number): Promise<number> {
  sold += 1;
  const token = await node(at).server.token({ role: 'viewer', livestreamId, buyerId: `buyer-${sold}` });
  const { order } = await node(at).api.need(routes.placeOrder, {
    token,
    params: { livestreamId },
    body: { idempotencyKey: `key-of-sale-${sold}`, lines: [{ skuId: 'tea', quantity }] },
  });
  return order.createdAtMs;
}

const ask = (at: number) => ({ api: node(at).api, input: { token: stage.operatorToken, params: { livestreamId } } });

/** Tiers on the base of consumption, in the order in which the history has them. */
async function raises(at: number): Promise<readonly string[]> {
  const { api, input } = ask(at);
  const { alerts } = await api.need(routes.listAlerts, input);
  const found = alerts.find(({ basis }) => basis === 'consumption');
  if (found === undefined) return [];
  const params = { ...input.params, alertId: found.alertId };
  const { events } = await api.need(routes.getAlert, { ...input, params });
  return events.flatMap(({ kind, note }) => (kind.endsWith('raised') ? [note.split(':')[0] ?? ''] : []));
}

test('[LE-8][I7][PA-18] the holder killed, the next one stopped and woken: every tier once, and a curve without a gap', async () => {
  const first = await untilOneOf([0, 1, 2]);
  const others = [0, 1, 2].filter((at) => at !== first);
  const [asked = -1] = others;
  const { api, input } = ask(asked);
  const plan = ItemPlan.parse({ estimate: 100, dynamicLine: false });
  await api.need(routes.putPlan, { ...input, params: { livestreamId, skuId: 'tea' }, body: plan });
  await sell(asked, 80);
  await expect.poll(() => raises(asked), soon).toEqual(['yellow']);

  await node(first).server.kill();
  // Nobody looks on, and buyers go on: one unit in each second until somebody has taken over, and some seconds more; so few that no tier is
  // crossed by them.
  const orderedAtMs: number[] = [];
  let second: number | null = null;
  for (let more = 3; second === null || more > 0; ) {
    orderedAtMs.push(await sell(asked, 1));
    if (second === null) second = await holderOf(others);
    else more -= 1;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (orderedAtMs.length > 18) throw new Error('nobody took over');
  }
  await sell(asked, 20);
  await expect.poll(() => raises(asked), soon).toEqual(['yellow', 'orange']);
  await expect
    .poll(async () => {
      const { curves } = await api.need(routes.getCurves, { ...input, query: { pointsMax: '5000' } });
      const seconds = new Set(curves[0]?.points.map(([atMs]) => Math.floor(atMs / 1_000)));
      // The gate's moment and the ledger's are some milliseconds apart.
      return orderedAtMs.filter((atMs) => ![0, -1, 1].some((off) => seconds.has(Math.floor(atMs / 1_000) + off)));
    }, soon)
    .toEqual([]);

  const stopped = second;
  const third = others.find((at) => at !== stopped) ?? -1;
  process.kill(node(stopped).server.pid, 'SIGSTOP');
  try {
    await expect.poll(() => holderOf([third]), soon).toBe(third);
    await sell(third, 20);
    await expect.poll(() => raises(third), soon).toEqual(['yellow', 'orange', 'red']);
  } finally {
    process.kill(node(stopped).server.pid, 'SIGCONT');
  }
  // Woken, with levels of before in its sockets' buffers: it is not the holder, and nothing happens a second time.
  await expect.poll(() => holdsDesk(stopped), soon).toBe(false);
  expect(await holderOf([third])).toBe(third);
  await sell(third, 1);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(await raises(third)).toEqual(['yellow', 'orange', 'red']);
  // A node that does not follow the livestream answers about its pace all the same.
  const pace = await node(stopped).api.need(routes.getPace, input);
  const { levels } = { levels: pace.items.map(({ consumed, tier }) => ({ consumed, tier })) };
  const there = await node(third).api.need(routes.getPace, input);
  expect(levels).toEqual(there.items.map(({ consumed, tier }) => ({ consumed, tier })));
  expect(levels[0]?.tier).toBe('red');

  // A graceful stop hands over with the next look.
  await node(third).server.stop();
  await expect.poll(() => holderOf([stopped]), soon).toBe(stopped);
});
