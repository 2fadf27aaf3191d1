import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { type ServerProcess, startServerProcess } from '../services/server-process.ts';
import { startSale, until } from './sale.ts';

// Whole servers start here, more than once: on a busy machine that takes minutes.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let dataDir: string;
let cluster: ServerProcess;
const sockets: Socket[] = [];
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stockcast-cluster-'));
  cluster = await startServerProcess({ dataDir, workers: 2 });
});
afterAll(async () => {
  for (const socket of sockets) socket.disconnect();
  await cluster?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs `npm run cluster -- …` beside it, as its script is written. */
async function runCluster(...args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/cluster.ts', ...args], {
    // oxlint-disable-next-line no-process-env -- what a shell has
    env: { ...process.env, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn' },
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, said: out + err };
}

/** Process ids of the workers as the log of the primary tells them, newest of each place last. */
const workersSaid = (): string[] => [...cluster.output().matchAll(/worker \d: pid (\d+)/g)].map(([, pid = '']) => pid);

const metrics = async (): Promise<string> => (await fetch(`${cluster.url}/metrics`)).text();

/** A client of other people's, as socket.io-client comes. */
async function joinDemo(options: Parameters<typeof io>[1]): Promise<Socket> {
  const livestreamId = 'demo';
  const token = await cluster.token({ role: 'viewer', livestreamId });
  const socket = io(cluster.url, { ...options, auth: { token }, forceNew: true });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  const joined = await socket
    .timeout(30_000)
    .emitWithAck('livestream:join', { livestreamId, lane: 'viewers', protocolVersion: PROTOCOL_VERSION });
  expect(joined.ok).toBe(true);
  return socket;
}

test('[CU-5] it says who listens where, and opens the demo', async () => {
  const said = cluster.output();
  for (const line of [/Redis: 127\.0\.0\.1:\d+ · .* pid \d+/, /PostgreSQL: 127\.0\.0\.1:\d+\/stockcast · .* pid \d+/]) {
    expect(said).toMatch(line);
  }
  expect(said).toMatch(/workers \(pid\): 1 = \d+ · 2 = \d+ · 主进程 primary: \d+/);
  const [, link = ''] = /viewer: +(\S+)/.exec(said) ?? [];
  expect((await fetch(link)).status).toBe(200);
  expect(said.match(/database migrated/g)?.length ?? 0).toBeLessThanOrEqual(1);
});

test('[CU-2] a second cluster on the same folder is refused with a sentence', async () => {
  const { code, said } = await runCluster('--workers', '1');
  expect(code).toBe(1);
  expect(said).toMatch(/Another Stockcast process \(process \d+ on .*\) is using .*cluster\. Stop it first/);
});

test('[CU-9] sessions by long polling live in one worker, whichever connection and worker a request comes to', async () => {
  const joined = await Promise.all(
    Array.from({ length: 8 }, () => joinDemo({ transports: ['polling'], upgrade: false })),
  );
  expect(joined.every((socket) => socket.io.engine.transport.name === 'polling')).toBe(true);
  const owners = new Set(
    joined.map((socket) => /^w(\d+)\./.exec(String((socket.io.engine as { id?: string }).id))?.[1]),
  );
  expect(owners.size).toBe(2);
  let lost = 0;
  for (const socket of joined) socket.on('disconnect', () => (lost += 1));
  for (let round = 0; round < 20; round += 1) {
    const answers = await Promise.all(
      joined.map((socket) =>
        socket
          .timeout(30_000)
          .emitWithAck('livestream:join', { livestreamId: 'demo', lane: 'viewers', protocolVersion: PROTOCOL_VERSION }),
      ),
    );
    // Too often is refused by the worker that knows the session: it was reached all the same.
    expect(answers.every(({ ok, error }) => ok || error.code === 'rate_limited')).toBe(true);
  }
  expect(lost).toBe(0);
});

test('[CU-9] a session that began by long polling becomes a WebSocket, whichever worker the upgrade comes to', async () => {
  const joined = await Promise.all(Array.from({ length: 8 }, () => joinDemo({ transports: ['polling', 'websocket'] })));
  await until(() => joined.every((socket) => socket.io.engine.transport.name === 'websocket'), 'all upgraded');
  for (const socket of joined) {
    const left = await socket.timeout(30_000).emitWithAck('livestream:leave', { livestreamId: 'demo' });
    expect(left.ok).toBe(true);
  }
});

test('[CU-9] one kept-alive connection may carry requests of any session, pages and orders', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = (path: string) =>
    new Promise<{ status: number; body: string; port: number }>((resolve, reject) => {
      const sent = request(`${cluster.url}${path}`, { agent }, (answer) => {
        void text(answer).then((body) =>
          resolve({ status: answer.statusCode ?? 0, body, port: sent.socket?.localPort ?? 0 }),
        );
      });
      sent.on('error', reject).end();
    });
  const ports = new Set<number>();
  const sids: string[] = [];
  for (let number = 0; number < 6; number += 1) {
    // Each handshake on a connection of its own, so that both workers have some; everything after them on one.
    const opened = await (
      await fetch(`${cluster.url}/socket.io/?EIO=4&transport=polling`, { headers: { connection: 'close' } })
    ).text();
    sids.push(JSON.parse(opened.slice(1)).sid);
  }
  expect(new Set(sids.map((sid) => sid.split('.')[0])).size).toBe(2);
  for (const sid of sids) {
    const page = await get('/viewer/');
    const unknown = await get(`/socket.io/?EIO=4&transport=polling&sid=${sid.slice(0, -1)}_`);
    ports.add(page.port);
    expect([page.status, unknown.status]).toEqual([200, 400]);
    const posted = await fetch(`${cluster.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
      method: 'POST',
      body: '40{"token":"不是令牌"}',
    });
    expect([posted.status, await posted.text()]).toEqual([200, 'ok']);
    const polled = await get(`/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    ports.add(polled.port);
    expect(polled.body).toContain('unauthorized');
  }
  expect(ports.size).toBe(1);
  agent.destroy();
  expect(await (await fetch(`${cluster.url}/socket.io/?EIO=4&transport=polling&sid=w999.x`)).json()).toMatchObject({
    code: 1,
  });
});

test('[CU-10] /metrics of any worker shows all of them, each under its label, and the cluster', async () => {
  for (let round = 0; round < 4; round += 1) {
    const shown = await metrics();
    for (const worker of [1, 2])
      expect(shown).toMatch(new RegExp(`^stockcast_sockets\\{worker="${worker}"\\} \\d+$`, 'm'));
    expect(shown).toMatch(/^stockcast_cluster_workers 2$/m);
    expect(shown.match(/^# TYPE stockcast_sockets gauge$/gm)).toHaveLength(1);
  }
});

test('[CU-6] a killed worker is replaced, and the other one serves meanwhile', async () => {
  const [victim] = workersSaid().slice(-2);
  process.kill(Number(victim), 'SIGKILL');
  await until(
    async () => /^stockcast_cluster_worker_restarts_total 1$/m.test(await metrics().catch(() => '')),
    'replaced',
  );
  expect((await fetch(`${cluster.url}/readyz`)).status).toBe(200);
  await until(async () => /^stockcast_cluster_workers 2$/m.test(await metrics()));
});

test('[CU-7][CU-11] a rolling restart in a running sale: no order is lost or doubled, every viewer ends on the truth', async () => {
  const before = workersSaid().slice(-2);
  const sale = await startSale(cluster, {
    livestreamId: 'rolling',
    units: 50_000,
    httpBuyers: 6,
    socketBuyers: 4,
    viewers: 30,
  });
  await sale.more(100);
  const { code, said } = await runCluster('reload');
  expect([code, said]).toEqual([0, expect.stringContaining('done')]);
  await sale.more(100);
  expect(await sale.finish()).toEqual([]);
  const after = workersSaid().slice(-2);
  expect(new Set([...before, ...after]).size).toBe(4);
  for (const pid of before)
    expect(existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '').toBe(false);
});

test('[CU-2][CU-8] kill -9 of the primary loses nothing; the next start finds everything, and stops with code 0', async () => {
  const sale = await startSale(cluster, {
    livestreamId: 'killed',
    units: 50_000,
    httpBuyers: 4,
    socketBuyers: 2,
    viewers: 3,
  });
  await sale.more(50);
  await cluster.kill();
  await cluster.restart();
  await sale.more(50);
  expect(await sale.finish()).toEqual([]);
  const { code } = await cluster.stop();
  expect(code, cluster.output()).toBe(0);
});
