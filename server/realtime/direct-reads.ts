import type { AckTaker } from './packets.ts';

/**
 * Reading past Node's streams, ws and engine.io, for the one packet that every viewer sends all the time. Reaches into private parts of
 * all three, as `fanout/frame-writer.ts` does for writing: `checkDirectReads` tries it at every start on a real connection, and without
 * it everything is read in the ordinary way.
 */

const reading = Symbol('reading');
/** Parts of one open WebSocket that say whether a frame may be taken before those who wait for it. */
type Net = {
  [reading]?: Reading;
  push(chunk: Buffer): boolean;
  readonly _readableState: { readonly flowing: boolean | null; readonly length: number };
};
type WebSocketParts = { readonly _readyState: number; readonly _receiver: Receiver };
type Receiver = {
  readonly _state: number;
  readonly _opcode: number;
  readonly _fragmented: number;
  readonly _bufferedBytes: number;
  readonly _writableState: { readonly length: number };
  _mask: unknown;
};
type Conn = {
  readonly transport: object;
  readonly readyState: string;
  readonly pingTimeoutTimer: unknown;
  readonly hasRefreshedPingTimeout: boolean;
};
type Reading = {
  readonly conn: Conn;
  readonly transport: object;
  readonly ws: WebSocketParts;
  readonly acks: AckTaker;
};

const OPEN = 1;
const GET_INFO = 0;
const CLOSE = 8;
/** libuv reads at most so much at once; one buffer serves all sockets, because what is in it is worked off before the next reading. */
const bufferBytes = 65_536;

/** A private field, looked at without trusting that it is there. */
function at(holder: unknown, name: string | symbol): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}

/**
 * Takes acknowledgements of frames out of what sockets receive. Node's own `onread` (one buffer instead of one for each reading) is made
 * to work for connections that came in through an HTTP server. Measured: an acknowledgement costs 12 µs through all layers and 3 so.
 * Also, ws keeps a view of the last chunk that it read, and with it all of its memory, for as long as a connection lives: here it is let go.
 */
export class DirectReads {
  readonly #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  readonly #text = Buffer.allocUnsafeSlow(128);
  readonly #taken: (this: Net, length: number) => boolean;
  readonly #parse = ackParser();
  #direct = false;

  constructor() {
    const take = (net: Net, length: number): boolean => this.#take(net, length);
    // Node calls it with the socket as `this`: one function for all connections.
    this.#taken = function taken(this: Net, length: number): boolean {
      return take(this, length);
    };
  }

  /** Until then everything is read in the ordinary way. */
  goDirect(): void {
    this.#direct = true;
  }

  /** From now on this socket's acknowledgements go to `acks` at once. False: it is read in the ordinary way. */
  attach(socket: { readonly conn: object }, acks: AckTaker): boolean {
    if (!this.#direct) return false;
    const conn = socket.conn as Conn;
    const { transport } = conn;
    const ws = at(transport, 'socket');
    const [net, receiver] = [at(ws, '_socket'), at(ws, '_receiver')];
    const handle = at(net, '_handle');
    const useUserBuffer = at(handle, 'useUserBuffer');
    const symbols = readingSymbols(net);
    const known =
      at(transport, 'name') === 'websocket' &&
      at(ws, 'extensions') === '' &&
      at(net, 'encrypted') !== true &&
      typeof at(conn, 'hasRefreshedPingTimeout') === 'boolean' &&
      ['_state', '_opcode', '_fragmented', '_bufferedBytes'].every((name) => typeof at(receiver, name) === 'number') &&
      typeof at(at(receiver, '_writableState'), 'length') === 'number' &&
      typeof useUserBuffer === 'function' &&
      symbols !== null;
    if (!known) return false;
    (net as Net)[reading] = { conn, transport, ws: ws as WebSocketParts, acks };
    Reflect.set(net as object, symbols.buffer, this.#buffer);
    Reflect.set(net as object, symbols.callback, this.#taken);
    Reflect.apply(useUserBuffer, handle, [this.#buffer]);
    return true;
  }

  #take(net: Net, length: number): boolean {
    const known = net[reading];
    if (known !== undefined && this.#isAck(known, net, length)) return true;
    // The buffer is the next socket's in a moment.
    const chunk = Buffer.allocUnsafeSlow(length);
    this.#buffer.copy(chunk, 0, 0, length);
    const goOn = net.push(chunk);
    const receiver = known?.ws._receiver;
    if (receiver !== undefined && isIdle(receiver)) receiver._mask = undefined;
    return goOn;
  }

  /** Exactly one whole frame that holds an acknowledgement, on a connection on which nothing else is under way. */
  #isAck({ conn, transport, ws, acks }: Reading, net: Net, length: number): boolean {
    const [buffer, text] = [this.#buffer, this.#text];
    const textLength = (buffer[1] ?? 0) - masked;
    if (buffer[0] !== finalText || textLength <= 0 || textLength > 125 || length !== textLength + 6) return false;
    for (let index = 0; index < textLength; index += 1) {
      text[index] = (buffer[6 + index] ?? 0) ^ (buffer[2 + (index & 3)] ?? 0);
    }
    const ack = this.#parse(text, textLength);
    if (ack === null) return false;
    const { flowing, length: unread } = net._readableState;
    const nothingElse =
      flowing === true &&
      unread === 0 &&
      ws._readyState === OPEN &&
      isIdle(ws._receiver) &&
      conn.transport === transport &&
      conn.readyState === 'open' &&
      // While a pong is awaited, the first packet proves that the client lives: engine.io has to see it.
      (conn.pingTimeoutTimer === null || conn.hasRefreshedPingTimeout);
    return nothingElse && acks.takeAck(ack.livestreamId, ack.frame);
  }
}

const finalText = 0x81;
const masked = 0x80;

const isIdle = ({ _state, _opcode, _fragmented, _bufferedBytes, _writableState }: Receiver): boolean =>
  _state === GET_INFO && _opcode !== CLOSE && _fragmented === 0 && _bufferedBytes === 0 && _writableState.length === 0;

type ReadingSymbols = { readonly buffer: symbol; readonly callback: symbol };

/** The fields of a socket that `onread` fills; null: this Node has others, or the socket is read in that way already. */
function readingSymbols(net: unknown): ReadingSymbols | null {
  if (typeof net !== 'object' || net === null) return null;
  const own = Object.getOwnPropertySymbols(net);
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    own.find(({ description }) => description === name),
  );
  if (buffer === undefined || callback === undefined || generator === undefined) return null;
  if ([buffer, callback, generator].some((symbol) => at(net, symbol) !== null)) return null;
  return { buffer, callback };
}

type Ack = { readonly livestreamId: string; readonly frame: number };
type AckParser = (text: Buffer, length: number) => Ack | null;

/**
 * Reads exactly what JSON.stringify makes of the contract's `stock:ack` that asks for no answer, as `packets.ts` does; everything else
 * is null. Without a string for each packet: nearly all of a node's viewers name the same livestream.
 */
export function ackParser(): AckParser {
  const [before, between, after] = ['42["stock:ack",{"livestreamId":"', '","frame":', '}]'].map((part) =>
    Buffer.from(part),
  ) as [Buffer, Buffer, Buffer];
  let known = { bytes: Buffer.alloc(0), text: '' };
  return (text, length) => {
    if (!holds(text, 0, before)) return null;
    const from = before.length;
    let idLength = 0;
    while (idLength <= idMax && isIdByte(text[from + idLength] ?? 0)) idLength += 1;
    const digits = from + idLength + between.length;
    const end = length - after.length;
    const digitCount = end - digits;
    if (idLength === 0 || idLength > idMax || digitCount < 1 || digitCount > 15) return null;
    if (!holds(text, from + idLength, between) || !holds(text, end, after)) return null;
    let frame = 0;
    for (let index = digits; index < end; index += 1) {
      const digit = (text[index] ?? 0) - 48;
      if (digit < 0 || digit > 9) return null;
      frame = frame * 10 + digit;
    }
    if (known.bytes.length !== idLength || !holds(text, from, known.bytes)) {
      const bytes = Buffer.from(text.subarray(from, from + idLength));
      known = { bytes, text: bytes.toString('latin1') };
    }
    return { livestreamId: known.text, frame };
  };
}

const idMax = 64;

function holds(text: Buffer, from: number, part: Buffer): boolean {
  for (let index = 0; index < part.length; index += 1) if (text[from + index] !== part[index]) return false;
  return true;
}

/** `[\w.-]` */
const isIdByte = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) ||
  (byte >= 65 && byte <= 90) ||
  (byte >= 97 && byte <= 122) ||
  byte === 95 ||
  byte === 46 ||
  byte === 45;
