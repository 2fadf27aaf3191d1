import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Another server that speaks the same protocol can be tried with all tests: `STOCKCAST_TEST_REDIS=valkey-server`. */
// oxlint-disable-next-line no-process-env -- which program stands in for Redis is a setting of the machine that tests
const program = process.env['STOCKCAST_TEST_REDIS'] ?? 'redis-server';

/** A server of the tests' own on a free port; a sentinel is one with `sentinel` lines. Nothing outlives `kill`. */
export class RedisProcess {
  readonly port: number;
  readonly #args: readonly string[];
  readonly #password: string | null;
  #server: ChildProcess | null = null;

  private constructor(port: number, args: readonly string[], password: string | null) {
    this.port = port;
    this.#args = args;
    this.#password = password;
  }

  /** Resolves when it answers. `directory` is the caller's to remove. */
  static async start(options: {
    readonly directory: string;
    readonly settings: Readonly<Record<string, string>>;
    readonly sentinel?: readonly string[];
    readonly port?: number;
    /** What the settings ask of whoever comes. */
    readonly password?: string;
  }): Promise<RedisProcess> {
    const { directory, settings, sentinel } = options;
    const port = options.port ?? (await freePort());
    const all: Record<string, string> = { port: String(port), bind: '127.0.0.1', loglevel: 'warning', ...settings };
    let args: readonly string[] = Object.entries({ ...all, dir: directory }).flatMap(([name, value]) => [
      `--${name}`,
      value,
    ]);
    if (sentinel !== undefined) {
      // A sentinel writes what it learns into its own file.
      const file = join(directory, `sentinel-${port}.conf`);
      await writeFile(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`, ...sentinel, ''].join('\n'));
      args = [file, '--sentinel'];
    }
    const started = new RedisProcess(port, args, options.password ?? null);
    await started.start();
    return started;
  }

  /** Starts again after `kill`, on the same port, with what it had on disk. */
  async start(): Promise<void> {
    const server = spawn(program, this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#server = server;
    let output = '';
    for (const stream of [server.stdout, server.stderr]) stream?.on('data', (data) => (output += String(data)));
    const failed = new Promise<never>((_, reject) => {
      server.once('error', (cause) =>
        reject(new Error(`${program} does not start; install it: apt-get install redis-server`, { cause })),
      );
      server.once('exit', (code) => reject(new Error(`${program} has ended with ${code}: ${output}`)));
    });
    // Only the start is waited for; that it ends later is what tests do.
    failed.catch(() => {});
    await Promise.race([this.#answers(), failed]);
  }

  get isRunning(): boolean {
    return this.#server !== null && this.#server.exitCode === null && this.#server.signalCode === null;
  }

  /** SIGKILL: nothing is said, nothing is saved. Nothing if it does not run. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === null || !this.isRunning) return;
    const exited = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await exited;
  }

  /** Stops answering without closing a connection (SIGSTOP), as a hung machine does. */
  pause(): void {
    this.#server?.kill('SIGSTOP');
  }

  resume(): void {
    this.#server?.kill('SIGCONT');
  }

  /** One inline command, as `DEL key`; resolves with the raw reply. */
  command(line: string): Promise<string> {
    return ask(this.port, line, this.#password);
  }

  /** The same; resolves with the lines of a reply that is text or a list of texts. Rejects on an error reply. */
  async lines(line: string): Promise<readonly string[]> {
    const reply = await this.command(line);
    if (reply.startsWith('-')) throw new Error(`${line}: ${reply.split('\r\n')[0]}`);
    return reply.split(/\r?\n/).filter((each) => !/^[*$]-?\d+$/.test(each) && each !== '');
  }

  async #answers(): Promise<void> {
    for (let attempt = 0; attempt < 800; attempt += 1) {
      const reply = await this.command('PING').catch(() => '');
      if (reply.startsWith('+PONG')) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`${program} on port ${this.port} does not answer within 20 s`);
  }
}

/** Sends one command over a connection of its own; resolves with the reply as it came. */
function ask(port: number, line: string, password: string | null): Promise<string> {
  const login = password === null ? '' : `AUTH ${password}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${login}${line}\r\n`));
    let text = '';
    // Lengths are of bytes; latin1 has one character for each.
    socket.setEncoding('latin1').on('data', (data) => {
      text += String(data);
      const begin = login === '' ? 0 : endOfReply(text, 0);
      const end = begin === null ? null : endOfReply(text, begin);
      if (begin === null || end === null) return;
      socket.destroy();
      resolve(Buffer.from(text.slice(begin, end), 'latin1').toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} has closed the connection`)));
  });
}

/** The index after the reply that begins at `from`; null while a part of it is missing. */
function endOfReply(text: string, from: number): number | null {
  const lineEnd = text.indexOf('\r\n', from);
  if (lineEnd < 0) return null;
  const after = lineEnd + 2;
  const count = Number(text.slice(from + 1, lineEnd));
  if (text[from] === '$') {
    const end = count < 0 ? after : after + count + 2;
    return end <= text.length ? end : null;
  }
  if (text[from] !== '*') return after;
  let end: number | null = after;
  for (let part = 0; part < count && end !== null; part += 1) end = endOfReply(text, end);
  return end;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** Looks again until it is so. Rejects with `what` after 60 s: machines that run tests are sometimes slow. */
export async function soonTrue(what: string, condition: () => Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + 60_000;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > untilMs) throw new Error(`not within 60 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
