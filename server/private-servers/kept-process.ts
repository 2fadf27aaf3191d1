import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod';
import { CannotStart } from '../lib/cannot-start.ts';
import type { Log } from '../lib/log.ts';
import { processStart } from '../lib/process-start.ts';

export type KeptProcess = {
  /** Of the process that runs now; 0 between two. */
  readonly pid: number;
  /** Ends it as it likes to be ended, and waits. Idempotent. */
  stop(): Promise<void>;
};

/** What is known of a server before it runs. */
export type ProcessKind = {
  /** For people: `Redis`, `PostgreSQL`. */
  readonly name: string;
  /** The signal at which it saves everything and leaves. */
  readonly stopSignal: NodeJS.Signals;
  /** How long it may take for that; then it is killed. */
  readonly stopWithinMs: number;
};

export type KeptProcessOptions = {
  readonly kind: ProcessKind;
  /** Its own folder. Its process is remembered there, so that one whose parent was killed is found before another opens the same files. */
  readonly folder: string;
  /** Starts it; its standard output and error are `output`: `server.log` in its folder, which outlives us. */
  readonly launch: (output: number) => ChildProcess;
  /** Resolves when it answers, or when nobody waits for that any more. */
  readonly untilAnswering: (givenUp: AbortSignal) => Promise<void>;
  readonly log: Log;
};

const startWithinMs = 60_000;
/** The processes of a killed PostgreSQL hold its memory for a moment, in which a new one is refused. */
const firstAttempts = 3;
const logBytesMax = 20_000_000;
const pauseMinMs = 500;
const pauseMaxMs = 15_000;
/** Who ran for so long starts again at once when it ends. */
const stableMs = 60_000;

/**
 * Runs a server as a child and keeps it running: if it ends by itself it is started again, after pauses that double. It is a process group of
 * its own, so that Ctrl-C in a terminal does not end it before those who still need it. Rejects with `CannotStart` if it does not start.
 */
export async function keepRunning(options: KeptProcessOptions): Promise<KeptProcess> {
  const { kind, log } = options;
  const { name } = kind;
  let child = await launchPatiently(options);
  let stopping = false;
  const giveUp = new AbortController();

  const watch = async (): Promise<void> => {
    let pauseMs = pauseMinMs;
    for (;;) {
      const startedAtMs = Date.now();
      await exitOf(child);
      if (stopping) return;
      if (Date.now() - startedAtMs > stableMs) pauseMs = pauseMinMs;
      log.error({ code: child.exitCode, signal: child.signalCode, againInMs: pauseMs }, `${name} has ended by itself`);
      await wait(pauseMs, undefined, { signal: giveUp.signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMaxMs, pauseMs * 2);
      if (stopping) return;
      try {
        child = await launch(options);
        log.info({ pid: child.pid }, `${name} runs again`);
      } catch (error) {
        log.error({ err: error }, `${name} does not start again`);
      }
    }
  };
  const watching = watch();

  return {
    get pid() {
      return hasEnded(child) ? 0 : (child.pid ?? 0);
    },
    async stop() {
      stopping = true;
      giveUp.abort();
      if (!hasEnded(child)) child.kill(kind.stopSignal);
      const killer = setTimeout(() => child.kill('SIGKILL'), kind.stopWithinMs);
      await watching;
      // It may have been started in the very moment of the stop.
      if (!hasEnded(child)) child.kill(kind.stopSignal);
      await exitOf(child);
      clearTimeout(killer);
      rmSync(recordOf(options.folder), { force: true });
    },
  };
}

async function launchPatiently(options: KeptProcessOptions): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launch(options);
    } catch (error) {
      if (attempt === firstAttempts) throw error;
      await wait(pauseMinMs);
    }
  }
}

async function launch(options: KeptProcessOptions): Promise<ChildProcess> {
  const { untilAnswering, folder } = options;
  const logFile = join(folder, 'server.log');
  if (existsSync(logFile) && statSync(logFile).size > logBytesMax) renameSync(logFile, `${logFile}.old`);
  const output = openSync(logFile, 'a', 0o600);
  const saidBefore = statSync(logFile).size;
  const child = options.launch(output);
  closeSync(output);
  const failure = (why: string) => {
    const said = readFileSync(logFile, 'utf8').slice(saidBefore).trim().slice(-2_000);
    return new CannotStart(`${options.kind.name} does not start: ${why}${said === '' ? '' : `\n${said}`}`);
  };
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(failure(error.message)));
    child.once('exit', (code, signal) => reject(failure(`it ended with ${code ?? signal}`)));
  });
  failed.catch(() => undefined);
  if (child.pid !== undefined) remember(recordOf(folder), child.pid);
  const late = new AbortController();
  const tooLate = wait(startWithinMs, undefined, { signal: late.signal }).then(() => {
    throw failure(`no answer within ${startWithinMs / 1_000} s`);
  });
  tooLate.catch(() => undefined);
  try {
    await Promise.race([untilAnswering(late.signal), failed, tooLate]);
    return child;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    late.abort();
  }
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

function exitOf(child: ChildProcess): Promise<void> {
  return hasEnded(child) ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));
}

const Holder = z.object({ pid: z.int(), startedAt: z.string() });

function remember(file: string, pid: number): void {
  writeFileSync(file, JSON.stringify({ pid, startedAt: processStart(pid) ?? '' }), { mode: 0o600 });
}

/**
 * A server whose parent was killed goes on by itself; two on the same files would destroy them. Ends the one that was started in `folder`, if
 * it still runs. To be called before `keepRunning`, under the lock of whoever owns the folder.
 */
export async function endOrphan(
  folder: string,
  { name, stopSignal, stopWithinMs }: ProcessKind,
  log: Log,
): Promise<void> {
  const holder = readRecord(recordOf(folder));
  if (holder === null) return;
  const runs = () => processStart(holder.pid) === holder.startedAt;
  if (!runs()) return;
  log.warn({ pid: holder.pid }, `${name} of an earlier start still runs; it is ended first`);
  process.kill(holder.pid, stopSignal);
  const deadlineMs = Date.now() + stopWithinMs;
  while (runs()) {
    if (Date.now() > deadlineMs) process.kill(holder.pid, 'SIGKILL');
    await wait(50);
  }
}

const recordOf = (folder: string): string => join(folder, 'process.json');

function readRecord(file: string): z.output<typeof Holder> | null {
  try {
    return Holder.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data ?? null;
  } catch {
    // Missing, or cut short by a crash while it was written.
    return null;
  }
}
