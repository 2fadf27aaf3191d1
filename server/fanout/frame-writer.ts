import type { Server, Socket } from 'socket.io';
import type { SocketHandle } from './members.ts';
import type { LaneEvent, LevelWriter } from './segment.ts';
import { socketFrame } from './socket-frame.ts';

/**
 * The one file that writes past socket.io, engine.io, ws and Node's streams; its test names the versions it was verified with, and
 * `checkFrameWriter` tries it at every start on a real connection. For reading, `realtime/direct-reads.ts` is its like.
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

/** What a write to one open WebSocket looks at. */
type Route = { readonly ws: WebSocketParts; readonly stream: Stream; readonly net: Net; readonly handle: Handle };

const OPEN = 1;
/** A polling client's packets wait between two polls; so many show that it has not come for a while. */
const WAITING_PACKETS = 8;

/**
 * A socket with what a write to it needs, looked up once and held flat: at thousands of sockets every pointer that is followed is a
 * cache miss.
 */
export class Line implements SocketHandle {
  readonly id: string;
  readonly #conn: Conn;
  /** The transport that the fields below belong to; null: it has no short way. */
  #transport: object | null = null;
  #ws: WebSocketParts | null = null;
  #stream: Stream | null = null;
  #net: Net | null = null;
  #handle: Handle | null = null;
  #waiting = false;

  constructor(id: string, conn: Conn) {
    this.id = id;
    this.#conn = conn;
    this.#lookUp();
  }

  /** Whether the connection has a short way, free or not. */
  get direct(): boolean {
    return this.#transport !== null;
  }

  /** The kernel's buffer was full: one frame waits in libuv, and nothing goes after it. */
  get waiting(): boolean {
    return this.#waiting;
  }

  get backlogged(): boolean {
    return this.#waiting || (this.#stream?.length ?? 0) > 0 || this.#conn.writeBuffer.length > WAITING_PACKETS;
  }

  /**
   * Whether a frame may be written just now; false: another way has to be found. Whatever was handed to the socket before has left or
   * is in the stream already: nothing is overtaken.
   */
  open(): boolean {
    // An upgrade from polling gives the connection another transport.
    if (this.#transport !== this.#conn.transport) this.#lookUp();
    return (
      !this.#waiting &&
      this.#conn.writeBuffer.length === 0 &&
      this.#ws?._readyState === OPEN &&
      this.#stream?.length === 0
    );
  }

  /** Only right after `open()`. Returns what libuv says. */
  write(request: WriteRequest, frame: Buffer): number {
    return this.#handle?.writeBuffer(request, frame) ?? notConnected;
  }

  /** The kernel has taken only a part of the last frame. */
  wait(): void {
    this.#waiting = true;
  }

  goOn(): void {
    this.#waiting = false;
  }

  destroy(status: number): void {
    this.#net?.destroy(new Error(`a frame could not be written (${status})`));
  }

  #lookUp(): void {
    const { transport } = this.#conn;
    const route = routeOf(transport);
    this.#transport = route === null ? null : transport;
    this.#ws = route?.ws ?? null;
    this.#stream = route?.stream ?? null;
    this.#net = route?.net ?? null;
    this.#handle = route?.handle ?? null;
  }
}

/** libuv's UV_ENOTCONN. */
const notConnected = -107;

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
  return { ws, stream, net, handle } as Route;
}

/** A private field, looked at without trusting that it is there. */
function at(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}

/** Afterwards the frame is on its way, or its connection is dead and being closed. */
type DirectWrite = (line: Line, frame: Buffer) => void;

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
  return (line, frame) => {
    const status = line.write(spare, frame);
    if (status !== 0) {
      line.destroy(status);
    } else if (flags[wasAsync] !== 0) {
      line.wait();
      // Kept alive until the kernel has taken all of it.
      spare.buffer = frame;
      spare.line = line;
      spare = make();
    }
  };
}

/** libuv has written the rest of a frame, or has given it up. */
function written(this: WriteRequest, status: number): void {
  const { line } = this;
  this.buffer = null;
  this.line = null;
  if (line === null) return;
  line.goOn();
  if (status < 0) line.destroy(status);
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
    const others = this.#direct === null ? sockets.map(({ id }) => id) : this.#writeDirectly(sockets, event, payload);
    // Without a name of a room this would go to everybody.
    if (others.length > 0) this.#io.local.to(others).emit(event, payload);
  }

  /**
   * Returns the ids of those that have no short way just now. First looks at all, then writes: what is looked at comes from all over the
   * memory, and a processor waits for several of these at once if no system call lies between them. No JavaScript of others runs here.
   */
  #writeDirectly(sockets: readonly SocketHandle[], event: LaneEvent, payload: object): string[] {
    const open: Line[] = [];
    const others: string[] = [];
    for (const line of sockets) {
      if (line instanceof Line && line.open()) open.push(line);
      else others.push(line.id);
    }
    if (open.length === 0) return others;
    const frame = this.#frameOf(event, payload);
    for (const line of open) {
      if (line.waiting) others.push(line.id);
      else this.#direct?.(line, frame);
    }
    return others;
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
