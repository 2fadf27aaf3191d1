import { connect, type Socket } from 'node:net';
import { WireSocket } from '../flood/wire-socket.ts';

/** One buyer's connection, with at most one order under way. */
export type OrderClient = {
  /** Resolves when the server has answered; rejects for any answer but an accepted order. */
  order(body: string): Promise<void>;
  close(): void;
};

type Waiter = { resolve(): void; reject(error: Error): void };

/**
 * HTTP/1.1 on a bare socket with keep-alive: `node:http` costs a load generator more per request than our server spends on an order,
 * and the generator would be measured.
 */
export class HttpOrderClient implements OrderClient {
  readonly #socket: Socket;
  readonly #head: string;
  #unread = '';
  #waiter: Waiter | null = null;

  constructor(port: number, path: string, token: string) {
    this.#head =
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
      'Content-Type: application/json\r\nContent-Length: ';
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setEncoding('latin1').on('data', (text) => this.#take(String(text)));
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  order(body: string): Promise<void> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the connection was closed'));
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#socket.write(`${this.#head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.#waiter = null;
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#unread += text;
    const headEnd = this.#unread.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#unread.slice(0, headEnd))?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) return this.#end(new Error('an answer without a length'));
    if (this.#unread.length < headEnd + 4 + length) return;
    const answer = this.#unread;
    this.#unread = '';
    const waiter = this.#waiter;
    this.#waiter = null;
    if (answer.startsWith('HTTP/1.1 201')) waiter?.resolve();
    else
      waiter?.reject(
        new Error(`an order was refused: ${answer.slice(0, 12)} ${answer.slice(headEnd + 4, headEnd + 300)}`),
      );
  }

  #end(error: Error): void {
    this.#waiter?.reject(error);
    this.#waiter = null;
  }
}

/** A buyer who holds a socket orders over it. */
export class SocketOrderClient implements OrderClient {
  readonly #socket: WireSocket;
  readonly #livestreamId: string;
  #waiter: Waiter | null = null;
  #made = 0;

  private constructor(port: number, livestreamId: string, token: string, entered: () => void) {
    this.#livestreamId = livestreamId;
    this.#socket = new WireSocket({
      port,
      path: '/socket.io/?EIO=4&transport=websocket',
      onText: (text) => {
        if (text === '2') this.#socket.send('3');
        else if (text.startsWith('0')) this.#socket.send(`40{"token":"${token}"}`);
        else if (text.startsWith('40')) entered();
        else if (text.startsWith('43')) this.#answered(text);
      },
      onClose: () => this.#waiter?.reject(new Error('the socket was closed')),
    });
  }

  static connect(port: number, livestreamId: string, token: string): Promise<SocketOrderClient> {
    return new Promise((resolve) => {
      const client: SocketOrderClient = new SocketOrderClient(port, livestreamId, token, () => resolve(client));
    });
  }

  /** `body`: as over HTTP; the livestream's id is added. */
  order(body: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#made += 1;
      this.#socket.send(`42${this.#made}["order:place",{"livestreamId":"${this.#livestreamId}",${body.slice(1)}]`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #answered(text: string): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (text.includes('"ok":true')) waiter?.resolve();
    else waiter?.reject(new Error(`an order was refused: ${text.slice(0, 300)}`));
  }
}

/** So many orders under way all the time, each on the connection that has rested longest. Resolves with how many were accepted. */
export async function orderInTurns(
  clients: readonly OrderClient[],
  underWay: number,
  durationMs: number,
  bodyOf: (index: number) => string,
): Promise<number> {
  const resting = [...clients];
  const endMs = performance.now() + durationMs;
  let [made, accepted] = [0, 0];
  const loop = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const client = resting.shift();
      if (client === undefined) throw new Error('fewer connections than orders under way');
      made += 1;
      await client.order(bodyOf(made));
      accepted += 1;
      resting.push(client);
    }
  };
  await Promise.all(Array.from({ length: underWay }, loop));
  return accepted;
}
