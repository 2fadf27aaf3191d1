import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Grant } from '../../contract/access.ts';
import { createAccessControl } from '../../server/auth/token-access-control.ts';
import { systemClock } from '../../server/lib/clock.ts';

const sessionSecret = 'a-secret-that-only-the-tests-know-0123456789';
export const paymentWebhookSecret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

const readyWithinMs = 600_000;

export type ServerProcess = {
  readonly url: string;
  readonly pid: number;
  /** A token signed with the server's secret. */
  token(grant: Partial<Grant> & Pick<Grant, 'role'>): Promise<string>;
  /** SIGKILL: nothing is said, nothing is saved. */
  kill(): Promise<void>;
  /** Stops answering without closing a connection (SIGSTOP), as a hung machine does. */
  pause(): void;
  resume(): void;
  /** The same server again: same port, same folder, same secrets. Rejects if it ends before it is ready. */
  restart(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM; resolves with the exit code and how long it took. */
  stop(): Promise<{ code: number | null; tookMs: number }>;
  output(): string;
};

/**
 * Runs `server/main.ts` as a process of its own, as `npm start` does, and waits until it is ready; with `workers`, `server/cluster.ts`, as
 * `npm run cluster` does, until all of them are.
 */
export async function startServerProcess(settings: {
  dataDir: string;
  redisUrl?: string;
  databaseUrl?: string;
  workers?: number;
  environment?: Record<string, string>;
  /** Another copy of the project; default: this one. */
  root?: string;
  /** For `node` itself, before the program. */
  nodeArguments?: readonly string[];
}): Promise<ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const access = createAccessControl({ secret: sessionSecret, secureCookies: false, clock: systemClock });
  const environment: Record<string, string> = {
    // oxlint-disable-next-line no-process-env -- what a shell has
    ...(process.env as Record<string, string>),
    NODE_ENV: '',
    PORT: String(port),
    DATA_DIR: settings.dataDir,
    SESSION_SECRET: sessionSecret,
    PAYMENT_WEBHOOK_SECRET: paymentWebhookSecret,
    SESSIONS_PER_IP_PER_MINUTE: '100000',
    SOCKETS_PER_IP_MAX: '100000',
    ORDERS_PER_BUYER_PER_MINUTE: '1000000',
    LOG_LEVEL: 'warn',
    REDIS_URL: settings.redisUrl ?? '',
    DATABASE_URL: settings.databaseUrl ?? '',
    ...settings.environment,
  };
  let output = '';
  let child: ChildProcess;
  const { workers } = settings;
  const program = workers === undefined ? ['server/main.ts'] : ['server/cluster.ts', '--workers', String(workers)];
  const launch = async () => {
    const saidBefore = output.length;
    child = spawn(process.execPath, [...(settings.nodeArguments ?? []), '--import', 'tsx', ...program], {
      cwd: settings.root,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    await untilReady(url, child, () => output);
    while (workers !== undefined && !output.slice(saidBefore).includes('rolling restart:')) {
      if (child.exitCode !== null) throw new Error(`the cluster ended with ${child.exitCode}:\n${output}`);
      await wait(50);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
    return child.exitCode;
  };
  await launch();
  return {
    url,
    get pid() {
      return child.pid ?? 0;
    },
    token: (grant) => access.issue({ livestreamId: null, buyerId: null, deviceId: null, ...grant }, 3_600_000),
    kill: async () => void (await end('SIGKILL')),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    restart: launch,
    signal: (signal) => void child.kill(signal),
    async stop() {
      const startedAtMs = Date.now();
      const code = await end('SIGTERM');
      return { code, tookMs: Date.now() - startedAtMs };
    },
    output: () => output,
  };
}

async function untilReady(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadlineMs = Date.now() + readyWithinMs;
  while (Date.now() < deadlineMs) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (ready) return;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}:\n${output()}`);
    }
    await wait(50);
  }
  throw new Error(`not ready within ${readyWithinMs} ms:\n${output()}`);
}

async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const closed = once(listener, 'close');
  listener.close();
  await closed;
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
