import { EventEmitter } from 'node:events';
import { IncomingMessage } from 'node:http';
import type { Socket } from 'socket.io';
import { SmallMap } from './small-map.ts';

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
  // Should anybody still hold the request of a WebSocket's handshake, then it is at least empty.
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

/**
 * Stores what Socket.IO, engine.io and ws keep of one connection in less memory, without changing what any of it does: measured 10.3 KiB
 * of heap for a plain connection, 8 so. Everything that is not as expected is left as it is. Call when all listeners have been added.
 */
export function compactSocket(socket: Socket): void {
  const { conn, client } = socket;
  const transport = at(conn, 'transport');
  const ws = at(transport, 'socket');
  const net = at(ws, '_socket');
  if (at(transport, 'name') === 'websocket' && net instanceof EventEmitter) releaseResponse(net);
  for (const emitter of [socket, conn, transport, ws, net, at(ws, '_receiver')]) compactListeners(emitter);
  compactList(conn, 'cleanupFn');
  compactList(socket, '_anyListeners');
  compactList(at(at(client, 'decoder'), '_callbacks'), '$decoded');
  for (const [holder, name] of [
    [socket, 'acks'],
    [client, 'sockets'],
    [client, 'nsps'],
  ] as const) {
    const map = at(holder, name);
    if (map instanceof Map && map.size <= 1) Reflect.set(holder, name, new SmallMap(map));
  }
}

/**
 * engine.io makes a response for every WebSocket's handshake, which waits for the end of the connection to tell middlewares of it, and
 * keeps the request meanwhile. Nothing of ours is such a middleware.
 */
function releaseResponse(net: EventEmitter): void {
  const listeners = net.rawListeners('close');
  const once = listeners.filter((listener) => typeof at(listener, 'listener') === 'function');
  const [response] = once;
  // Beside the response only ws waits for it, and not once.
  if (once.length === 1 && listeners.length === 2 && response !== undefined) {
    net.removeListener('close', response as () => void);
  }
}

/** Node keeps an emitter's listeners in a hash table with room for many: a plain object of the same names is a third of it. */
function compactListeners(emitter: unknown): void {
  const events = at(emitter, '_events');
  if (typeof emitter !== 'object' || emitter === null || typeof events !== 'object' || events === null) return;
  const compact = new Listeners();
  for (const name of Reflect.ownKeys(events)) {
    const listeners: unknown = Reflect.get(events, name);
    Reflect.set(compact, name, Array.isArray(listeners) ? [...listeners] : listeners);
  }
  Reflect.set(emitter, '_events', compact);
}

/** Without a prototype, as Node's own: an event may have any name. */
const Listeners = function listeners() {} as unknown as new () => object;
Listeners.prototype = Object.freeze(Object.create(null));

/** A list that grew by `push` has room for sixteen more. */
function compactList(holder: unknown, name: string): void {
  const list = at(holder, name);
  if (Array.isArray(list)) Reflect.set(holder as object, name, [...list]);
}

/** A private field, looked at without trusting that it is there. */
function at(holder: unknown, name: string): unknown {
  const isHolder = (typeof holder === 'object' && holder !== null) || typeof holder === 'function';
  return isHolder ? Reflect.get(holder, name) : undefined;
}
