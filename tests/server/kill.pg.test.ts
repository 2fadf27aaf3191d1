import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OrderForOperator } from '../../contract/orders.ts';
import { routes } from '../../contract/routes.ts';
import { ApiClient, Unanswered } from '../../load-tests/lib/api-client.ts';
import { limiter } from '../../load-tests/lib/limiter.ts';
import { buildStage, type Stage } from '../../load-tests/lib/stage.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';

const units = 400;
const buyers = 900;
const livestreamId = 'killed';

type Shape = { readonly redisUrl?: string; readonly databaseUrl?: string };

let postgres: TestPostgres;
let redis: TestRedis;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
});
afterAll(() => Promise.all([postgres.stop(), redis.stop()]));

describe.each(['embedded', 'Redis and PostgreSQL'])('kill -9 of the server (%s)', (shape) => {
  let dataDir = '';
  let server: ServerProcess;
  let api: ApiClient;
  let stage: Stage;

  const settings = async (): Promise<Shape> =>
    shape === 'embedded' ? {} : { redisUrl: redis.url, databaseUrl: await postgres.createDatabase() };

  const begin = async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'stockcast-kill-'));
    await redis.flush();
    server = await startServerProcess({ dataDir, ...(await settings()), environment: { DEMO: 'false' } });
    api = new ApiClient(server.url, { connections: 60, timeoutMs: 8_000 });
    stage = await buildStage(api, await server.token({ role: 'admin' }), {
      livestreamId,
      title: 'Killed in mid-burst',
      holdTtlMs: 600_000,
      items: [{ skuId: 'tea', title: 'Tea', priceMinor: 990, currency: 'CNY', allotted: units }],
    });
  };
  afterEach(async () => {
    api.close();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** One attempt of one buyer: accepted order, definite refusal, or `again` (retryable or unanswered: the outcome is unknown). */
  const buy = async (buyer: number) => {
    const token = await server.token({ role: 'viewer', livestreamId, buyerId: `buyer-${buyer}` });
    const body = { idempotencyKey: `key-of-buyer-${buyer}`, lines: [{ skuId: 'tea', quantity: 1 }] };
    try {
      const reply = await api.send({
        method: 'POST',
        path: `/api/v1/livestreams/${livestreamId}/orders`,
        token,
        body: JSON.stringify(body),
      });
      const answer = JSON.parse(reply.text);
      if (reply.status < 300) return { buyer, orderId: answer.order.orderId as string };
      return answer.error.action === 'retry' ? 'again' : (answer.error.code as string);
    } catch (error) {
      if (error instanceof Unanswered) return 'again';
      throw error;
    }
  };

  const allOrders = async (): Promise<OrderForOperator[]> => {
    const orders: OrderForOperator[] = [];
    for (;;) {
      const before = orders.at(-1)?.orderId;
      const page = await api.need(routes.listOrders, {
        token: stage.operatorToken,
        params: { livestreamId },
        query: { limit: '200', ...(before === undefined ? {} : { before }) },
      });
      orders.push(...page.orders);
      if (page.orders.length < 200) return orders;
    }
  };

  test('[I1][I2][I3][I4] in mid-burst: no acknowledged order is missing, no unit lost or doubled, every key has one order', async () => {
    await begin();
    const acknowledged = new Map<number, string>();
    const refused = new Map<number, string>();
    const undecided = new Set<number>();
    const take = (buyer: number, outcome: Awaited<ReturnType<typeof buy>>) => {
      if (outcome === 'again') undecided.add(buyer);
      else if (typeof outcome === 'string') refused.set(buyer, outcome);
      else acknowledged.set(buyer, outcome.orderId);
      if (outcome !== 'again') undecided.delete(buyer);
    };
    const atOnce = limiter(60);
    let killed: Promise<void> | undefined;
    await Promise.all(
      Array.from({ length: buyers }, (_, buyer) =>
        atOnce(async () => {
          take(buyer, await buy(buyer));
          if (acknowledged.size >= 120) killed ??= server.kill();
        }),
      ),
    );
    await killed;
    const before = new Map(acknowledged);
    expect(before.size).toBeGreaterThanOrEqual(120);
    expect(before.size).toBeLessThan(units);
    expect(undecided.size).toBeGreaterThan(0);

    await server.restart();
    for (let round = 0; undecided.size > 0 && round < 40; round += 1) {
      await Promise.all([...undecided].map((buyer) => atOnce(async () => take(buyer, await buy(buyer)))));
      if (undecided.size > 0) await wait(250);
    }
    expect(undecided.size).toBe(0);
    expect(acknowledged.size).toBe(units);
    expect([...new Set(refused.values())]).toEqual(['sold_out']);

    const orders = await allOrders();
    const inLedger = new Map(orders.map((order) => [order.orderId, order.state]));
    for (const orderId of before.values()) expect(inLedger.get(orderId)).toBe('held');
    expect(new Set(acknowledged.values()).size).toBe(units);
    expect(orders).toHaveLength(units);

    await expect
      .poll(
        async () => {
          const audit = await api.need(routes.getAudit, { token: stage.operatorToken, params: { livestreamId } });
          const [item] = audit.items;
          return { drift: audit.drift, held: item?.ledger.held, sold: item?.ledger.sold, gate: item?.gate?.held };
        },
        { timeout: 5_000 },
      )
      .toEqual({ drift: 0, held: units, sold: 0, gate: units });
  });

  test('[OR-14] SIGTERM lets orders under way be answered, closes everything and exits 0 inside 10 s', async () => {
    await begin();
    const answers = Array.from({ length: 40 }, (_, buyer) => buy(buyer));
    await wait(20);
    const { code, tookMs } = await server.stop();
    expect(code, server.output()).toBe(0);
    expect(tookMs).toBeLessThan(10_000);
    const outcomes = await Promise.all(answers);
    const acknowledged = outcomes.flatMap((outcome) => (typeof outcome === 'string' ? [] : [outcome.orderId]));
    await server.restart();
    const inLedger = new Set((await allOrders()).map(({ orderId }) => orderId));
    for (const orderId of acknowledged) expect(inLedger.has(orderId)).toBe(true);
  });
});

test('[OR-14] SIGTERM while it starts: it is ended when it has started, and nothing is left half done', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-starting-'));
  // oxlint-disable-next-line no-process-env -- what a shell has
  const env = { ...process.env, DATA_DIR: dataDir, DEMO: 'false', PORT: '0' };
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/main.ts'], { env, stdio: 'ignore' });
  try {
    const exited = once(child, 'exit');
    await expect.poll(async () => (await readdir(dataDir)).length, { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    const again = await startServerProcess({ dataDir, environment: { DEMO: 'false' } });
    expect((await again.stop()).code, again.output()).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('[OR-14] a Ctrl-C that comes twice, from the terminal and through npm, is one: the server stops in its own time', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-twice-'));
  const server = await startServerProcess({ dataDir, environment: { DEMO: 'false', DRAIN_NOTICE_MS: '300' } });
  try {
    server.signal('SIGINT');
    await wait(100);
    server.signal('SIGINT');
    expect((await server.stop()).code, server.output()).toBe(0);
  } finally {
    await server.kill();
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('[OR-14] whoever sends another signal later does not wait for the stop', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-later-'));
  const server = await startServerProcess({ dataDir, environment: { DEMO: 'false', DRAIN_NOTICE_MS: '120000' } });
  try {
    server.signal('SIGINT');
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 60_000 }).toBe(503);
    await wait(1_100);
    expect((await server.stop()).code, server.output()).toBe(143);
  } finally {
    await server.kill();
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('[I2] a second process on the same data folder is refused with a sentence that says why', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-second-'));
  const first = await startServerProcess({ dataDir, environment: { DEMO: 'false' } });
  try {
    await expect(startServerProcess({ dataDir, environment: { DEMO: 'false' } })).rejects.toThrow(
      /another stockcast process .* is using/i,
    );
  } finally {
    await first.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
