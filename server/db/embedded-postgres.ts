import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ClientConfig } from 'pg';
import { lockFolder } from './folder-lock.ts';
import type { PgliteReply, PgliteSettings } from './pglite-worker.ts';

export type EmbeddedPostgres = {
  readonly connection: ClientConfig;
  readonly url: string;
  /** Idempotent. Ends the worker and gives the folder back. */
  close(): Promise<void>;
};

const severalProcesses = 'Several processes need PostgreSQL: set DATABASE_URL, or run npm run cluster.';

/** Starts PGlite in a worker thread, behind a socket of its own. `folder` null: in memory. `onLost`: the worker died by itself. */
export async function startEmbeddedPostgres(
  folder: string | null,
  onLost: (error: Error) => void,
): Promise<EmbeddedPostgres> {
  const unlock = folder === null ? () => undefined : await lockFolder(folder, severalProcesses);
  const socket = makeSocketFolder(folder);
  const settings: PgliteSettings = {
    folder: folder === null ? null : join(folder, 'database'),
    socketPath: socket === null ? null : join(socket, '.s.PGSQL.5432'),
  };
  const release = () => {
    if (socket !== null) rmSync(socket, { recursive: true, force: true });
    unlock();
  };
  let worker: Worker;
  let port: number;
  try {
    worker = startWorker(settings);
    port = await untilReady(worker);
  } catch (error) {
    release();
    throw error;
  }

  let closed: Promise<void> | undefined;
  worker.once('error', (error: Error) => onLost(error));
  worker.once('exit', () => {
    if (closed === undefined) onLost(new Error('The embedded database has ended by itself'));
  });
  const host = socket ?? '127.0.0.1';
  return {
    connection: { host, port, user: 'postgres', database: 'postgres', ssl: false },
    url:
      socket === null
        ? `postgresql://postgres@127.0.0.1:${port}/postgres`
        : `postgresql://postgres@localhost:${port}/postgres?host=${encodeURIComponent(socket)}`,
    close() {
      closed ??= stop(worker).finally(release);
      return closed;
    },
  };
}

/** Only this user may reach the socket. null: no Unix sockets here, a free port of the loopback address instead. */
function makeSocketFolder(folder: string | null): string | null {
  if (process.platform === 'win32') return null;
  // The driver takes a host for a socket only if it begins with a slash.
  const near = folder === null ? null : resolve(folder, 'socket');
  // The kernel takes 107 bytes of path (103 on macOS).
  if (near === null || Buffer.byteLength(near) > 80) return mkdtempSync(join(tmpdir(), 'stockcast-'));
  rmSync(near, { recursive: true, force: true });
  mkdirSync(near, { recursive: true });
  chmodSync(near, 0o700);
  return near;
}

/** Node ≥ 22.18 strips types by itself, also in workers. Before, the thread registers tsx first: `--import` does not reach workers there. */
function startWorker(workerData: PgliteSettings): Worker {
  const file = new URL('pglite-worker.ts', import.meta.url);
  if ((process.features as { typescript?: unknown }).typescript) return new Worker(file, { workerData, execArgv: [] });
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api')).href.replace(/cjs$/, 'mjs');
  const start = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(file.href)}); })`;
  return new Worker(start, { eval: true, workerData, execArgv: [] });
}

function untilReady(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      void worker.terminate();
      reject(new Error(`The embedded database did not start: ${error.message}`, { cause: error }));
    };
    const exited = () => fail(new Error('its thread ended'));
    worker.once('error', fail);
    worker.once('exit', exited);
    worker.once('message', (reply: PgliteReply) => {
      worker.off('error', fail);
      worker.off('exit', exited);
      if (reply.kind === 'ready') resolve(reply.port);
      else fail(new Error(reply.kind === 'failed' ? reply.message : reply.kind));
    });
  });
}

async function stop(worker: Worker): Promise<void> {
  await new Promise<void>((resolve) => {
    // A database that cannot close is like one whose process was killed: its files survive that.
    const impatient = setTimeout(resolve, 5_000);
    worker.once('message', () => {
      clearTimeout(impatient);
      resolve();
    });
    worker.once('exit', () => {
      clearTimeout(impatient);
      resolve();
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage('close');
  });
  await worker.terminate();
}
