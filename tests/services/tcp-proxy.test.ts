import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** Says everything back, and how many it serves. */
let echo: Server;
let proxy: TcpProxy;
const served = new Set<Socket>();
const opened: Socket[] = [];
beforeAll(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    served.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => served.delete(socket));
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
afterAll(() => void echo.close());
beforeEach(async () => {
  proxy = await startTcpProxy({ target: targetOf(echo) });
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await proxy.stop();
});

const targetOf = (server: Server) => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { host: '127.0.0.1', port: address.port };
};

/** A client whose words can be counted, and that says how it ended. */
async function dial() {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  opened.push(socket);
  const client = { socket, heard: '', ended: null as string | null };
  socket.setEncoding('utf8').on('data', (text: string) => (client.heard += text));
  socket.on('error', (error: NodeJS.ErrnoException) => (client.ended = error.code ?? error.message));
  socket.on('end', () => (client.ended ??= 'end'));
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return client;
}

const until = (condition: () => boolean): Promise<void> =>
  expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true);

describe('a link that can fail', () => {
  test('[RD-1] passes everything on in order, and the end of one direction before the other', async () => {
    const client = await dial();
    const text = Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join('');
    client.socket.end(text);
    await until(() => client.ended === 'end');
    expect(client.heard === text).toBe(true);
    await until(() => proxy.connections() === 0 && served.size === 0);
  });

  test('[RD-1] a cut resets what is open and what comes, until it is restored', async () => {
    const before = await dial();
    before.socket.write('one');
    await until(() => before.heard === 'one');
    proxy.cut();
    await until(() => before.ended === 'ECONNRESET' && served.size === 0);
    const during = await dial();
    await until(() => during.ended === 'ECONNRESET');
    proxy.restore();
    const after = await dial();
    after.socket.write('two');
    await until(() => after.heard === 'two');
  });

  test('[RD-1] stalled, nothing arrives and nothing is closed; resumed, all of it arrives in order', async () => {
    const before = await dial();
    before.socket.write('a');
    await until(() => before.heard === 'a');
    proxy.stall();
    before.socket.write('b');
    const during = await dial();
    during.socket.write('c');
    await wait(200);
    expect([before.heard, during.heard, before.ended, during.ended]).toEqual(['a', '', null, null]);
    before.socket.write('d');
    proxy.resume();
    await until(() => before.heard === 'abd' && during.heard === 'c');
  });

  test('[RD-1] replies alone can be lost: the request has arrived, its answer never does', async () => {
    const client = await dial();
    client.socket.write('a');
    await until(() => client.heard === 'a');
    let arrived = '';
    for (const socket of served) socket.on('data', (data) => (arrived += String(data)));
    proxy.stall('replies');
    client.socket.write('b');
    await until(() => arrived === 'b');
    proxy.cut();
    await until(() => client.ended === 'ECONNRESET');
    expect(client.heard).toBe('a');
  });

  test('[RD-1] a delay holds each direction back by as much, in order', async () => {
    const client = await dial();
    proxy.delayMs(150);
    const startMs = performance.now();
    client.socket.write('a');
    await wait(20);
    client.socket.write('b');
    await until(() => client.heard === 'ab');
    // A lower bound: a busy machine only makes it longer.
    expect(performance.now() - startMs).toBeGreaterThan(2 * 150);
  });

  test('[RD-1] what a stalled direction holds back is bounded: the sender is slowed down', async () => {
    const client = await dial();
    proxy.stall();
    const size = 64 * 1_048_576;
    client.socket.write(Buffer.alloc(size, 'x'));
    await wait(300);
    expect(client.socket.writableLength).toBeGreaterThan(size / 2);
    proxy.resume();
    await until(() => client.heard.length === size);
  });

  test('[RD-1] new connections can be led elsewhere', async () => {
    const other = createServer((socket) => socket.on('error', () => {}).end('other')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const before = await dial();
    proxy.retarget(targetOf(other));
    const after = await dial();
    await until(() => after.heard === 'other');
    before.socket.write('still here');
    await until(() => before.heard === 'still here');
    other.close();
  });
});
