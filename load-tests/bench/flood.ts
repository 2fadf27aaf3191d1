import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { delay } from '../lib/limiter.ts';
import { endChild, pinned, root, type SubjectProcess } from './child-process.ts';

export type FloodStats = {
  readonly ready: number;
  readonly closed: number;
  readonly bytes: number;
  readonly frames: number;
  /** Frames of `stock:levels`. */
  readonly levels: number;
  readonly acks: number;
  readonly lostWrites: number;
  readonly cpuMs: number;
};
export type Spread = {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};
type Answers = {
  open: { ready: number; failed: number; retries: number; ms: number; timedOut: boolean };
  storm: Answers['open'] & { recoveryMs: Spread };
  reset: { ok: true };
  cover: { base: number };
  stats: FloodStats;
  /** `[upTo, when]` of every sampled frame. */
  samples: { samples: readonly (readonly [number, number])[] };
  /** `[version, viewers that have it, first of them, last of them]` */
  coverage: { coverage: readonly (readonly [number, number, number, number])[] };
  /** From now on, every viewer's first sight of a frame with this text is written down. */
  mark: { ok: true };
  marks: { of: number; markedAtMs: Spread };
  stall: { ok: true };
  unstall: { ok: true };
};

export type FloodOptions = {
  readonly count: number;
  /** `ours` acknowledges and joins with a token; `socket-io` only connects; `ws` speaks no Engine.IO. */
  readonly speaks: 'ours' | 'socket-io' | 'ws';
  readonly livestreamId?: string;
  readonly tokens?: readonly string[];
  /** Every n-th viewer writes down each frame's `upTo` and moment. */
  readonly sampleEvery?: number;
  /** Receive buffer of each socket in bytes; the kernel's own choice unless told. */
  readonly rcvbuf?: number;
  readonly parallel?: number;
  /** The best that there is, unless told. */
  readonly client?: LoadClient;
};

/** Thousands of viewers in a process of their own: see `flood/flood.c`, or `flood/flood.ts` where there is no C compiler. */
export class Flood {
  readonly count: number;
  readonly #child: ChildProcess;
  readonly #answers: { resolve(line: string): void; reject(error: Error): void }[] = [];
  readonly #folder: string;

  private constructor(count: number, child: ChildProcess, folder: string) {
    this.count = count;
    this.#child = child;
    this.#folder = folder;
    if (child.stdout === null) throw new Error('a flood has a standard output');
    createInterface({ input: child.stdout }).on('line', (line) => this.#answers.shift()?.resolve(line));
    const ended = (): void => {
      for (const waiter of this.#answers.splice(0)) waiter.reject(new Error('the load client has ended'));
    };
    child.once('exit', ended);
    child.stdin?.on('error', ended);
  }

  /** Opens every viewer; rejects when they are not all connected within a minute. */
  static async open(subject: { readonly port: number }, options: FloodOptions): Promise<Flood> {
    const folder = mkdtempSync(join(tmpdir(), 'stockcast-flood-'));
    const { count, speaks, livestreamId = 'bench', tokens, sampleEvery = 0, rcvbuf = 0 } = options;
    const args: Record<string, string | number> = {
      port: subject.port,
      count,
      mode: speaks === 'ws' ? 'ws' : 'sio',
      path: speaks === 'ws' ? '/' : '/socket.io/?EIO=4&transport=websocket',
      sampleEvery,
      rcvbuf,
      parallel: options.parallel ?? 200,
    };
    if (tokens !== undefined) {
      args['tokens'] = join(folder, 'tokens');
      writeFileSync(args['tokens'], `${tokens.join('\n')}\n`);
    }
    if (speaks === 'ours') {
      const joining = { livestreamId, protocolVersion: PROTOCOL_VERSION, lane: 'viewers' };
      const joinText = `420${JSON.stringify(['livestream:join', joining])}`;
      args['hello'] = '40{"token":"%T"}';
      args['join'] = joinText;
      args['rejoin'] = joinText.replace('}]', ',"resume":{"epoch":%E,"upTo":%U}}]');
      // As the product's own client does.
      args['ackEvery'] = 16;
      args['ackWithinMs'] = 1_000;
      args['ackText'] = `42["stock:ack",{"livestreamId":"${livestreamId}","frame":%F}]`;
    }
    const words = Object.entries(args).map(([name, value]) => `${name}=${value}`);
    const { command: program } = options.client ?? loadClient();
    const [command = '', ...rest] = pinned('load', [...program, ...words]);
    const child = spawn(command, rest, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
    const flood = new Flood(count, child, folder);
    const opened = await flood.ask('open');
    if (opened.timedOut || opened.failed > 0) {
      await flood.close();
      throw new Error(`only ${opened.ready} of ${count} viewers were let in (${opened.failed} refused)`);
    }
    return flood;
  }

  ask<Name extends keyof Answers>(name: Name, ...words: readonly (number | string)[]): Promise<Answers[Name]> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null)
        return reject(new Error(`the load client has ended with ${this.#child.exitCode}`));
      this.#answers.push({ resolve: (line) => resolve(JSON.parse(line) as Answers[Name]), reject });
      this.#child.stdin?.write(`${[name, ...words].join(' ')}\n`);
    });
  }

  /** Waits until nothing arrives any more: no further frame of levels within `quietMs`. */
  async untilQuiet(quietMs: number, withinMs = 60_000): Promise<FloodStats> {
    const endMs = performance.now() + withinMs;
    let last = await this.ask('stats');
    for (;;) {
      await delay(quietMs);
      const now = await this.ask('stats');
      if (now.levels === last.levels || performance.now() > endMs) return now;
      last = now;
    }
  }

  async close(): Promise<void> {
    await endChild(this.#child);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Viewers of ours, each with a token of its own, or of a rival. */
export async function openViewers(subject: SubjectProcess, options: Omit<FloodOptions, 'tokens'>): Promise<Flood> {
  const tokens = options.speaks === 'ours' ? await subject.call('tokens', options.count) : undefined;
  return Flood.open(subject, { ...options, ...(tokens === undefined ? {} : { tokens }) });
}

export type LoadClient = { readonly kind: 'c' | 'node'; readonly command: readonly string[] };
const nodeClient: LoadClient = {
  kind: 'node',
  command: [process.execPath, '--import', 'tsx', 'load-tests/flood/flood.ts'],
};
let clients: readonly LoadClient[] | undefined;

/** Every load client that this machine can run, the best first: in C where there is a compiler, and in Node at a higher cost. */
export function loadClients(): readonly LoadClient[] {
  if (clients !== undefined) return clients;
  const native = compiled();
  clients = native === null ? [nodeClient] : [native, nodeClient];
  return clients;
}

export const loadClient = (): LoadClient => loadClients()[0] ?? nodeClient;

function compiled(): LoadClient | null {
  if (process.platform !== 'linux') return null;
  const source = join(root, 'load-tests/flood/flood.c');
  const folder = join(root, '.cache');
  const binary = join(folder, 'flood');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(binary) || statSync(binary).mtimeMs < statSync(source).mtimeMs) {
    const made = ['cc', 'gcc', 'clang'].some(
      (compiler) => spawnSync(compiler, ['-O2', '-o', binary, source], { stdio: 'ignore' }).status === 0,
    );
    if (!made) return null;
  }
  return { kind: 'c', command: [binary] };
}
