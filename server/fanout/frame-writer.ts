import type { Server, Socket } from 'socket.io';
import type { SocketHandle } from './members.ts';
import type { LaneEvent, LevelWriter } from './segment.ts';
import { socketFrame } from './socket-frame.ts';

/**
 * The one file that reaches into socket.io, engine.io, ws and Node's streams; its test names the versions it was verified with, and
 * `checkFrameWriter` tries it at every start on a real connection.
 */

/** Sockets as everybody else knows them. */
export type AnySocket = Pick<Socket, 'id' | 'emit'> & { readonly conn: object };

type Conn = { readonly transport: object; readonly writeBuffer: readonly unknown[] };
type WebSocketParts = { readonly _readyState: number };
type Stream = { readonly length: number };
type Net = { destroy(error?: Error): void };
/** libuv's stream; `writeBuffer` returns 0 or a negative error code. */
type Handle = { writeBuffer(request: WriteRequest, frame: Buffer): number };
type WriteRequest = {
  oncomplete: (this: WriteRequest, status: number) => void;
  buffer: Buffer | null;
  line: Line | null;
};
type WriteRequestClass = new () => WriteRequest;

/** Fields of one open WebSocket that a write looks at. */
type Route = {
  readonly transport: object;
  readonly ws: WebSocketParts;
  readonly stream: Stream;
  readonly net: Net;
  readonly handle: Handle;
};

const OPEN = 1;
/** A polling client's packets wait between two polls; so many show that it has not come for a while. */
const WAITING_PACKETS = 8;

/** A socket with what a write to it needs, looked up once: at thousands of sockets every pointer that is followed is a cache miss. */
export class Line implements SocketHandle {
  readonly id: string;
  readonly conn: Conn;
  route: Route | null;
  /** The kernel's buffer was full: one frame waits in libuv, and nothing goes after it. */
  waiting = false;

  constructor(id: string, conn: Conn) {
    this.id = id;
    this.conn = conn;
    this.route = routeOf(conn.transport);
  }

  get backlogged(): boolean {
    return (
      this.waiting ||
      (this.route !== null && this.route.stream.length > 0) ||
      this.conn.writeBuffer.length > WAITING_PACKETS
    );
  }

  /**
   * Where a frame may be written to just now; null: another way has to be found. Whatever was handed to the socket before has left or
   * is in the stream already: nothing is overtaken.
   */
  open(): Route | null {
    const { conn } = this;
    // An upgrade from polling gives the connection another transport.
    if (this.route?.transport !== conn.transport) this.route = routeOf(conn.transport);
    const { route } = this;
    if (route === null || this.waiting || conn.writeBuffer.length > 0) return null;
    return route.ws._readyState === OPEN && route.stream.length === 0 ? route : null;
  }
}

/** null: a transport that is not a plain WebSocket over TCP with the fields that we know. */
function routeOf(transport: object): Route | null {
  if (at(transport, 'name') !== 'websocket') return null;
  const ws = at(transport, 'socket');
  const net = at(ws, '_socket');
  const stream = at(net, '_writableState');
  const handle = at(net, '_handle');
  const known =
    at(ws, '_readyState') === OPEN &&
    // A negotiated extension (compression) would have to be part of the frame. Without one, ws never keeps a frame back either.
    at(ws, 'extensions') === '' &&
    at(at(ws, '_sender'), '_state') === 0 &&
    typeof at(stream, 'length') === 'number' &&
    typeof at(net, 'destroy') === 'function' &&
    typeof at(handle, 'writeBuffer') === 'function' &&
    // TLS encrypts in JavaScript's stack: its handle is not written to behind its back.
    at(net, 'encrypted') !== true;
  if (!known) return null;
  return { transport, ws, stream, net, handle } as Route;
}

/** A private field, looked at without trusting that it is there. */
function at(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}

/** `true`: the frame is on its way, or its connection is dead and being closed. */
type DirectWrite = (line: Line, route: Route, frame: Buffer) => true;

/**
 * Writes to libuv's stream as net.Socket does, without its bookkeeping for each write: measured 0.85 µs of user space a frame
 * instead of 1.9 with `socket.write` and 4.1 with Socket.IO's emit. A request object is used again as long as writes end at once, and
 * whether one did is known from the same flag that Node itself reads. null: this Node does not show it.
 */
function directWriteOf(): DirectWrite | null {
  const binding = streamBinding();
  if (binding === null) return null;
  const { WriteRequest, flags, wasAsync } = binding;
  const make = (): WriteRequest => {
    const request = new WriteRequest();
    request.oncomplete = written;
    request.buffer = null;
    request.line = null;
    return request;
  };
  let spare = make();
  return (line, route, frame) => {
    const status = route.handle.writeBuffer(spare, frame);
    if (status !== 0) {
      route.net.destroy(new Error(`a frame could not be written (${status})`));
    } else if (flags[wasAsync] !== 0) {
      line.waiting = true;
      // Kept alive until the kernel has taken all of it.
      spare.buffer = frame;
      spare.line = line;
      spare = make();
    }
    return true;
  };
}

/** libuv has written the rest of a frame, or has given it up. */
function written(this: WriteRequest, status: number): void {
  const { line } = this;
  this.buffer = null;
  this.line = null;
  if (line === null) return;
  line.waiting = false;
  if (status < 0) line.route?.net.destroy(new Error(`a frame could not be written (${status})`));
}

function streamBinding(): { WriteRequest: WriteRequestClass; flags: ArrayLike<number>; wasAsync: number } | null {
  try {
    const bindingOf: unknown = Reflect.get(process, 'binding');
    if (typeof bindingOf !== 'function') return null;
    const binding: unknown = bindingOf.call(process, 'stream_wrap');
    const [WriteRequest, flags, wasAsync] = ['WriteWrap', 'streamBaseState', 'kLastWriteWasAsync'].map((name) =>
      at(binding, name),
    );
    if (typeof WriteRequest !== 'function' || typeof wasAsync !== 'number') return null;
    if (!ArrayBuffer.isView(flags) || typeof at(flags, String(wasAsync)) !== 'number') return null;
    return { WriteRequest: WriteRequest as WriteRequestClass, flags: flags as Int32Array, wasAsync };
  } catch {
    return null;
  }
}

/**
 * Writes one payload to many sockets of this node. Modes: emit (the beginning, and for ever if the check at the start fails): Socket.IO's
 * own way · direct: one pre-built frame to every WebSocket that has nothing waiting, Socket.IO's way for the others (long polling, an
 * upgrade under way, a connection that closes or is busy). Either way each socket gets the same packets in the same order.
 */
export class FrameWriter implements LevelWriter {
  readonly #io: Server;
  /** Encoded once for all slices, all members and all lanes that are given the same payload object. */
  readonly #frames = new WeakMap<object, Buffer>();
  #direct: DirectWrite | null = null;

  constructor(io: Server) {
    this.#io = io;
  }

  /** False: this Node does not allow it. */
  goDirect(): boolean {
    this.#direct = directWriteOf();
    return this.#direct !== null;
  }

  /** The handle to give to `write`. One for each socket is enough, whatever it joins. */
  lineOf(socket: AnySocket): Line {
    return new Line(socket.id, socket.conn as Conn);
  }

  write(sockets: readonly SocketHandle[], event: LaneEvent, payload: object): void {
    const direct = this.#direct;
    let others: string[] | null = null;
    if (direct === null) others = sockets.map(({ id }) => id);
    else {
      const frame = this.#frameOf(event, payload);
      for (const line of sockets) {
        const route = line instanceof Line ? line.open() : null;
        if (route !== null && line instanceof Line) direct(line, route, frame);
        else (others ??= []).push(line.id);
      }
    }
    // Without a name of a room this would go to everybody.
    if (others !== null && others.length > 0) this.#io.local.to(others).emit(event, payload);
  }

  #frameOf(event: LaneEvent, payload: object): Buffer {
    let frame = this.#frames.get(payload);
    if (frame === undefined) {
      frame = socketFrame(event, payload);
      this.#frames.set(payload, frame);
    }
    return frame;
  }
}
