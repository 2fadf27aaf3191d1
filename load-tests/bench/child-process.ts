import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { CallName, Calls, SubjectSettings } from '../subjects/subject.ts';

/** Server on one core, everything that loads it on the other. Without `taskset`, or with one core, the scheduler decides. */
const cores = { server: '0', load: '1', every: `0-${cpus().length - 1}` } as const;
const canPin = spawnSync('taskset', ['-c', cores.load, 'true']).status === 0;

export const pinned = (core: keyof typeof cores, command: readonly string[]): readonly string[] =>
  canPin ? ['taskset', '-c', cores[core], ...command] : command;

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Seconds of CPU that a process has used, all its threads together. */
export type CpuSeconds = { readonly user: number; readonly system: number; readonly total: number };

/** Of `/proc/<pid>/stat`, in ticks of 10 ms. */
export function cpuSecondsOf(pid: number): CpuSeconds {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [user, system] = [Number(fields[11]) / 100, Number(fields[12]) / 100];
  return { user, system, total: preciseCpuSeconds(pid) ?? user + system };
}

/** The scheduler's own account, in nanoseconds, of every thread; null where the kernel keeps none. */
function preciseCpuSeconds(pid: number): number | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const spent = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]));
    return spent.reduce((sum, one) => sum + one, 0) / 1e9;
  } catch {
    return null;
  }
}

export const cpuBetween = (before: CpuSeconds, after: CpuSeconds): CpuSeconds => ({
  user: after.user - before.user,
  system: after.system - before.system,
  total: after.total - before.total,
});

/** The bench itself, and with it every database that it starts, stays off the server's core. */
export function stayOffServerCore(): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', cores.load, String(process.pid)]);
}

/** Ends `stayOffServerCore`: several nodes and their databases share all cores with what loads them. */
export function useEveryCore(): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', cores.every, String(process.pid)]);
}

/** Moves a process that somebody else has started, with all its threads. */
export function moveToServerCore(pid: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', cores.server, String(pid)]);
}

/** A started child that ends with its parent. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(late);
}

type Start = readonly [file: string, settings?: Partial<SubjectSettings>];

/** A server under measurement in a process of its own. */
export class SubjectProcess {
  readonly name: string;
  readonly port: number;
  readonly settings: SubjectSettings;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #calls = 0;

  private constructor(name: string, settings: SubjectSettings, child: ChildProcess, port: number) {
    this.name = name;
    this.settings = settings;
    this.#child = child;
    this.port = port;
    child.on('message', (message: { id: number; result?: never; error?: string }) => {
      const waiter = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiter?.resolve(message.result as never);
      else waiter?.reject(new Error(`${name}: ${message.error}`));
    });
    child.once('exit', (code) => {
      for (const waiter of this.#waiting.values()) waiter.reject(new Error(`${name} has ended with ${code}`));
    });
  }

  /** Several at once, as nothing is measured yet. If one of them does not start none is left. */
  static async startAll<Starts extends readonly Start[]>(
    ...starts: Starts
  ): Promise<{ [Index in keyof Starts]: SubjectProcess }> {
    const settled = await Promise.allSettled(starts.map(([file, settings]) => SubjectProcess.start(file, settings)));
    const started = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed === undefined) return started as { [Index in keyof Starts]: SubjectProcess };
    await Promise.all(started.map((subject) => subject.stop()));
    throw failed.reason;
  }

  /**
   * `file`: of a subject under load-tests, as `rivals/socket-io.ts`. It starts on every core and then stays on the server's. Rejects with
   * what it said when it does not start.
   */
  static async start(file: string, settings: Partial<SubjectSettings> = {}): Promise<SubjectProcess> {
    const defaults = { livestreamId: 'bench', items: 6, redisUrl: null, databaseUrl: null, variant: '' };
    const all: SubjectSettings = { ...defaults, ...settings };
    const [command = '', ...args] = pinned('every', [
      process.execPath,
      '--expose-gc',
      '--import',
      'tsx',
      `load-tests/${file}`,
    ]);
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, NODE_ENV: 'production', SUBJECT: JSON.stringify(all) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message: { ready: number }) => resolve(message.ready));
      child.once('exit', (code) => reject(new Error(`${file} has ended with ${code}: ${said}`)));
    });
    moveToServerCore(child.pid ?? 0);
    return new SubjectProcess(file, all, child, port);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  cpu(): CpuSeconds {
    return cpuSecondsOf(this.pid);
  }

  call<Name extends CallName>(name: Name, argument?: unknown): Promise<Calls[Name]> {
    const id = (this.#calls += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, argument });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.send('stop', () => {});
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(late);
  }
}
