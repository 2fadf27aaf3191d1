import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const MARK = 'STOCKCAST_TEST_RUN';
const GRACE_MS = 3_000;

const run = randomUUID();

/**
 * Every process that the tests start (servers, Redis, PostgreSQL, browsers) inherits a mark in its environment. One that is still there
 * when the last test is over was not stopped by the test that started it: it is named, ended, and the run fails.
 * Needs /proc, so it looks on Linux only.
 */
export function setup(): void {
  // oxlint-disable-next-line no-process-env -- children inherit the environment; that is the whole mechanism
  process.env[MARK] = run;
}

export async function teardown(): Promise<void> {
  if (!existsSync('/proc/self/environ')) return;
  const deadlineMs = Date.now() + GRACE_MS;
  while (processesOfRun().length > 0 && Date.now() < deadlineMs) await new Promise((done) => setTimeout(done, 100));
  const left = processesOfRun();
  if (left.length === 0) return;
  for (const { pid } of left) endProcess(pid);
  process.exitCode = 1;
  throw new Error(`Left running by the tests:\n${left.map(({ pid, command }) => `  ${pid} ${command}`).join('\n')}`);
}

function processesOfRun(): readonly { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
    // The runner's own workers end after this; a process that is ending already has no command any more.
    if (command === '' || command.includes('vitest')) continue;
    if (read(`/proc/${name}/environ`).includes(`${MARK}=${run}`)) found.push({ pid, command: command.slice(0, 160) });
  }
  return found;
}

/** Processes come and go, and some are not ours to read: both are as good as not there. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended since it was listed.
  }
}
