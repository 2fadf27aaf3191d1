import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

export type PgliteSettings = {
  /** Where the database's files are; null: in memory. */
  readonly folder: string | null;
  /** null: a free port of 127.0.0.1. */
  readonly socketPath: string | null;
};
/** Messages of the worker to its owner; the owner sends one message to close it. */
export type PgliteReply = { kind: 'ready'; port: number } | { kind: 'closed' } | { kind: 'failed'; message: string };

const port = parentPort;
if (port === null) throw new Error('pglite-worker.ts runs in a worker thread only');
const { folder, socketPath } = workerData as PgliteSettings;
const reply = (message: PgliteReply) => port.postMessage(message);
const failed = (error: unknown) =>
  reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });

try {
  const db = await (folder === null ? PGlite.create() : PGlite.create(folder));
  const server = new PGLiteSocketServer({
    db,
    ...(socketPath === null ? { host: '127.0.0.1', port: 0 } : { path: socketPath }),
    // The pool has one connection; more only overlap while it replaces a broken one.
    maxConnections: 8,
  });
  await server.start();
  port.once('message', () => {
    server
      .stop()
      .then(() => db.close())
      .then(() => reply({ kind: 'closed' }), failed);
  });
  reply({ kind: 'ready', port: socketPath === null ? Number(server.getServerConn().split(':').at(-1)) : 5432 });
} catch (error) {
  failed(error);
}
