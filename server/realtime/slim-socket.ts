import { IncomingMessage } from 'node:http';
import type { Socket } from 'socket.io';

/** What is left of a handshake: nothing that anybody asks for after it. */
const nothingLeft = Object.freeze({
  headers: Object.freeze({}),
  query: Object.freeze({}),
  auth: Object.freeze({}),
  time: '',
  address: '',
  issued: 0,
  url: '',
  xdomain: false,
  secure: false,
});

/**
 * Lets go of the HTTP request and of everything that was made from it (headers, address, the token) once the socket is admitted: a third
 * of what a connection costs, and a token that is not in memory cannot be leaked from it. Call after the last look at `request` and
 * `handshake`. Socket.IO documents this for the request of the connection; its two other holders let go the same way.
 */
export function releaseHandshake(socket: Socket): void {
  // Of a WebSocket's handshake engine.io keeps the request until the connection closes: then it is at least empty.
  const request: unknown = Reflect.get(socket.conn, 'request');
  if (request instanceof IncomingMessage && 'websocket' in request) {
    request.headers = {};
    request.rawHeaders = [];
    request.url = '';
    for (const field of ['websocket', '_query']) Reflect.set(request, field, null);
  }
  for (const holder of [socket.conn, socket.client]) Reflect.set(holder, 'request', null);
  Reflect.set(socket, 'handshake', nothingLeft);
}
