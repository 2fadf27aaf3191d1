import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket as NetSocket } from 'node:net';
import { Server } from 'socket.io';
import type { CheckOutcome } from '../fanout/frame-writer-check.ts';
import type { Timers } from '../lib/timers.ts';
import { DirectReads } from './direct-reads.ts';

const upgradeRequest =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

const ack = (frame: number): string => `42["stock:ack",{"livestreamId":"check","frame":${frame}}]`;
const event = (number: number, text = ''): string => `42["check",${JSON.stringify({ number, text })}]`;

/** Pieces as they go into the connection one after the other: alone, together, cut in the middle, with other packets around. */
const pieces: readonly Buffer[] = [
  clientFrame(ack(1)),
  clientFrame(event(2)),
  Buffer.concat([clientFrame(ack(3)), clientFrame(event(4, '货'.repeat(90))), clientFrame(ack(5))]),
  ...cut(clientFrame(ack(6)), 4),
  ...cut(Buffer.concat([clientFrame(event(7, 'x'.repeat(9_000))), clientFrame(ack(8))]), 8_900),
  ...cut(Buffer.concat([clientFrame('42["ch', { fin: false }), clientFrame(`eck",{"number":9}]`, { opcode: 0 })]), 12),
  clientFrame(ack(10)),
];
const expected = Array.from({ length: 10 }, (_, index) => index + 1);

/**
 * Whether acknowledgements that `DirectReads` takes, and everything that it passes on, arrive once and in order on this Node and with
 * these packages: a real server and a real client over loopback. Never rejects.
 */
export async function checkDirectReads(
  timers: Timers,
  withinMs: number,
  reads: DirectReads = new DirectReads(),
): Promise<CheckOutcome> {
  reads.goDirect();
  const http = createServer();
  const io = new Server(http, { serveClient: false, transports: ['websocket'], perMessageDeflate: false });
  let client: NetSocket | undefined;
  let cancel: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(0, '127.0.0.1', resolve);
    });
    client = connect({ port: (http.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
    const late = new Promise<never>((_resolve, reject) => {
      cancel = timers.after(withinMs, () => reject(new Error('no answer in time')));
      client?.on('error', reject);
      client?.on('close', () => reject(new Error('the connection was closed')));
    });
    return await Promise.race([compare(io, client, reads), late]);
  } catch (error) {
    return { kind: 'different', reason: String(error) };
  } finally {
    cancel?.();
    client?.on('error', () => {}).destroy();
    io.engine.close();
    http.closeAllConnections();
    http.close();
  }
}

/** The client sends the next piece when the one before has been read: each is a reading of its own. */
async function compare(io: Server, client: NetSocket, reads: DirectReads): Promise<CheckOutcome> {
  const received: number[] = [];
  const problem = await new Promise<string | null>((resolve) => {
    let takenDirectly = 0;
    io.on('connection', (socket) => {
      const acks = {
        takeAck: (_livestreamId: string, frame: number) => {
          takenDirectly += 1;
          received.push(frame);
          return true;
        },
      };
      socket.on('stock:ack', ({ frame }: { frame: number }) => received.push(frame));
      socket.on('check', ({ number }: { number: number }) => received.push(number));
      if (!reads.attach(socket, acks)) return resolve('the connection cannot be read directly');
      const done = (): void => resolve(takenDirectly >= 2 ? null : 'no acknowledgement was taken directly');
      sendInTurns(client, socket.conn, () => received.length >= expected.length, done);
    });
    client.write(upgradeRequest);
    client.once('data', () => client.write(clientFrame('40')));
    client.resume();
  });
  if (problem !== null) return { kind: 'different', reason: problem };
  if (received.join() !== expected.join()) {
    return { kind: 'different', reason: `the server understood ${received.join()}` };
  }
  return { kind: 'same' };
}

function sendInTurns(client: NetSocket, conn: object, complete: () => boolean, done: () => void): void {
  const net: unknown = Reflect.get(
    Reflect.get(Reflect.get(conn, 'transport') as object, 'socket') as object,
    '_socket',
  );
  const bytesRead = (): number => Number(Reflect.get(net as object, 'bytesRead'));
  const base = bytesRead();
  let [next, sentBytes] = [0, 0];
  const turn = (): void => {
    if (client.destroyed || complete()) return complete() ? done() : undefined;
    const piece = pieces[next];
    if (piece !== undefined && bytesRead() - base === sentBytes) {
      next += 1;
      sentBytes += piece.length;
      client.write(piece);
    }
    setImmediate(turn);
  };
  turn();
}

function clientFrame(text: string, { fin = true, opcode = 1 }: { fin?: boolean; opcode?: number } = {}): Buffer {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? 2 : 4;
  const frame = Buffer.alloc(head + 4 + payload.length);
  frame[0] = (fin ? 0x80 : 0) | opcode;
  frame[1] = 0x80 | (head === 2 ? payload.length : 126);
  if (head === 4) frame.writeUInt16BE(payload.length, 2);
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  mask.copy(frame, head);
  for (let index = 0; index < payload.length; index += 1) {
    frame[head + 4 + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
  }
  return frame;
}

function cut(bytes: Buffer, where: number): readonly Buffer[] {
  return [bytes.subarray(0, where), bytes.subarray(where)];
}
