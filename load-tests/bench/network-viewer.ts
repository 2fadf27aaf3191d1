import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { WireSocket } from '../flood/wire-socket.ts';

export type NetworkViewerOptions = {
  readonly port: number;
  readonly livestreamId: string;
  /** null: the rival's server, with Socket.IO's own recovery of what was missed. */
  readonly token: string | null;
};

/** Half a megabit a second: a phone at the edge of its cell. */
const slow = { bytesPerSecond: 65_536, chunkBytes: 2_048 };

/**
 * One viewer on a slow network that stalls or goes away. Of ours it follows the contract: acknowledges every eighth frame and after a
 * second, and comes back with `resume`; of the rival's, Socket.IO's protocol: comes back with its session and the last offset.
 */
export class NetworkViewer {
  /** Newest change that is shown. */
  upTo = 0;
  frames = 0;
  onFrame: (atMs: number) => void = () => {};
  readonly #options: NetworkViewerOptions;
  #socket: WireSocket | null = null;
  #epoch = -1;
  #frame = 0;
  #acked = 0;
  #session: { pid: string; offset: string } | null = null;
  #joined: (() => void) | null = null;
  readonly #timer: NodeJS.Timeout;

  constructor(options: NetworkViewerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#acknowledge(), 1_000);
  }

  /** Resolves when the server has let it in. */
  connect(): Promise<void> {
    const { port } = this.#options;
    // Frame numbers are the connection's own; an acknowledgement of the last one's, before this one is let in, would end it.
    this.#frame = 0;
    this.#acked = 0;
    return new Promise((resolve) => {
      this.#joined = resolve;
      this.#socket = new WireSocket({
        port,
        path: '/socket.io/?EIO=4&transport=websocket',
        onText: (text, atMs) => this.#take(text, atMs),
        onClose: () => void setTimeout(() => void this.connect().then(resolve), 100),
        ...slow,
      });
    });
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  disconnect(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  close(): void {
    clearInterval(this.#timer);
    this.disconnect();
  }

  #take(text: string, atMs: number): void {
    if (text === '2') this.#socket?.send('3');
    else if (text.startsWith('0')) this.#socket?.send(`40${JSON.stringify(this.#greeting())}`);
    else if (text.startsWith('40')) this.#entered(text);
    else if (text.startsWith('430')) this.#joined?.();
    else if (text.startsWith('42[')) this.#event(JSON.parse(text.slice(2)) as unknown[], atMs);
  }

  #greeting(): object {
    const { token } = this.#options;
    return token === null ? (this.#session ?? {}) : { token };
  }

  #entered(text: string): void {
    const { livestreamId, token } = this.#options;
    if (token === null) {
      const { pid } = JSON.parse(text.slice(2)) as { pid?: string };
      if (pid !== undefined && pid !== this.#session?.pid) this.#session = { pid, offset: '' };
      this.#joined?.();
      return;
    }
    const resume = this.#epoch < 0 ? {} : { resume: { epoch: this.#epoch, upTo: this.upTo } };
    const joining = { livestreamId, protocolVersion: PROTOCOL_VERSION, lane: 'viewers', ...resume };
    this.#socket?.send(`420${JSON.stringify(['livestream:join', joining])}`);
  }

  #event([event, payload, offset]: unknown[], atMs: number): void {
    // Socket.IO adds the offset of its recovery as a last argument.
    if (this.#session !== null && typeof offset === 'string') this.#session.offset = offset;
    if (event !== 'stock:levels' && event !== 'stock:snapshot') return;
    const { epoch, frame, upTo } = payload as { epoch: number; frame: number; upTo?: number };
    this.frames += 1;
    this.#epoch = epoch;
    this.#frame = frame;
    // A page that only knows events shows what came last; ours orders by version (V1).
    if (upTo !== undefined) this.upTo = this.#options.token === null ? upTo : Math.max(this.upTo, upTo);
    if (event === 'stock:snapshot') this.#acked = frame;
    if (frame - this.#acked >= 8) this.#acknowledge();
    this.onFrame(atMs);
  }

  #acknowledge(): void {
    const { token, livestreamId } = this.#options;
    if (token === null || this.#frame <= this.#acked) return;
    this.#acked = this.#frame;
    this.#socket?.send(`42${JSON.stringify(['stock:ack', { livestreamId, frame: this.#frame }])}`);
  }
}
