import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test, vi } from 'vitest';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { until } from './sale.ts';

// Whole servers start here, more than once: on a busy machine that takes minutes.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let dataDir: string;
let server: ServerProcess | undefined;
afterEach(async () => {
  await server?.kill();
  await rm(dataDir, { recursive: true, force: true });
});

test('[CU-12] a node that ends is not ready first and still serves; kept-alive connections close after their answer', async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-drain-'));
  const node = await startServerProcess({ dataDir, environment: { DEMO: 'false', DRAIN_NOTICE_MS: '120000' } });
  server = node;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = (path: string) =>
    new Promise<{ status: number | undefined; connection: string | undefined; body: string }>((resolve, reject) => {
      request(`${node.url}${path}`, { agent }, (answer) => {
        const { statusCode: status, headers } = answer;
        void text(answer).then((body) => resolve({ status, connection: headers.connection, body }));
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['/viewer/', '/api/v1/livestreams']) {
    expect(await get(path)).toMatchObject({ status: 200, connection: 'keep-alive' });
  }
  node.signal('SIGTERM');
  await until(async () => (await get('/readyz')).status === 503, 'not ready');
  expect(JSON.parse((await get('/readyz')).body)).toMatchObject({ ready: false, draining: true });
  for (const path of ['/viewer/', '/api/v1/livestreams', '/healthz']) {
    expect(await get(path)).toMatchObject({ status: 200, connection: 'close' });
  }
  agent.destroy();
});
