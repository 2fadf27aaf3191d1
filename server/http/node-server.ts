import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { wireError } from '../../contract/errors.ts';
import { errorAnswer, jsonHeaders } from './api-answer.ts';

/** The node:http server with limits that no slow or endless request gets past. */
export function createNodeServer(listener: RequestListener): Server {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      // Above the 60 s at which usual load balancers give up an idle connection: they must be the first to close.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 16_384,
    },
    listener,
  );
  server.maxHeadersCount = 100;
  // What is not HTTP at all still gets the one shape of an error.
  server.on('clientError', (_error, socket) => {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const { status, body } = errorAnswer(
      wireError('bad_request', { issues: [{ path: '', message: 'this is not an HTTP request' }] }),
      'none',
    );
    const text = JSON.stringify(body);
    const head = Object.entries({ ...jsonHeaders, 'content-length': Buffer.byteLength(text), connection: 'close' });
    socket.end(
      `HTTP/1.1 ${status} Bad Request\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`,
    );
  });
  return server;
}

/** Listens; resolves with the port, which is the system's choice for 0. Rejects when the address is taken. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Accepts nothing new, lets requests under way finish for `graceMs`, then cuts what is left. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = new AbortController();
  const late = wait(graceMs, undefined, { signal: timer.signal }).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  timer.abort();
  await late;
}
