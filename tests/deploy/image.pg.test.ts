import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../server/private-servers/find-programs.ts';
import { until } from '../cluster/sale.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { startRedisServer, type TestRedis } from '../services/redis-server.ts';
import { copyOf, type Instruction, stagesOf } from './dockerfile.ts';

// Whole servers start here, more than once: on a busy machine that takes minutes.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

/**
 * The Dockerfile without Docker: its COPY and RUN lines are carried out in folders, stage by stage, and its CMD is started from what the last
 * one copied. So what the image lacks is missing here too.
 */

const workdir = '/stockcast';
let folder: string;
let postgres: TestPostgres;
let redis: TestRedis;
beforeAll(async () => {
  mkdirSync('.cache', { recursive: true });
  folder = mkdtempSync(resolve('.cache/image-'));
  [postgres, redis] = await Promise.all([startPostgresServer(), startRedisServer()]);
});
afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

function carryOut(stage: string, instructions: readonly Instruction[]): string {
  const root = join(folder, stage);
  mkdirSync(root);
  for (const instruction of instructions) {
    if (instruction.name === 'COPY') copyInto(root, instruction);
    // What makes folders for other users belongs to the image's system.
    if (instruction.name === 'RUN' && /^(npm|node) /.test(instruction.rest)) run(root, instruction.rest);
  }
  return root;
}

function copyInto(root: string, instruction: Instruction): void {
  const { from, sources, target } = copyOf(instruction);
  for (const source of sources) {
    const path = from === null ? source : join(folder, from, source.replace(`${workdir}/`, ''));
    // A folder's content goes into the target; a file goes into a target that ends with a slash.
    const to = join(
      root,
      target === './' || target.endsWith('/') ? join(target, source.split('/').at(-1) ?? '') : target,
    );
    cpSync(path, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (each) => !/\.(test|contract)\.tsx?$/.test(each),
    });
  }
}

function run(root: string, command: string): void {
  execFileSync('/bin/sh', ['-c', command], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // oxlint-disable-next-line no-process-env -- where programs are
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', npm_config_prefer_offline: 'true' },
  });
}

test('[CU-14] what the image holds is enough to serve pages, migrate, and stop at a signal; nothing of development is in it', async () => {
  const stages = stagesOf('Dockerfile');
  for (const [name, instructions] of stages) carryOut(name, instructions);
  const root = join(folder, 'final');
  const modules = readdirSync(join(root, 'node_modules'));
  for (const absent of ['vitest', 'typescript', 'playwright-core', 'vite', 'prisma', 'oxlint']) {
    expect(modules).not.toContain(absent);
  }
  expect(existsSync(join(root, 'tests'))).toBe(false);

  const port = await freePort();
  const [, ...args] = JSON.parse(stages.get('final')?.find(({ name }) => name === 'CMD')?.rest ?? '') as string[];
  const server = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      // oxlint-disable-next-line no-process-env -- where programs are
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: join(folder, 'data'),
      REDIS_URL: redis.url,
      DATABASE_URL: await postgres.createDatabase(),
      SESSION_SECRET: 'a-secret-that-only-the-tests-know-0123456789',
      PAYMENT_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    },
  });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const closed = once(server, 'close');
  const at = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  await until(async () => {
    if (server.exitCode !== null) throw new Error(`it ended with ${server.exitCode}: ${said}`);
    return at('/readyz').then(
      ({ ok }) => ok,
      () => false,
    );
  }, 'ready');
  for (const page of [
    '/',
    '/viewer/',
    '/anchor/',
    '/operator/',
    '/docs',
    '/api/v1/openapi.json',
    '/client/stockcast-client.js',
  ]) {
    expect((await at(page)).status, page).toBe(200);
  }
  const scripts = [...(await (await at('/viewer/')).text()).matchAll(/src="(\/assets\/[^"]+)"/g)];
  expect(scripts.length).toBeGreaterThan(0);
  for (const [, script = ''] of scripts) expect((await at(script)).status).toBe(200);
  server.kill('SIGTERM');
  expect((await closed)[0], said).toBe(0);
});
