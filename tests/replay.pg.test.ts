import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { burst } from '../load-tests/burst.ts';
import { replay } from '../load-tests/replay/main.ts';
import { parseOptions } from '../load-tests/replay/options.ts';
import { startPostgresServer } from './services/postgres-server.ts';
import { startRedisServer } from './services/redis-server.ts';
import { paymentWebhookSecret, type ServerProcess, startServerProcess } from './services/server-process.ts';

const realDay = fileURLToPath(new URL('../load-tests/data/uci-2011-12-05.csv.gz', import.meta.url));

describe.each(['embedded', 'redis and postgresql'] as const)('real orders on a real server (%s)', (shape) => {
  const stops: (() => Promise<unknown>)[] = [];
  let server: ServerProcess;
  let token = '';
  let dataDir = '';

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'stockcast-replay-server-'));
    stops.push(() => rm(dataDir, { recursive: true, force: true }));
    if (shape === 'embedded') server = await startServerProcess({ dataDir });
    else {
      const [redis, postgres] = [await startRedisServer(), await startPostgresServer()];
      stops.push(
        () => redis.stop(),
        () => postgres.stop(),
      );
      const databaseUrl = await postgres.createDatabase();
      server = await startServerProcess({ dataDir, redisUrl: redis.url, databaseUrl });
    }
    stops.push(() => server.stop());
    token = await server.token({ role: 'service' });
  });
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop();
  });

  test('[RP-18] a real day at full speed over HTTP and sockets leaves a clean audit', async () => {
    const flags = ['--file', realDay, '--url', server.url, '--token', token, '--speed', '0', '--skus', '40'];
    // More are left unpaid than in reality, so that holds expire and units come back while others still buy.
    flags.push('--pay', '0.7', '--cancel', '0.1', '--hold-ms', '2000', '--payment-secret', paymentWebhookSecret);
    const report = await replay(parseOptions(flags, {}, realDay), new AbortController().signal, process.stderr);
    expect(report.audit).toEqual({ clean: true, findings: [] });
    expect(report.orders).toMatchObject({ sent: 454 });
    // `duplicate`: accepted, and the answer came too late for a client on a slow machine; the repetition got it.
    const { accepted = 0, duplicate = 0, sold_out: soldOut = 0, insufficient = 0, ...others } = report.orders.byOutcome;
    expect(others).toEqual({});
    expect(accepted + duplicate).toBeGreaterThan(300);
    expect(soldOut + insufficient).toBeGreaterThan(0);
    expect(report.fates).toMatchObject({ payFailed: 0 });
    expect(report.fates.paid).toBeGreaterThan(200);
    expect(report.items.some(({ refusedAt }) => refusedAt !== null)).toBe(true);
    expect(report.watchers).toHaveLength(3);
  });

  test('[RP-8] what the file takes back is refunded after it was paid, and its units are on sale again', async () => {
    const row = (minute: number, invoice: string, quantity: number, customer: number): string =>
      `2011-12-05T09:${minute.toString().padStart(2, '0')}:00,${invoice},tea set,${quantity},4.95,${customer},`;
    const rows = [
      row(10, '1', 6, 7),
      row(11, '2', 4, 8),
      row(12, 'C3', -6, 7),
      row(13, 'C4', -6, 9),
      row(14, 'C5', -1, 8),
    ];
    const file = join(dataDir, 'refunds.csv');
    await writeFile(file, ['ts,invoice,sku,qty,price,customer,country', ...rows].join('\n'));
    const flags = ['--file', file, '--url', server.url, '--token', token, '--speed', '0', '--stock', '1', '--pay', '1'];
    const report = await replay(
      parseOptions([...flags, '--cancel', '0'], {}, file),
      new AbortController().signal,
      process.stderr,
    );
    expect(report.audit).toEqual({ clean: true, findings: [] });
    expect(report.refunds).toMatchObject({
      matched: 1,
      refunded: 1,
      unmatched: { no_earlier_sale: 1, other_quantity: 1 },
    });
    expect(report.items).toMatchObject([{ skuId: 'tea_set', allotted: 10, unitsAccepted: 10, unitsSold: 4 }]);
  });

  test('[I1][I5] many more buyers than units, half over HTTP and half over sockets: each unit is sold once and everybody sees it', async () => {
    const result = await burst({ url: server.url, token, buyers: 500, stock: 100, viewers: 20, log: () => {} });
    expect(result.findings).toEqual([]);
    expect(result.byOutcome).toEqual({ accepted: 100, sold_out: 400 });
    expect(result.viewersSoldOut).toBe(20);
  });
});
