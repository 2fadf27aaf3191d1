import { WebSocket } from 'ws';
import { Unanswered } from './api-client.ts';

/**
 * Socket.IO protocol 5 over Engine.IO 4, WebSocket only, default namespace, JSON only: what a load client needs and no more.
 * socket.io-client costs a load generator several times as much per socket and becomes the bottleneck before the server does.
 */
export type RawSocketOptions = {
  /** The server's address, as http://127.0.0.1:3000. */
  readonly url: string;
  readonly token: string;
  /** For the handshake and for each acknowledgement; 15,000 unless told. */
  readonly timeoutMs?: number;
};

type Waiter = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void };

/** First character of an Engine.IO packet, and of the Socket.IO packet inside a message. */
const engine = { open: '0', close: '1', ping: '2', pong: '3', message: '4' } as const;
const packet = { connect: '0', disconnect: '1', event: '2', ack: '3', connectError: '4' } as const;

export class RawSocket {
  readonly #socket: WebSocket;
  readonly #timeoutMs: number;
  readonly #listeners = new Map<string, (payload: unknown) => void>();
  readonly #waiting = new Map<number, Waiter & { readonly timer: NodeJS.Timeout }>();
  #nextId = 0;
  #connected: Waiter | null = null;
  #closed = false;
  #onClose: ((reason: string) => void) | null = null;

  private constructor(socket: WebSocket, token: string, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('message', (data, isBinary) => {
      if (!isBinary && Buffer.isBuffer(data)) this.#receive(data.toString('utf8'), token);
    });
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', (code) => this.#end(`closed (${code})`));
  }

  /** Resolves once the server has accepted the token. Rejects with `Unanswered`, also for a refused token. */
  static async connect({ url, token, timeoutMs = 15_000 }: RawSocketOptions): Promise<RawSocket> {
    const address = new URL('/socket.io/?EIO=4&transport=websocket', url);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address, { perMessageDeflate: false, handshakeTimeout: timeoutMs });
    const raw = new RawSocket(socket, token, timeoutMs);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => raw.#end(`no handshake within ${timeoutMs} ms`), timeoutMs);
      raw.#connected = {
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          socket.terminate();
          reject(error);
        },
      };
    });
    return raw;
  }

  /** One listener for each event; a second replaces the first. */
  on(event: string, listener: (payload: unknown) => void): void {
    this.#listeners.set(event, listener);
  }

  onClose(listener: (reason: string) => void): void {
    this.#onClose = listener;
  }

  get open(): boolean {
    return !this.#closed;
  }

  /** Without an acknowledgement. */
  emit(event: string, payload: unknown): void {
    if (!this.#closed) this.#socket.send(`42${JSON.stringify([event, payload])}`);
  }

  /** Resolves with the acknowledgement's first argument. Rejects with `Unanswered` when the socket closes or time runs out. */
  ask(event: string, payload: unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new Unanswered(`${event}: the socket is closed`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Unanswered(`${event}: no acknowledgement within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(`42${id}${JSON.stringify([event, payload])}`);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#onClose = null;
    this.#socket.send('41');
    this.#socket.close();
    this.#end('closed by this client');
  }

  #receive(text: string, token: string): void {
    switch (text[0]) {
      case engine.open:
        this.#socket.send(`40${JSON.stringify({ token })}`);
        return;
      case engine.ping:
        this.#socket.send(engine.pong);
        return;
      case engine.close:
        this.#socket.close();
        return;
      case engine.message:
        this.#receivePacket(text);
        return;
      default:
    }
  }

  #receivePacket(text: string): void {
    switch (text[1]) {
      case packet.connect:
        this.#connected?.resolve(undefined);
        this.#connected = null;
        return;
      case packet.connectError:
        this.#end(`refused: ${text.slice(2, 300)}`);
        return;
      case packet.disconnect:
        this.#socket.close();
        this.#end('disconnected by the server');
        return;
      case packet.event: {
        const [event, payload] = arrayOf(text, text.indexOf('['));
        if (typeof event === 'string') this.#listeners.get(event)?.(payload);
        return;
      }
      case packet.ack: {
        const start = text.indexOf('[');
        const id = Number(text.slice(2, start));
        const waiter = this.#waiting.get(id);
        if (waiter === undefined) return;
        this.#waiting.delete(id);
        clearTimeout(waiter.timer);
        waiter.resolve(arrayOf(text, start)[0]);
        return;
      }
      default:
    }
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = new Unanswered(`socket ${reason}`);
    this.#connected?.reject(error);
    this.#connected = null;
    for (const waiter of this.#waiting.values()) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
    this.#waiting.clear();
    this.#onClose?.(reason);
  }
}

function arrayOf(text: string, start: number): unknown[] {
  const parsed: unknown = JSON.parse(text.slice(start));
  return Array.isArray(parsed) ? parsed : [];
}
