import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { Server, type Socket } from 'socket.io';
import { runSubject } from '../subjects/subject.ts';
import { Counter } from './counter.ts';

/** Levels in a Redis hash; everybody who connects gets a snapshot that is read for him. */
await runSubject(async ({ livestreamId, items, redisUrl }) => {
  const redis = new Redis(redisUrl ?? '');
  const counter = new Counter(livestreamId, items);
  const key = `rival:${livestreamId}`;
  for (let item = 0; item < items; item += 1) await redis.hset(key, String(item), '100000000');
  let gateReads = 0;
  const httpServer = createServer();
  const io = new Server(httpServer, { transports: ['websocket'], serveClient: false, perMessageDeflate: false });
  const greet = async (socket: Socket): Promise<void> => {
    const levels = await redis.hgetall(key);
    const rows = Object.entries(levels).map(([item, left]) => [Number(item), counter.position, Number(left), 2]);
    socket.emit('stock:snapshot', { ...counter.snapshot(), rows });
  };
  io.on('connection', (socket) => {
    void socket.join(livestreamId);
    gateReads += 1;
    void greet(socket);
  });
  const tell = (payload: object): void => void io.to(livestreamId).emit('stock:levels', payload);
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', 4_096, resolve));
  const address = httpServer.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    position: () => counter.position,
    take: async (item) => {
      await redis.hincrby(key, String(item), -1);
      tell(counter.take(item));
    },
    sellOut: () => tell(counter.scarce(0)),
    restock: () => tell(counter.scarce(1)),
    counters: () => ({ gateReads }),
    stop: async () => {
      await io.close();
      redis.disconnect();
    },
  };
});
