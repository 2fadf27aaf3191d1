import { mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { type Server as HttpServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

/** The sockets by which the workers of one cluster reach each other: short paths, for their owner only. */
export function makeSocketFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stockcast-workers-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Begins the id of every session made by this worker; what follows is chance. */
const tagOf = (worker: number): string => `w${worker}.`;

/**
 * Long polling behind one address that several workers share. A connection goes to any worker; the session that a request is about lives in
 * one of them, and its id says in which: the others pass the request on to that worker. So kept-alive connections may carry anything, workers
 * come and go without a table of sessions, and requests that have no session (orders, pages, WebSockets) pay nothing.
 */
export type SharedSessions = {
  readonly tag: string;
  /** Puts itself before what answers `server` now, and opens the way for the other workers. Returns how to close it. */
  attach(server: HttpServer): Promise<() => Promise<void>>;
};

export function shareSessions(place: {
  readonly worker: number;
  /** The worker of the first place: what only one of them may do is done there. */
  readonly isFirst: boolean;
  readonly folder: string;
}): SharedSessions {
  const { worker, isFirst, folder } = place;
  const own = tagOf(worker);
  /** Path of the worker that owns the session of this request, or the replay of the demo; null: it is ours, or nobody's. */
  const elsewhere = (url: string | undefined): string | null => {
    if (url?.startsWith('/demo/api/')) return isFirst ? null : firstOf(folder);
    const owner = /^\/socket\.io\/\?(?:.*&)?sid=w(\d{1,9})\./.exec(url ?? '')?.[1];
    return owner === undefined || owner === String(worker) ? null : pathOf(folder, Number(owner));
  };
  return {
    tag: own,
    async attach(server) {
      const answerHere = takeOver(server, 'request') as (req: IncomingMessage, res: ServerResponse) => void;
      const upgradeHere = takeOver(server, 'upgrade') as (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
      server.on('request', (req, res) => {
        const owner = elsewhere(req.url);
        if (owner === null) answerHere(req, res);
        else passOn(owner, req, res, answerHere);
      });
      server.on('upgrade', (req, socket, head) => {
        const owner = elsewhere(req.url);
        if (owner === null) upgradeHere(req, socket, head);
        else joinWith(owner, { req, socket, head }, upgradeHere);
      });
      const close = await listenOn(pathOf(folder, worker), server);
      if (isFirst) becomeFirst(folder, worker);
      return close;
    },
  };
}

/** Connections of other workers are as good as our own. */
async function listenOn(path: string, server: HttpServer): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  const entrance = createServer((socket: Socket) => {
    open.add(socket.once('close', () => open.delete(socket)));
    server.emit('connection', socket);
  });
  // `exclusive`: node:cluster would share this one with the other workers too.
  await new Promise<void>((resolve, reject) => {
    entrance.once('error', reject);
    entrance.listen({ path, exclusive: true }, resolve);
  });
  return () =>
    new Promise((resolve) => {
      entrance.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
}

/** A link, not a socket of its own: the one who had the place before would take that away when it closes. */
function becomeFirst(folder: string, worker: number): void {
  const draft = join(folder, `first.${worker}`);
  symlinkSync(pathOf(folder, worker), draft);
  renameSync(draft, firstOf(folder));
}

const firstOf = (folder: string): string => join(folder, 'first.sock');
const pathOf = (folder: string, worker: number): string => join(folder, `${worker}.sock`);

/** Takes away what listens, and returns how to call it. */
function takeOver(server: HttpServer, event: 'request' | 'upgrade'): (...args: unknown[]) => void {
  const listeners = server.listeners(event);
  server.removeAllListeners(event);
  return (...args) => {
    for (const listener of listeners) listener.apply(server, args);
  };
}

/** Said by each side of a connection about itself; the other connection has its own. */
const ofTheConnection = new Set(['connection', 'keep-alive', 'transfer-encoding']);

function endToEnd(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, index) => !ofTheConnection.has((rawHeaders[index - (index % 2)] ?? '').toLowerCase()));
}

/** A worker that is gone knows nothing any more: then this one says so, and the client begins a new session. */
function passOn(
  owner: string,
  req: IncomingMessage,
  res: ServerResponse,
  answerHere: (req: IncomingMessage, res: ServerResponse) => void,
): void {
  // A connection of its own each time: none that the other side may just be closing, and workers end without waiting for idle ones.
  const there = request({
    agent: false,
    socketPath: owner,
    method: req.method,
    path: req.url,
    headers: endToEnd(req.rawHeaders),
  });
  let reached = false;
  there.on('socket', (socket) => {
    socket.once('connect', () => {
      reached = true;
      req.pipe(there);
    });
  });
  there.on('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders));
    answer.pipe(res);
    answer.on('error', () => res.destroy());
  });
  there.on('error', () => {
    if (reached) res.destroy();
    else answerHere(req, res);
  });
  // Who waits no longer must not be waited for there.
  res.on('close', () => there.destroy());
}

/** A session that began with long polling changes to a WebSocket: from then on both connections are one. */
function joinWith(
  owner: string,
  { req, socket, head }: { req: IncomingMessage; socket: Duplex; head: Buffer },
  upgradeHere: (req: IncomingMessage, socket: Duplex, head: Buffer) => void,
): void {
  const there = connect(owner);
  let reached = false;
  there.once('connect', () => {
    reached = true;
    const headers = req.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    there.write(`${req.method} ${req.url} HTTP/1.1\r\n${headers}\r\n`);
    there.write(head);
    there.pipe(socket).pipe(there);
  });
  there.on('error', () => {
    if (reached) socket.destroy();
    else upgradeHere(req, socket, head);
  });
  there.on('close', () => {
    if (reached) socket.destroy();
  });
  socket.on('error', () => there.destroy());
  socket.on('close', () => there.destroy());
}
