import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { WireError } from '../../contract/errors.ts';
import { routes } from '../../contract/routes.ts';
import { ApiClient } from '../../load-tests/lib/api-client.ts';
import { limiter } from '../../load-tests/lib/limiter.ts';
import { seededRandom } from '../../load-tests/lib/random.ts';
import { buildStage, type Stage } from '../../load-tests/lib/stage.ts';
import { Viewer } from '../../load-tests/lib/viewer.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { startTcpProxy, type TcpProxy } from '../services/tcp-proxy.ts';

const soon = { timeout: 60_000, interval: 50 };
const buyersAtOnce = 60;

let postgres: TestPostgres;
let redis: TestRedis;
let link: TcpProxy;
let databaseUrl = '';
let dataDir = '';
let server: ServerProcess;
let api: ApiClient;
let stage: Stage;
let shows = 0;
let livestreamId = '';
let watcher: Viewer | null = null;

beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
  link = await startTcpProxy({ target: { host: '127.0.0.1', port: postgres.port } });
  databaseUrl = await postgres.createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-away-'));
  const through = databaseUrl.replace(`:${postgres.port}/`, `:${link.port}/`);
  server = await startServerProcess({
    dataDir,
    databaseUrl: through,
    redisUrl: redis.url,
    environment: { DEMO: 'false' },
  });
  api = new ApiClient(server.url, { connections: buyersAtOnce + 8, timeoutMs: 20_000 });
});
afterEach(async () => {
  watcher?.stop();
  // A test that ended early must not leave its fault to the next one.
  await underWay?.end();
  underWay = null;
});
afterAll(async () => {
  api.close();
  await server.kill();
  await link.stop();
  await Promise.all([postgres.stop(), redis.stop()]);
  await rm(dataDir, { recursive: true, force: true });
});

/** What happens to PostgreSQL, and how it ends. */
type Fault = { readonly begin: () => Promise<void> | void; readonly end: () => Promise<void> | void };

let underWay: Fault | null = null;

const direct = async (...statements: readonly string[]): Promise<void> => {
  const client = new Client(databaseUrl);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

const hogs: Client[] = [];

async function takeEveryConnection(): Promise<void> {
  for (let full = false; !full; ) {
    const hog = new Client(databaseUrl);
    hog.on('error', () => undefined);
    full = await hog.connect().then(
      () => false,
      () => true,
    );
    if (!full) hogs.push(hog);
  }
}

const faults: Readonly<Record<string, Fault>> = {
  killed: { begin: () => postgres.kill(), end: () => postgres.restart() },
  'stopped (SIGSTOP)': { begin: () => postgres.pause(), end: () => postgres.resume() },
  'behind a link that was cut': { begin: () => link.cut(), end: () => link.restore() },
  'behind a link that drops everything': { begin: () => link.stall(), end: () => link.resume() },
  'read-only': {
    begin: () => direct('ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()'),
    end: () =>
      direct(
        'SET default_transaction_read_only = off',
        'ALTER SYSTEM RESET default_transaction_read_only',
        'SELECT pg_reload_conf()',
      ),
  },
  'out of connections': {
    async begin() {
      // The server's own connections end and others take their places, as when a pool elsewhere has grown too large; until it has none, also
      // none that is just being opened.
      for (let quiet = 0; quiet < 3; ) {
        await takeEveryConnection();
        const ended = await hogs[0]?.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stockcast%'",
        );
        quiet = ended?.rowCount === 0 ? quiet + 1 : 0;
        await wait(50);
      }
    },
    async end() {
      await Promise.all(hogs.splice(0).map((hog) => hog.end()));
    },
  },
};

async function begin(allotted: number): Promise<void> {
  shows += 1;
  livestreamId = `away-${shows}`;
  const items = [{ skuId: `tea-${shows}`, title: 'Tea', priceMinor: 990, currency: 'CNY', allotted }];
  const admin = await server.token({ role: 'admin' });
  stage = await buildStage(api, admin, { livestreamId, title: 'Night', holdTtlMs: 600_000, items });
}

type Bought = { readonly orderId: string } | { readonly error: WireError };

async function buy(buyer: number): Promise<Bought> {
  const result = await api.call(routes.placeOrder, {
    token: await server.token({ role: 'viewer', livestreamId, buyerId: `buyer-${buyer}` }),
    params: { livestreamId },
    body: { idempotencyKey: `key-of-buyer-${buyer}`, lines: [{ skuId: `tea-${shows}`, quantity: 1 }] },
  });
  if (result.ok) return { orderId: result.answer.order.orderId };
  // A repeated key is answered with 200, which the route's own status is not.
  if (result.status === 200) return buy(buyer);
  return { error: result.error };
}

const readiness = async () =>
  (await (await fetch(`${server.url}/readyz`)).json()) as { checks: Record<string, string> };

describe.each(Object.entries(faults))('PostgreSQL is %s', (_name, fault) => {
  test('[OR-18][O5][I2][I4] orders are refused, nothing is acknowledged, viewers go on, and selling goes on by itself', async () => {
    await begin(500);
    const viewing = {
      url: server.url,
      livestreamId,
      token: await server.token({ role: 'viewer', livestreamId, buyerId: 'viewer' }),
      lane: 'viewers' as const,
    };
    const watching = await Viewer.watch({
      ...viewing,
      random: seededRandom(1),
      now: () => performance.now(),
      strict: true,
    });
    watcher = watching;
    const decided = new Map<number, string>();
    const undecided = new Set<number>();
    const take = (buyer: number, bought: Bought) => {
      if ('orderId' in bought) decided.set(buyer, bought.orderId);
      else {
        // Nothing but what asks for the same again.
        expect(bought.error.action).toBe('retry');
        undecided.add(buyer);
      }
      if ('orderId' in bought) undecided.delete(buyer);
    };
    const atOnce = limiter(buyersAtOnce);
    const before = await Promise.all(
      Array.from({ length: 20 }, async (_, buyer) => [buyer, await buy(buyer)] as const),
    );
    for (const [buyer, bought] of before) take(buyer, bought);
    expect(decided.size).toBe(20);

    // In the middle of a burst.
    const burst = Array.from({ length: 120 }, (_, at) => atOnce(async () => take(20 + at, await buy(20 + at))));
    await wait(20);
    underWay = fault;
    await fault.begin();
    await Promise.all(burst);
    await expect.poll(async () => (await readiness()).checks, soon).toEqual({ database: 'failing', gate: 'ok' });
    // Whoever comes while the server finds it out may be under way already: in_progress, like the burst.
    let buyers = 180;
    await expect
      .poll(async () => {
        const buyer = 200 + buyers;
        buyers += 1;
        const bought = await buy(buyer);
        take(buyer, bought);
        return 'error' in bought ? bought.error.code : 'accepted';
      }, soon)
      .toBe('unavailable');
    const acknowledged = decided.size;
    const refusals = await Promise.all(Array.from({ length: 40 }, (_, at) => buy(200 + at)));
    const codes = new Set(refusals.map((bought) => ('error' in bought ? bought.error.code : 'accepted')));
    expect([...codes]).toEqual(['unavailable']);
    for (let at = 0; at < 40; at += 1) undecided.add(200 + at);
    expect(decided.size).toBe(acknowledged);
    // Whoever looks on is not disconnected, and who comes now sees the levels.
    expect([watching.connected, watching.reconnects]).toEqual([true, 0]);
    const late = await Viewer.watch({
      ...viewing,
      now: () => performance.now(),
      random: seededRandom(2),
      strict: true,
    });
    expect(late.book.rows.get(0)?.shown).toBe(watching.book.rows.get(0)?.shown);
    late.stop();

    await fault.end();
    underWay = null;
    await expect.poll(async () => (await readiness()).checks, soon).toEqual({ database: 'ok', gate: 'ok' });
    for (let round = 0; undecided.size > 0 && round < 200; round += 1) {
      await Promise.all([...undecided].map((buyer) => atOnce(async () => take(buyer, await buy(buyer)))));
      if (undecided.size > 0) await wait(200);
    }
    expect(undecided.size).toBe(0);
    expect(new Set(decided.values()).size).toBe(buyers);

    const audit = () => api.need(routes.getAudit, { token: stage.operatorToken, params: { livestreamId } });
    await expect
      .poll(async () => {
        const { drift, items } = await audit();
        return {
          drift,
          held: items[0]?.ledger.held,
          byOrders: items[0]?.ledger.heldByOrders,
          gate: items[0]?.gate?.held,
        };
      }, soon)
      .toEqual({ drift: 0, held: buyers, byOrders: buyers, gate: buyers });
    await expect.poll(() => watching.book.rows.get(0)?.shown, soon).toBe(500 - buyers);
    expect(watching.book.violations).toEqual([]);
  });
});
