import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { runSubject } from '../subjects/subject.ts';
import { Counter } from './counter.ts';

/** The loop that everybody writes first: one `send` of one text to each socket, for each change. No Socket.IO, no rooms, no pings. */
await runSubject(async ({ livestreamId, items }) => {
  const counter = new Counter(livestreamId, items);
  const httpServer = createServer();
  const sockets = new Set<WebSocket>();
  const server = new WebSocketServer({ server: httpServer, perMessageDeflate: false });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.terminate());
  });
  const tell = (payload: object): void => {
    const text = `42${JSON.stringify(['stock:levels', payload])}`;
    for (const socket of sockets) socket.send(text);
  };
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', 4_096, resolve));
  const address = httpServer.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    position: () => counter.position,
    take: (item) => tell(counter.take(item)),
    sellOut: () => tell(counter.scarce(0)),
    restock: () => tell(counter.scarce(1)),
    stop: async () => {
      for (const socket of sockets) socket.terminate();
      server.close();
    },
  };
});
