import cluster from 'node:cluster';
import { IncomingMessage, type RequestListener, Server, STATUS_CODES } from 'node:http';
import type { Server as Listener } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { type ErrorCode, wireError } from '../../contract/errors.ts';
import { CannotStart } from '../lib/cannot-start.ts';
import { errorAnswer, jsonHeaders } from './api-answer.ts';
import { openFurtherListeners } from './further-listeners.ts';

const headerBytesMax = 16_384;

/**
 * Connections that may wait to be accepted; the system has a bound of its own (4,096 on Linux). Node's 511 are not enough for thousands who
 * come at the same instant: whoever finds the line full tries again after 1, 3, 7 seconds.
 */
const backlog = 16_384;

/**
 * Only a WebSocket is an upgrade here. As soon as anybody listens for upgrades, Node takes every offer for one, and whoever merely offers
 * HTTP/2 in clear (Java's own client, `curl --http2`) would never get an answer; who offers may be answered in HTTP/1.1.
 */
class Http1Message extends IncomingMessage {
  /** No private field: Node's constructor sets `upgrade` before the fields of a subclass exist. */
  declare offered: boolean | null;
  set upgrade(offered: boolean | null) {
    this.offered = offered;
  }
  get upgrade(): boolean | null {
    if (this.offered !== true || this.method === 'CONNECT') return this.offered;
    return this.headers.upgrade?.toLowerCase() === 'websocket';
  }
}

/** Lets many in at once: its connections come over several listeners of one address. */
class NodeServer extends Server {
  readonly #further: Listener[] = [];

  /** Of a server that listens. A worker of a cluster is given its connections by the primary, one in each turn. */
  async openFurther(): Promise<void> {
    if (cluster.isWorker) return;
    const further = await openFurtherListeners(this, backlog, (socket) => this.emit('connection', socket));
    if (this.listening) this.#further.push(...further);
    else for (const listener of further) listener.close();
  }

  override close(closed?: (error?: Error) => void): this {
    let open = this.#further.length + 1;
    let failure: Error | undefined;
    const one = (error?: Error) => {
      failure ??= error;
      open -= 1;
      if (open === 0) closed?.(failure);
    };
    for (const listener of this.#further.splice(0)) listener.close(one);
    return super.close(one);
  }
}

/** The node:http server with limits that no slow or endless request gets past. */
export function createNodeServer(listener: RequestListener): NodeServer {
  const server = new NodeServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      // Above the 60 s at which usual load balancers give up an idle connection: they must be the first to close.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: headerBytesMax,
      IncomingMessage: Http1Message,
    },
    listener,
  );
  server.maxHeadersCount = 100;
  // What is not HTTP at all still gets the one shape of an error.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const { code, message } = misunderstood[error.code ?? ''] ?? notHttp;
    const { status, body } = errorAnswer(wireError(code, { issues: [{ path: '', message }] }), 'none');
    const text = JSON.stringify(body);
    const head = Object.entries({ ...jsonHeaders, 'content-length': Buffer.byteLength(text), connection: 'close' });
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`,
    );
  });
  return server;
}

const notHttp = { code: 'bad_request', message: 'this is not an HTTP request' } as const;
const misunderstood: Readonly<Record<string, { code: ErrorCode; message: string }>> = {
  HPE_HEADER_OVERFLOW: { code: 'payload_too_large', message: `headers may have ${headerBytesMax} bytes in all` },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'bad_request', message: 'the request did not arrive in time' },
};

/** Listens; resolves with the port, which is the system's choice for 0. Rejects, with a sentence for people, when the address is taken. */
export async function listen(server: Server, port: number, host: string): Promise<number> {
  const given = await listenFirst(server, port, host);
  if (server instanceof NodeServer) await server.openFurther();
  return given;
}

function listenFirst(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(
        error.code === 'EADDRINUSE'
          ? new CannotStart(`Port ${port} of ${host} is taken by another program; choose another one: PORT=${port + 1}`)
          : error,
      );
    server.once('error', fail);
    server.listen({ port, host, backlog }, () => {
      server.off('error', fail);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Accepts nothing new and closes kept-alive connections that rest. Resolves when the last connection is gone. */
export function stopAccepting(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  return closed;
}

/** Accepts nothing new, lets requests under way finish for `graceMs`, then cuts what is left. `closed`: of a stop that has begun already. */
export async function closeServer(server: Server, graceMs: number, closed = stopAccepting(server)): Promise<void> {
  const timer = new AbortController();
  const late = wait(graceMs, undefined, { signal: timer.signal }).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  timer.abort();
  await late;
}
