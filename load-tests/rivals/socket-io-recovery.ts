import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { runSubject } from '../subjects/subject.ts';
import { Counter } from './counter.ts';

/** Socket.IO with its connection state recovery: it keeps what was sent for two minutes and sends again what a client missed. */
await runSubject(async ({ livestreamId, items }) => {
  const counter = new Counter(livestreamId, items);
  const httpServer = createServer();
  const io = new Server(httpServer, {
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true },
  });
  io.on('connection', (socket) => {
    if (socket.recovered) return;
    void socket.join(livestreamId);
    socket.emit('stock:snapshot', counter.snapshot());
  });
  const tell = (payload: object): void => void io.to(livestreamId).emit('stock:levels', payload);
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', 4_096, resolve));
  const address = httpServer.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    position: () => counter.position,
    take: (item) => tell(counter.take(item)),
    sellOut: () => tell(counter.scarce(0)),
    restock: () => tell(counter.scarce(1)),
    stop: () => io.close(),
  };
});
