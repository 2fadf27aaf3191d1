import { createServer } from 'node:http';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { runSubject } from '../subjects/subject.ts';

const units = 100_000_000;

/**
 * A node of several with Socket.IO's Redis adapter (`variant` sharded: with sharded pub/sub), as its documentation shows it: the stock
 * is decremented in Redis, then the new level is emitted to the room on all nodes.
 */
await runSubject(async ({ livestreamId, redisUrl, variant }) => {
  const [redis, publisher, subscriber] = [
    new Redis(redisUrl ?? ''),
    new Redis(redisUrl ?? ''),
    new Redis(redisUrl ?? ''),
  ];
  const key = `rival:${livestreamId}`;
  await redis.set(key, String(units), 'NX');
  const adapter =
    variant === 'sharded' ? createShardedAdapter(publisher, subscriber) : createAdapter(publisher, subscriber);
  const httpServer = createServer();
  const io = new Server(httpServer, {
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    adapter,
  });
  io.on('connection', (socket) => void socket.join(livestreamId));
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', 4_096, resolve));
  const address = httpServer.address();
  const tell = (item: number, left: number): void => {
    const upTo = units - left;
    const rows = [[item, upTo, left, 2]];
    io.to(livestreamId).emit('stock:levels', { livestreamId, frame: upTo, epoch: 1, upTo, rows });
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    position: async () => units - Number(await redis.get(key)),
    take: async (item) => tell(item, await redis.decr(key)),
    sellOut: () => {},
    restock: () => {},
    stop: async () => {
      await io.close();
      for (const client of [redis, publisher, subscriber]) client.disconnect();
    },
  };
});
