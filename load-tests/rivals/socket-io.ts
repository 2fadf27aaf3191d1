import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { runSubject } from '../subjects/subject.ts';
import { Counter } from './counter.ts';

/** Plain Socket.IO as its documentation shows it: every viewer in a room, one `io.to(room).emit` for each change. */
await runSubject(async ({ livestreamId, items }) => {
  const counter = new Counter(livestreamId, items);
  const tell = (payload: object): void => void io.to(livestreamId).emit('stock:levels', payload);
  // An order is a decrement in memory and an emit: no ledger, no token, nothing to wait for.
  const httpServer = createServer((req, res) => {
    const { item = '0' } = /^\/orders\/(?<item>\d+)$/.exec(req.url ?? '')?.groups ?? {};
    req.resume().on('end', () => {
      tell(counter.take(Number(item)));
      res.writeHead(201).end('{}');
    });
  });
  // Overwhelmed for seconds, it would take connections with orders that it has not read for idle ones, and reset them.
  httpServer.keepAliveTimeout = 300_000;
  const io = new Server(httpServer, { transports: ['websocket'], serveClient: false, perMessageDeflate: false });
  io.on('connection', (socket) => {
    void socket.join(livestreamId);
    socket.emit('stock:snapshot', counter.snapshot());
  });
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
