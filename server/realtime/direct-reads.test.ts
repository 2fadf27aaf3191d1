import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket as NetSocket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import * as fc from 'fast-check';
import { Server, type Socket } from 'socket.io';
import { io as connectClient } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { systemTimers } from '../lib/timers.ts';
import { ackParser, DirectReads } from './direct-reads.ts';
import { checkDirectReads } from './direct-reads-check.ts';
import { compactSocket, releaseHandshake } from './slim-socket.ts';

/** Reading past the streams, beside the ordinary way, over real connections. */

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0).toReversed()) stop();
});

type Heard = { readonly way: 'direct' | 'event'; readonly name: string; readonly value: unknown };
type Started = { readonly io: Server; readonly port: number; readonly heard: Heard[]; readonly attached: boolean[] };

async function startServer(takes: (frame: number) => boolean = () => true): Promise<Started> {
  const http = createServer();
  const io = new Server(http, { serveClient: false, perMessageDeflate: false, maxHttpBufferSize: 100_000 });
  const reads = new DirectReads();
  reads.goDirect();
  const [heard, attached]: [Heard[], boolean[]] = [[], []];
  io.on('connection', (socket) => {
    const takeAck = (livestreamId: string, frame: number): boolean => {
      if (!takes(frame)) return false;
      heard.push({ way: 'direct', name: 'stock:ack', value: { livestreamId, frame } });
      return true;
    };
    releaseHandshake(socket);
    attached.push(reads.attach(socket, { takeAck }));
    socket.onAny((name: string, value: unknown) => void heard.push({ way: 'event', name, value }));
    socket.on('echo', (value: unknown, answer: (value: unknown) => void) => answer(value));
    compactSocket(socket);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  stops.push(() => {
    io.engine.close();
    http.closeAllConnections();
    http.close();
  });
  return { io, port: (http.address() as AddressInfo).port, heard, attached };
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries += 1) {
    if (tries > 4_000) throw new Error('not within 20 s');
    await wait(5);
  }
}

/** A WebSocket of which the test decides every byte. */
async function openRaw(server: Started): Promise<{ raw: NetSocket; socket: Socket }> {
  const raw = connect({ port: server.port, host: '127.0.0.1', noDelay: true });
  stops.push(() => raw.destroy());
  raw.on('error', () => {});
  const arriving = once(server.io, 'connection') as Promise<[Socket]>;
  raw.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(raw, 'data');
  raw.resume();
  raw.write(frameOf('40'));
  const [socket] = await arriving;
  return { raw, socket };
}

function frameOf(text: string, opcode = 1, fin = true): Buffer {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 255];
  const mask = [...Buffer.from([payload.length * 7, 0, 255, 19])];
  const body = payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0));
  return Buffer.concat([
    Buffer.from([(fin ? 0x80 : 0) | opcode, 0x80 | (head[0] ?? 0), ...head.slice(1), ...mask]),
    body,
  ]);
}

const ackText = (frame: number, livestreamId = 'show'): string =>
  `42${JSON.stringify(['stock:ack', { livestreamId, frame }])}`;

test('[RT-21] the check at the start finds that both ways understand the same', async () => {
  expect(await checkDirectReads(systemTimers, 10_000)).toEqual({ kind: 'same' });
});

test('[RT-21] the check finds a reader that cannot be attached, loses a packet, or takes one before its time', async () => {
  class Detached extends DirectReads {
    override attach(): boolean {
      return false;
    }
  }
  class Deaf extends DirectReads {
    override attach(...[socket, acks]: Parameters<DirectReads['attach']>): boolean {
      return super.attach(socket, { takeAck: (id, frame) => frame === 10 || acks.takeAck(id, frame) });
    }
  }
  class Late extends DirectReads {
    override attach(...[socket, acks]: Parameters<DirectReads['attach']>): boolean {
      const takeAck = (id: string, frame: number): boolean => {
        setTimeout(() => acks.takeAck(id, frame), 100);
        return true;
      };
      return super.attach(socket, { takeAck });
    }
  }
  for (const Reads of [Detached, Deaf, Late]) {
    expect((await checkDirectReads(systemTimers, 1_000, new Reads())).kind).toBe('different');
  }
});

test('[RT-21] however the bytes of a connection are cut, everything is understood once and in order', async () => {
  const server = await startServer((frame) => frame % 5 !== 0);
  const { raw } = await openRaw(server);
  expect(server.attached).toEqual([true]);
  let number = 0;
  const packet = fc.record({
    kind: fc.constantFrom('ack', 'ack', 'ack', 'event', 'fragments', 'ping', 'unlike'),
    size: fc.constantFrom(0, 40, 200, 20_000),
  });
  const cuts = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 300 }), pause: fc.boolean() }), { maxLength: 60 });
  const packets = fc.array(packet, { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(packets, cuts, async (sent, where) => {
      server.heard.length = 0;
      const expected: unknown[] = [];
      const bytes = Buffer.concat(
        sent.flatMap(({ kind, size }) => {
          number += 1;
          const text = '货'.repeat(size / 4);
          if (kind === 'ping') return [frameOf('beat', 9)];
          expected.push(kind === 'ack' ? { livestreamId: 'show', frame: number } : { number, text });
          if (kind === 'ack') return [frameOf(ackText(number))];
          const event = `42${JSON.stringify(['stock:ack', { number, text }])}`;
          if (kind !== 'fragments') return [frameOf(kind === 'unlike' ? event : event.replace('stock:ack', 'news'))];
          return [frameOf(event.slice(0, 9), 1, false), frameOf('', 9), frameOf(event.slice(9), 0)];
        }),
      );
      let from = 0;
      for (const { bytes: length, pause } of where) {
        raw.write(bytes.subarray(from, from + length));
        from += length;
        if (pause) await wait(1);
      }
      if (from < bytes.length) raw.write(bytes.subarray(from));
      await until(() => server.heard.length >= expected.length);
      expect(server.heard.map(({ value }) => value)).toEqual(expected);
      // Whatever came before: the next one that comes alone is taken directly, unless it is refused.
      number += 1;
      raw.write(frameOf(ackText(number)));
      await until(() => server.heard.length > expected.length);
      const way = number % 5 === 0 ? 'event' : 'direct';
      expect(server.heard.at(-1)).toEqual({ way, name: 'stock:ack', value: { livestreamId: 'show', frame: number } });
    }),
    { numRuns: 60 },
  );
});

test('[RT-21] while a pong is awaited the first packet goes the ordinary way, so that a client that lives is not given up', async () => {
  const server = await startServer();
  const { raw, socket } = await openRaw(server);
  const conn = socket.conn as unknown as { pingTimeoutTimer: NodeJS.Timeout | null; hasRefreshedPingTimeout: boolean };
  const timer = setTimeout(() => {}, 60_000);
  stops.push(() => clearTimeout(timer));
  conn.pingTimeoutTimer = timer;
  for (const frame of [1, 2]) {
    raw.write(frameOf(ackText(frame)));
    await until(() => server.heard.length === frame);
  }
  expect(conn.hasRefreshedPingTimeout).toBe(true);
  expect(server.heard.map(({ way }) => way)).toEqual(['event', 'direct']);
});

test('[RT-21] a client of Socket.IO works on as before: answers, other packets, closing', async () => {
  const server = await startServer();
  const client = connectClient(`http://127.0.0.1:${server.port}`, { transports: ['websocket'], forceNew: true });
  stops.push(() => client.disconnect());
  await once(client as never, 'connect');
  for (let round = 0; round < 20; round += 1) {
    client.emit('stock:ack', { livestreamId: 'show', frame: round });
    expect(await client.timeout(5_000).emitWithAck('echo', '货'.repeat(round * 300))).toBe('货'.repeat(round * 300));
  }
  expect(server.heard.filter(({ name }) => name === 'stock:ack')).toHaveLength(20);
  const closed = new Promise((resolve) => {
    for (const socket of server.io.of('/').sockets.values()) socket.once('disconnect', resolve);
  });
  client.emit('stock:ack', { livestreamId: 'show', frame: 99 });
  client.disconnect();
  expect(await closed).toBe('client namespace disconnect');
  expect(server.heard.at(-1)?.value).toEqual({ livestreamId: 'show', frame: 99 });
});

test('[RT-21] nothing is taken from a connection that is closing, nor from long polling', async () => {
  const server = await startServer();
  const { raw, socket } = await openRaw(server);
  (socket.conn as unknown as { transport: { socket: { close(): void } } }).transport.socket.close();
  raw.write(frameOf(ackText(1)));
  await wait(50);
  expect(server.heard.filter(({ way }) => way === 'direct')).toEqual([]);
  const polling = connectClient(`http://127.0.0.1:${server.port}`, { transports: ['polling'], forceNew: true });
  stops.push(() => polling.disconnect());
  await once(polling as never, 'connect');
  expect(server.attached).toEqual([true, false]);
  expect(await polling.timeout(5_000).emitWithAck('echo', 1)).toBe(1);
});

test('[RT-21] an acknowledgement is exactly what the contract and JSON make of it, as the parser of packets sees it', () => {
  const parse = ackParser();
  const read = (text: string): unknown => parse(Buffer.from(text.padEnd(128)), Buffer.byteLength(text));
  expect(read(ackText(12))).toEqual({ livestreamId: 'show', frame: 12 });
  expect(read(ackText(999_999_999_999_999, 'a.b-c_9'))).toEqual({
    livestreamId: 'a.b-c_9',
    frame: 999_999_999_999_999,
  });
  expect(read(ackText(1, 'x'.repeat(64)))).toEqual({ livestreamId: 'x'.repeat(64), frame: 1 });
  expect(read(ackText(2))).toEqual({ livestreamId: 'show', frame: 2 });
  const others = [
    ackText(-1),
    ackText(1.5),
    ackText(1e15),
    ackText(1, ''),
    ackText(1, 'a:b'),
    ackText(1, 'x'.repeat(65)),
    ackText(1).replace('42[', '427['),
    ackText(1).replace('42[', '41['),
    ackText(1).slice(0, -1),
    `${ackText(1)}]`,
    ackText(1).replace('}]', ',"x":1}]'),
    ackText(1).replace('1}', '"1"}'),
    '42["stock:ack"]',
    '2',
    '',
  ];
  expect(others.filter((text) => read(text) !== null)).toEqual([]);
});
