import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import * as fc from 'fast-check';
import { Server, type Socket } from 'socket.io';
import { type Socket as Client, io as connect } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { systemTimers } from '../lib/timers.ts';
import { FrameWriter, type Line } from './frame-writer.ts';
import { checkFrameWriter } from './frame-writer-check.ts';
import { socketFrame } from './socket-frame.ts';

/** The short way against Socket.IO's own, over real connections. */

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0).toReversed()) stop();
});

async function startServer(): Promise<{ io: Server; http: HttpServer; url: string; writer: FrameWriter }> {
  const http = createServer();
  const io = new Server(http, { serveClient: false, perMessageDeflate: false });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  stops.push(() => {
    io.engine.close();
    http.closeAllConnections();
    http.close();
  });
  const writer = new FrameWriter(io);
  expect(writer.goDirect()).toBe(true);
  return { io, http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, writer };
}

type Pair = { readonly socket: Socket; readonly line: Line; readonly client: Client; readonly received: unknown[][] };

async function join(server: { io: Server; url: string; writer: FrameWriter }, transports: string[]): Promise<Pair> {
  const arriving = once(server.io, 'connection') as Promise<[Socket]>;
  const client = connect(server.url, { transports, forceNew: true, reconnection: false });
  stops.push(() => client.disconnect());
  const received: unknown[][] = [];
  client.onAny((...packet: unknown[]) => void received.push(packet));
  const [socket] = await arriving;
  return { socket, line: server.writer.lineOf(socket), client, received };
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries += 1) {
    if (tries > 1_000) throw new Error('not within 5 s');
    await wait(5);
  }
}

test('[FO-27] the check at the start finds that both ways send the same', async () => {
  expect(await checkFrameWriter(systemTimers, 10_000)).toEqual({ kind: 'same' });
});

test('[FO-27] the check finds a writer that sends something else, nothing, or in another order', async () => {
  class Forgetful extends FrameWriter {
    #writes = 0;
    override write(...args: Parameters<FrameWriter['write']>): void {
      this.#writes += 1;
      if (this.#writes !== 3) super.write(...args);
    }
  }
  class Wrong extends FrameWriter {
    override write(...[lines, event, payload]: Parameters<FrameWriter['write']>): void {
      super.write(lines, event, { ...payload, wrong: true });
    }
  }
  class Late extends FrameWriter {
    override write(...args: Parameters<FrameWriter['write']>): void {
      setTimeout(() => super.write(...args), 5);
    }
  }
  for (const Writer of [Forgetful, Wrong, Late]) {
    expect((await checkFrameWriter(systemTimers, 1_000, (io) => new Writer(io))).kind).toBe('different');
  }
});

test('[FO-27] a frame is what ws itself makes of the packet, with every form of header', () => {
  for (const length of [0, 1, 100, 101, 102, 103, 65_000, 65_530, 70_000]) {
    const payload = { text: `é${'x'.repeat(length)}` };
    const packet = Buffer.from(`42${JSON.stringify(['stock:levels', payload])}`);
    const Sender = (WebSocket as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }).Sender;
    const expected = Buffer.concat(
      Sender.frame(packet, { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }),
    );
    expect(socketFrame('stock:levels', payload).equals(expected)).toBe(true);
  }
});

test('[FO-27] whatever is emitted between direct frames, each client gets everything once and in order', async () => {
  const server = await startServer();
  const pairs = [await join(server, ['websocket']), await join(server, ['polling']), await join(server, ['websocket'])];
  const lines = pairs.map(({ line }) => line);
  let number = 0;
  let written: number[] = [];
  const step = fc.record({
    way: fc.constantFrom('direct', 'emit', 'room', 'binary'),
    size: fc.constantFrom(0, 90, 200, 70_000),
    pause: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      written = [];
      for (const pair of pairs) pair.received.length = 0;
      for (const { way, size, pause } of steps) {
        number += 1;
        written.push(number);
        const payload = { number, text: '货'.repeat(size) };
        if (way === 'direct') server.writer.write(lines, 'stock:levels', payload);
        else if (way === 'room') server.io.emit('news', payload);
        else if (way === 'binary') for (const { socket } of pairs) socket.emit('bytes', payload, Buffer.alloc(size));
        else for (const { socket } of pairs) socket.emit('news', payload);
        if (pause) await wait(1);
      }
      await until(() => pairs.every(({ received }) => received.length >= written.length));
      for (const { received } of pairs) {
        expect(received.map(([, payload]) => (payload as { number: number }).number)).toEqual(written);
      }
    }),
    { numRuns: 25 },
  );
});

test('[FO-27] an upgrade from long polling in the middle of the frames loses and reorders nothing', async () => {
  const server = await startServer();
  const pair = await join(server, ['polling', 'websocket']);
  let number = 0;
  while (pair.client.io.engine.transport.name !== 'websocket' || number < 50) {
    number += 1;
    server.writer.write([pair.line], 'stock:levels', { number });
    await wait(1);
    if (number > 5_000) throw new Error('never upgraded');
  }
  for (let more = 0; more < 20; more += 1) server.writer.write([pair.line], 'stock:levels', { number: (number += 1) });
  await until(() => pair.received.length >= number);
  expect(pair.line.direct).toBe(true);
  expect(pair.received.map(([, payload]) => (payload as { number: number }).number)).toEqual(
    Array.from({ length: number }, (_, at) => at + 1),
  );
});

test('[FO-27] [FO-16] a reader that stops is seen, and gets whole frames in order when it goes on', async () => {
  const server = await startServer();
  const pair = await join(server, ['websocket']);
  const raw = (pair.client.io.engine.transport as unknown as { ws: WebSocket }).ws;
  raw.pause();
  let number = 0;
  while (!pair.line.waiting && number < 2_000) {
    number += 1;
    server.writer.write([pair.line], 'stock:levels', { number, text: 'x'.repeat(20_000) });
  }
  expect(pair.line.backlogged).toBe(true);
  // Somebody else's packet behind a frame of which a part is still here.
  pair.socket.emit('news', { number: (number += 1) });
  raw.resume();
  await until(() => pair.received.length >= number);
  expect(pair.line.backlogged).toBe(false);
  server.writer.write([pair.line], 'stock:levels', { number: (number += 1) });
  await until(() => pair.received.length >= number);
  expect(pair.received.map(([, payload]) => (payload as { number: number }).number)).toEqual(
    Array.from({ length: number }, (_, at) => at + 1),
  );
});

test('[FO-27] a connection that is gone or closing is passed over, and the others get their frame', async () => {
  const server = await startServer();
  const [gone, closing, stays] = [
    await join(server, ['websocket']),
    await join(server, ['websocket']),
    await join(server, ['websocket']),
  ];
  const raw = (gone.client.io.engine.transport as unknown as { ws: { _socket: { resetAndDestroy(): void } } }).ws;
  raw._socket.resetAndDestroy();
  closing.socket.disconnect(true);
  for (let number = 0; number < 50; number += 1) {
    server.writer.write([gone.line, closing.line, stays.line], 'stock:levels', { number, text: 'x'.repeat(10_000) });
    if (number % 10 === 0) await wait(2);
  }
  await until(() => stays.received.length === 50 && !gone.socket.connected && !closing.socket.connected);
  expect(closing.received).toEqual([]);
});

test('[FO-27] before the check, and where it fails, frames go as Socket.IO sends them', async () => {
  const server = await startServer();
  const pair = await join(server, ['websocket']);
  const plain = new FrameWriter(server.io);
  plain.write([plain.lineOf(pair.socket)], 'stock:levels', { number: 1 });
  plain.write([], 'stock:levels', { number: 2 });
  server.writer.write([{ id: pair.socket.id }], 'stock:levels', { number: 3 });
  await until(() => pair.received.length >= 2);
  expect(pair.received.map(([, payload]) => payload)).toEqual([{ number: 1 }, { number: 3 }]);
});

test('[FO-28] the short way was verified with these versions: read their changes, then change them here', () => {
  const versionOf = (name: string): string => {
    const text = readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  };
  const verified = { 'socket.io': '4.8.4', 'engine.io': '6.6.12', 'socket.io-adapter': '2.5.8', ws: '8.21.3' };
  const installed = Object.fromEntries(Object.keys(verified).map((name) => [name, versionOf(name)]));
  expect(installed).toEqual(verified);
});
