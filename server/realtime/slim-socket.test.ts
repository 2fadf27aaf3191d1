import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Server, type Socket } from 'socket.io';
import { io as connect } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { compactSocket, releaseHandshake } from './slim-socket.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0).toReversed()) stop();
});

async function startServer(): Promise<{ io: Server; url: string }> {
  const http = createServer();
  const io = new Server(http, { serveClient: false });
  io.on('connection', (socket) => {
    releaseHandshake(socket);
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
  return { io, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

test.each([[['websocket']], [['polling']], [['polling', 'websocket']]])(
  '[RT-18] nothing of the handshake stays with an admitted socket, and it works on as before: %s',
  async (transports) => {
    const { io, url } = await startServer();
    const arriving = once(io, 'connection') as Promise<[Socket]>;
    const requests: { headers: object; rawHeaders: unknown[] }[] = [];
    io.engine.once('connection', (conn: { request: (typeof requests)[number] }) => void requests.push(conn.request));
    const auth = { token: 'a token that must not stay' };
    const extraHeaders = { 'x-secret': 'a header that must not stay' };
    const client = connect(url, { transports, auth, extraHeaders, forceNew: true, reconnection: false });
    stops.push(() => client.disconnect());
    const [socket] = await arriving;
    expect(socket.request).toBeNull();
    expect(socket.handshake.auth).toEqual({});
    expect(JSON.stringify(socket.handshake)).not.toContain('must not stay');
    if (transports[0] === 'websocket') expect(JSON.stringify(requests[0]?.headers)).not.toContain('must not stay');
    for (let round = 0; round < 20; round += 1) {
      expect(await client.timeout(5_000).emitWithAck('echo', round)).toBe(round);
    }
    if (transports.length === 2) {
      if (client.io.engine.transport.name !== 'websocket') await once(client.io.engine as never, 'upgrade');
      expect(await client.timeout(5_000).emitWithAck('echo', 'upgraded')).toBe('upgraded');
    }
    expect((await io.fetchSockets()).map(({ id }) => id)).toEqual([socket.id]);
    const closed = once(socket, 'disconnect');
    client.disconnect();
    await closed;
    expect(io.engine.clientsCount).toBeLessThanOrEqual(1);
  },
);

test('[RT-18] [RT-20] the request of a WebSocket is given back to the memory while its connection lives', async () => {
  const { io, url } = await startServer();
  const requests: WeakRef<object>[] = [];
  io.engine.on('connection', (conn: { request: object }) => void requests.push(new WeakRef(conn.request)));
  const arriving = once(io, 'connection') as Promise<[Socket]>;
  const client = connect(url, { transports: ['websocket'], forceNew: true, reconnection: false });
  stops.push(() => client.disconnect());
  const [socket] = await arriving;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let tries = 0; requests[0]?.deref() !== undefined && tries < 100; tries += 1) {
    await client.timeout(5_000).emitWithAck('echo', tries);
    collect();
  }
  expect(requests.map((request) => request.deref())).toEqual([undefined]);
  expect(socket.connected).toBe(true);
});

test('[RT-20] a compacted socket tells of its events, its end and its errors as before, and takes new listeners', async () => {
  const { io, url } = await startServer();
  const arriving = once(io, 'connection') as Promise<[Socket]>;
  const client = connect(url, { transports: ['websocket'], forceNew: true, reconnection: false });
  stops.push(() => client.disconnect());
  const [socket] = await arriving;
  const heard: [string, unknown][] = [];
  const once1 = (value: unknown): void => void heard.push(['once', value]);
  socket.once('news', once1);
  socket.on('news', (value: unknown) => void heard.push(['on', value]));
  socket.onAny((name: string) => void heard.push(['any', name]));
  socket.on('disconnect', (reason) => void heard.push(['disconnect', reason]));
  for (const name of ['news', 'news', 'constructor', '__proto__', 'hasOwnProperty']) client.emit(name, 1);
  const answers = [
    await client.timeout(5_000).emitWithAck('echo', 'x'),
    await socket
      .timeout(100)
      .emitWithAck('unheard')
      .catch(() => 'no answer'),
  ];
  socket.off('news', once1);
  expect(socket.listenerCount('news')).toBe(1);
  expect(answers).toEqual(['x', 'no answer']);
  const closed = once(socket, 'disconnect');
  client.disconnect();
  await closed;
  const any = ['news', 'news', 'constructor', '__proto__', 'hasOwnProperty', 'echo'].map((name) => ['any', name]);
  expect(heard.filter(([kind]) => kind === 'any')).toEqual(any);
  expect(heard.filter(([kind]) => kind !== 'any')).toEqual([
    ['once', 1],
    ['on', 1],
    ['on', 1],
    ['disconnect', 'client namespace disconnect'],
  ]);
  expect(io.of('/').sockets.size).toBe(0);
  expect(io.engine.clientsCount).toBeLessThanOrEqual(1);
});
