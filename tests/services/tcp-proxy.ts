import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Which way nothing moves: `requests` towards the target, `replies` back from it. */
export type StalledWay = 'both' | 'requests' | 'replies';

export type TcpProxy = {
  readonly port: number;
  /** Resets every connection and every new one, as a host that is reachable but closed. */
  cut(): void;
  /** New connections are let through again. */
  restore(): void;
  /** Nothing arrives any more and nothing is closed, as behind a firewall that drops packets; new connections wait too. */
  stall(way?: StalledWay): void;
  /** What was held back arrives, in order. */
  resume(): void;
  /** From now on every piece arrives this much later, in each direction; 0 ends it. */
  delayMs(ms: number): void;
  /** Leads new connections to another target; open ones stay where they are. */
  retarget(target: { readonly host: string; readonly port: number }): void;
  /** Connections that are open through it. */
  connections(): number;
  stop(): Promise<void>;
};

/** What one direction of a connection holds back at most; beyond it the sender is not read, as a real network would do. */
const heldBytesMax = 1_048_576;

/** A link that can fail: stands between a client and a server, on a port of its own. */
export async function startTcpProxy(options: {
  readonly target: { readonly host: string; readonly port: number };
  /** Default: a free one. */
  readonly port?: number;
}): Promise<TcpProxy> {
  const links = new Set<{ readonly client: Socket; readonly target: Socket; readonly ways: readonly Way[] }>();
  const weather: Weather = { stalled: null, delayMs: 0 };
  let target = options.target;
  let isCut = false;

  // Half-open is allowed: the end of one direction is passed on as such, after everything before it.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (isCut) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const ways = [new Way(client, upstream, 'requests', weather), new Way(upstream, client, 'replies', weather)];
    const link = { client, target: upstream, ways };
    links.add(link);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        // The other side may still have to hear what was sent before, unless this end was torn down.
        if (one.errored !== null || other.readableEnded) other.destroy();
        if (client.destroyed && upstream.destroyed) links.delete(link);
      });
    }
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  const resetAll = (): void => {
    for (const { client, target } of links) for (const socket of [client, target]) socket.resetAndDestroy();
    links.clear();
  };
  const move = (): void => {
    for (const { ways } of links) for (const way of ways) way.move();
  };
  return {
    port: address.port,
    cut() {
      isCut = true;
      resetAll();
    },
    restore() {
      isCut = false;
    },
    stall(way = 'both') {
      weather.stalled = way;
    },
    resume() {
      weather.stalled = null;
      move();
    },
    delayMs(ms) {
      weather.delayMs = ms;
    },
    retarget(other) {
      target = other;
    },
    connections: () => links.size,
    async stop() {
      resetAll();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

type Weather = { stalled: StalledWay | null; delayMs: number };

/** One direction of one connection: pieces in order, each no earlier than it is due. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #name: 'requests' | 'replies';
  readonly #weather: Weather;
  /** null: the sender has ended. */
  readonly #held: { readonly piece: Buffer | null; readonly dueAtMs: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, name: 'requests' | 'replies', weather: Weather) {
    this.#from = from;
    this.#to = to;
    this.#name = name;
    this.#weather = weather;
    from.on('data', (piece: Buffer) => this.#hold(piece));
    from.on('end', () => this.#hold(null));
    to.on('drain', () => this.move());
    for (const socket of [from, to]) socket.on('close', () => clearTimeout(this.#timer));
  }

  /** Passes on what is due and not held back. */
  move(): void {
    clearTimeout(this.#timer);
    const { stalled } = this.#weather;
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      if (stalled === 'both' || stalled === this.#name || this.#to.destroyed || this.#to.writableNeedDrain) return;
      const earlyMs = next.dueAtMs - performance.now();
      if (earlyMs > 0) {
        this.#timer = setTimeout(() => this.move(), earlyMs);
        return;
      }
      this.#held.shift();
      if (next.piece === null) this.#to.end();
      else {
        this.#heldBytes -= next.piece.length;
        this.#to.write(next.piece);
      }
    }
    if (this.#heldBytes < heldBytesMax) this.#from.resume();
  }

  #hold(piece: Buffer | null): void {
    this.#held.push({ piece, dueAtMs: performance.now() + this.#weather.delayMs });
    this.#heldBytes += piece?.length ?? 0;
    if (this.#heldBytes >= heldBytesMax) this.#from.pause();
    this.move();
  }
}
