import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { findProgram, freePort } from '../../server/private-servers/find-programs.ts';
import { startSale, until } from '../cluster/sale.ts';
import { type Browser, launchChromium } from '../services/chromium.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';

// Whole servers start here, more than once: on a busy machine that takes minutes.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

/** `deploy/nginx.conf` with a real nginx, in front of two real nodes. */

let postgres: TestPostgres;
let redis: TestRedis;
let nodes: ServerProcess[] = [];
let nginx: Awaited<ReturnType<typeof startNginx>>;
const folder = mkdtempSync(join(tmpdir(), 'stockcast-nginx-'));
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
  const databaseUrl = await postgres.createDatabase();
  const node = (name: string) =>
    startServerProcess({
      dataDir: join(folder, name),
      redisUrl: redis.url,
      databaseUrl,
      environment: { TRUST_PROXY: '1' },
    });
  nodes = await Promise.all([node('a'), node('b')]);
  nginx = await startNginx(nodes.map(({ url }) => new URL(url).host));
});
afterAll(async () => {
  await nginx?.stop();
  await Promise.all(nodes.map((node) => node.stop()));
  await Promise.all([postgres?.stop(), redis?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

async function startNginx(upstreams: readonly string[]) {
  // oxlint-disable-next-line no-process-env -- tests look for installed programs
  const program = findProgram(['nginx'], process.env['PATH'] ?? '');
  if (program === null) throw new Error('nginx is not installed; run: node tools/prepare-test-services.mjs');
  const port = await freePort();
  let names = 0;
  const original = readFileSync('deploy/nginx.conf', 'utf8');
  const config = original
    .replace(/listen 8080 /, () => `listen 127.0.0.1:${port} `)
    .replaceAll(/server app-\d:3000 /g, () => `server ${upstreams[names++ % upstreams.length]} `)
    // One client address is all that there is here: spread by what a test says instead, so that both nodes get some.
    .replace('hash $remote_addr consistent;', 'hash $remote_addr$http_x_test_client$arg_client consistent;')
    .replace(/worker_rlimit_nofile .*;/, '')
    .replace('worker_connections 65536;', 'worker_connections 2048;')
    .replace('access_log off;', `access_log off; ${ownFolders(folder)}`);
  expect(names).toBe(2);
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, config);
  const args = [
    '-p',
    folder,
    '-c',
    file,
    '-e',
    'stderr',
    '-g',
    `daemon off; pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'error.log')} warn;`,
  ];
  const check = spawn(program, [...args, '-t'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [said, [code]] = await Promise.all([text(check.stderr), once(check, 'close')]);
  expect(code, said).toBe(0);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'nginx answers',
  );
  return {
    url,
    async stop() {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** Packages put these under /var, where only root may write. */
const ownFolders = (place: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(place, name)};`)
    .join(' ');

const token = (grant: Parameters<ServerProcess['token']>[0]) => {
  const [node] = nodes;
  if (node === undefined) throw new Error('no node');
  return node.token(grant);
};

test('[CU-15] sockets by WebSocket, by long polling and by change from one to the other work through it', async () => {
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    for (const client of ['1', '2', '3', '4']) {
      const socket = io(nginx.url, {
        transports,
        forceNew: true,
        query: { client },
        auth: { token: await token({ role: 'viewer', livestreamId: 'demo' }) },
      });
      await once(socket as never, 'connect');
      const joined = await socket
        .timeout(30_000)
        .emitWithAck('livestream:join', { livestreamId: 'demo', lane: 'viewers', protocolVersion: PROTOCOL_VERSION });
      expect(joined.ok).toBe(true);
      await until(() => socket.io.engine.transport.name === transports.at(-1), 'the last transport');
      socket.disconnect();
    }
  }
});

/** As behind a proxy that lets none through: the connection fails a moment later. */
function blockWebSockets(): void {
  globalThis.WebSocket = class extends WebSocket {
    constructor() {
      super('ws://127.0.0.1:1');
    }
  };
}

test('[CU-15] the viewer page works in a browser, by WebSocket and where only long polling gets through', async () => {
  const browser: Browser = await launchChromium();
  try {
    for (const isBlocked of [false, true]) {
      const context = await browser.visit();
      if (isBlocked) await context.addInitScript(blockWebSockets);
      const page = await context.newPage();
      const polls: string[] = [];
      page.on('request', (sent) => {
        if (sent.url().includes('transport=polling')) polls.push(sent.url());
      });
      await page.goto(`${nginx.url}/viewer/?livestream=demo`);
      await page.locator('[data-status]:not([data-status=loading])').first().waitFor({ timeout: 60_000 });
      expect(polls.length > 0).toBe(isBlocked);
      await context.close();
    }
  } finally {
    await browser.close();
  }
});

test('[CU-15] limits see the client, not nginx; /metrics is not for the world; a request keeps its id', async () => {
  expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404);
  const [answer, again] = await Promise.all([fetch(`${nginx.url}/healthz`), fetch(`${nginx.url}/healthz`)]);
  const ids = [answer, again].map(({ headers }) => headers.get('x-request-id') ?? '');
  expect(ids.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(2);
});

test('[CU-11][CU-12] one node after the other is stopped and started in a running sale: nothing is lost, everybody moves', async () => {
  const sale = await startSale(
    { url: nginx.url, token },
    { livestreamId: 'behind-nginx', units: 50_000, httpBuyers: 5, socketBuyers: 3, viewers: 20 },
  );
  for (const node of nodes) {
    await sale.more(60);
    const { code } = await node.stop();
    expect(code, node.output()).toBe(0);
    await sale.more(60);
    await node.restart();
  }
  const [first] = nodes;
  await first?.kill();
  await sale.more(60);
  await first?.restart();
  expect(await sale.finish()).toEqual([]);
});
