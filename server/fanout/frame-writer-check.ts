import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { WebSocket } from 'ws';
import type { Timers } from '../lib/timers.ts';
import { FrameWriter } from './frame-writer.ts';

const eventOfCheck = 'livestream:changed';
/** Every form of a frame's header, characters of one to four bytes, and more than a socket's buffers hold at once. */
const payloads: readonly object[] = [
  { a: 1 },
  { rows: [[0, 1, '10-49', 2]], text: '直播 🛒 é "quoted" \u2028' },
  { text: 'x'.repeat(200) },
  { text: '货'.repeat(30_000) },
  { text: 'y'.repeat(6_000_000) },
  { last: true },
];

export type CheckOutcome = { readonly kind: 'same' } | { readonly kind: 'different'; readonly reason: string };

/**
 * Whether frames that `FrameWriter` writes by itself are what Socket.IO would have sent, in order, on this Node and with these packages:
 * a real server and a real client over loopback. Never rejects.
 */
export async function checkFrameWriter(
  timers: Timers,
  withinMs: number,
  writerOf = (io: Server) => new FrameWriter(io),
): Promise<CheckOutcome> {
  const http = createServer();
  const io = new Server(http, { serveClient: false, transports: ['websocket'], perMessageDeflate: false });
  let client: WebSocket | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(0, '127.0.0.1', resolve);
    });
    const { port } = http.address() as AddressInfo;
    client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    return await compare({ io, client, writer: writerOf(io), timers, withinMs });
  } catch (error) {
    return { kind: 'different', reason: String(error) };
  } finally {
    client?.terminate();
    io.engine.close();
    http.closeAllConnections();
    http.close();
  }
}

type Comparison = {
  readonly io: Server;
  readonly client: WebSocket;
  readonly writer: FrameWriter;
  readonly timers: Timers;
  readonly withinMs: number;
};

async function compare({ io, client, writer, timers, withinMs }: Comparison): Promise<CheckOutcome> {
  if (!writer.goDirect()) return { kind: 'different', reason: 'this Node does not show how a write ended' };
  const limit = timeLimit(timers, withinMs);
  const received: string[] = [];
  const complete = new Promise<void>((resolve, reject) => {
    client.on('error', reject);
    client.on('close', () => reject(new Error('the connection was closed')));
    client.on('message', (data) => {
      // With the default of ws a message is one Buffer.
      const text = (data as Buffer).toString();
      if (text.startsWith('0')) client.send('40');
      else if (text.startsWith('42')) received.push(text);
      if (received.length === payloads.length * 2) resolve();
    });
  });
  const written = new Promise<string | null>((resolve) => {
    io.on('connection', (socket) => {
      const line = writer.lineOf(socket);
      let direct = 0;
      const next = (at: number): void => {
        const payload = payloads[at];
        if (payload === undefined) {
          resolve(direct >= 3 ? null : 'the connection could not be written to directly');
          return;
        }
        // Before an emit as well as behind it: neither may overtake the other.
        if (at % 2 === 1) socket.emit(eventOfCheck, payload);
        if (line.open()) direct += 1;
        writer.write([line], eventOfCheck, payload);
        if (at % 2 === 0) socket.emit(eventOfCheck, payload);
        setImmediate(next, at + 1);
      };
      next(0);
    });
  });
  try {
    const problem = await Promise.race([written, complete.then(() => written), limit.reached]);
    await Promise.race([complete, limit.reached]);
    if (problem !== null) return { kind: 'different', reason: problem };
  } finally {
    limit.cancel();
    complete.catch(() => {});
  }
  const wrong = payloads.findIndex((_payload, at) => received[at * 2] !== received[at * 2 + 1]);
  if (wrong >= 0) return { kind: 'different', reason: `the client received something else for payload ${wrong}` };
  return { kind: 'same' };
}

/** A promise that only ever rejects, and how to give it up. */
function timeLimit(timers: Timers, withinMs: number): { reached: Promise<never>; cancel: () => void } {
  let cancel: (() => void) | undefined;
  const reached = new Promise<never>((_resolve, reject) => {
    cancel = timers.after(withinMs, () => reject(new Error('no answer in time')));
  });
  reached.catch(() => {});
  return { reached, cancel: () => cancel?.() };
}
