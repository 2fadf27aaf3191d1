import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { io as connect } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { releaseHandshake } from './slim-socket.ts';

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
