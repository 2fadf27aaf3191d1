import { connect, type Socket } from 'node:net';
import { monotonicMs } from '../subjects/subject.ts';

export type WireSocketOptions = {
  readonly port: number;
  readonly path: string;
  /** A text message as it is on the wire. */
  readonly onText: (text: string, atMs: number) => void;
  /** The upgrade to a WebSocket is done. */
  readonly onOpen?: () => void;
  /** Not called after `destroy`. */
  readonly onClose?: () => void;
  /** Bytes that are read at once, 64 KiB unless told: small ones make a slow reader exact. */
  readonly chunkBytes?: number;
  /** Reads at most so fast. */
  readonly bytesPerSecond?: number;
};

/** A bare WebSocket over node:net that can stand still, or read as slowly as a phone on a bad network. */
export class WireSocket {
  bytes = 0;
  readonly #socket: Socket;
  readonly #options: WireSocketOptions;
  #upgraded = false;
  #unread: Buffer = Buffer.alloc(0);
  readonly #bytesPerSecond: number | null;
  #paused = false;
  #destroyed = false;

  constructor(options: WireSocketOptions) {
    this.#options = options;
    const { port, path, chunkBytes = 65_536, onClose } = options;
    this.#bytesPerSecond = options.bytesPerSecond ?? null;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(chunkBytes),
        callback: (size, buffer) => {
          this.#take(Buffer.from(buffer.subarray(0, size)));
          return true;
        },
      },
    });
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      if (!this.#destroyed) onClose?.();
    });
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  }

  send(text: string): void {
    this.#frame(1, Buffer.from(text));
  }

  /** Stops reading; what the kernel's buffers hold is what the network would hold. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  /** As a network that is gone. */
  destroy(): void {
    this.#destroyed = true;
    this.#socket.resetAndDestroy();
  }

  /** A client masks its frames; the mask 0 is one, and leaves the payload as it is. */
  #frame(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const head =
      length < 126
        ? Buffer.from([0x80 | opcode, 0x80 | length, 0, 0, 0, 0])
        : Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 255, 0, 0, 0, 0]);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#upgraded) {
      const end = this.#unread.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#unread = this.#unread.subarray(end + 4);
      this.#upgraded = true;
      this.#options.onOpen?.();
    }
    this.#takeFrames();
    if (this.#bytesPerSecond === null || this.#paused) return;
    this.#socket.pause();
    setTimeout(
      () => {
        if (!this.#paused) this.#socket.resume();
      },
      (chunk.length * 1_000) / this.#bytesPerSecond,
    );
  }

  #takeFrames(): void {
    const atMs = monotonicMs();
    for (;;) {
      const data = this.#unread;
      if (data.length < 2) return;
      const short = (data[1] ?? 0) & 127;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (data.length < head) return;
      const length = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
      if (data.length < head + length) return;
      const payload = data.subarray(head, head + length);
      this.#unread = data.subarray(head + length);
      const opcode = (data[0] ?? 0) & 15;
      if (opcode === 1) this.#options.onText(payload.toString('utf8'), atMs);
      else if (opcode === 9) this.#frame(10, payload);
      if (this.#destroyed) return;
    }
  }
}
