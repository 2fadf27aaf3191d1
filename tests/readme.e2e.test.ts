import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const readyWithinMs = 90_000;
const saidWithinMs = 20_000;

let dataDir = '';
let server: ChildProcess;
let environment: NodeJS.ProcessEnv = {};
let readme = '';

beforeAll(async () => {
  readme = await readFile('README.md', 'utf8');
  // Relative, as the default is.
  dataDir = relative(process.cwd(), await mkdtemp(join(tmpdir(), 'stockcast-readme-')));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  // oxlint-disable-next-line no-process-env -- what a reader's shell has, and the server's settings for this test
  environment = { ...process.env, BASE: base, DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'warn', NODE_ENV: '' };
  server = spawn(process.execPath, ['--import', 'tsx', 'server/main.ts'], { env: environment, stdio: 'inherit' });
  await untilReady(`${base}/readyz`);
});

afterAll(async () => {
  await stop(server);
  await rm(dataDir, { recursive: true, force: true });
});

test('[TD-17] the examples of the README run as they stand', async () => {
  const script = blocksOf('bash').join('\n');
  expect(script).toContain('curl');
  const { output, code } = await run('bash', ['-euo', 'pipefail', '-c', `${script}\necho "BUYER=$BUYER"`]);
  expect(code, output).toBe(0);
  const lines = output.split('\n');
  expect(lines).toContain('duplicate');
  expect(lines).toContain('paid');
  expect(output).toMatch(/"available": ?50/);

  const [program = ''] = blocksOf('js');
  const BUYER = lines.find((line) => line.startsWith('BUYER='))?.slice('BUYER='.length) ?? '';
  const example = spawn(process.execPath, ['--input-type=module'], {
    env: { ...environment, BUYER },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    example.stdin.end(program);
    await said(example, [/^item 0: 59 left$/, /^accepted: pay at \S+$/, /^item 0: 58 left$/]);
    // Quiet for longer than the 2 s in which a frame has to be acknowledged: the example hears of what comes after it.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const later = run('bash', ['-euo', 'pipefail', '-c', orderOfAnother()]);
    await Promise.all([later, said(example, [/^item 0: 57 left$/])]);
    expect((await later).output).toContain('accepted');
  } finally {
    await stop(example);
  }
});

/** One more buyer of the README's livestream, in the words of the README. */
function orderOfAnother(): string {
  const [helpers = ''] = blocksOf('bash');
  return `${helpers}
    BUYER=$(api POST /livestreams/friday/tokens "$SERVICE" '{"role": "viewer", "buyerId": "buyer-3"}' | field token)
    api POST /livestreams/friday/orders "$BUYER" '{"idempotencyKey": "cart-20260003", "lines": [{"skuId": "hoodie-black-l", "quantity": 1}]}'`;
}

/** The fenced blocks of one language, in order. */
function blocksOf(language: string): readonly string[] {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, code = '']) => code,
  );
  expect(blocks.length, `blocks of ${language} in the README`).toBeGreaterThan(0);
  return blocks;
}

/** Output and error output together, as a reader's terminal would show them. */
async function run(command: string, args: readonly string[]): Promise<{ output: string; code: number | null }> {
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  return { output, code };
}

/** Resolves when the process has printed a line for each of the patterns: a level may overtake the answer to the order that changed it. */
function said(child: ChildProcess, patterns: readonly RegExp[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string) => reject(new Error(`${why} without saying ${patterns.join(', ')}:\n${output}`));
    const timer = setTimeout(() => fail(`running for ${saidWithinMs} ms`), saidWithinMs);
    child.once('close', () => fail('ended'));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const lines = output.split('\n');
      if (!patterns.every((pattern) => lines.some((line) => pattern.test(line)))) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function untilReady(url: string): Promise<void> {
  const deadlineMs = Date.now() + readyWithinMs;
  while (Date.now() < deadlineMs) {
    const status = await fetch(url).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not ready within ${readyWithinMs} ms`);
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
