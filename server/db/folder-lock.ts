import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CannotStart } from '../lib/cannot-start.ts';
import { processStart } from '../lib/process-start.ts';

/** Another running process uses the folder. */
export class FolderInUse extends CannotStart {
  override readonly name = 'FolderInUse';
}

type Holder = { readonly token: string; readonly pid: number; readonly startedAt: string; readonly host: string };

const beatMs = 2_000;
/** A holder on another machine (a shared volume) cannot be looked at; it is taken for dead after this much silence. */
const silenceMaxMs = 15_000;

/**
 * One process at a time may use a folder: two embedded databases on the same files destroy them. The lock is a file that names its
 * holder by process id *and* start time, so that a killed holder's id given to another program does not count. A stale lock is taken
 * over. Returns how to give it back; rejects with `FolderInUse`, whose sentence ends with `advice`.
 */
export async function lockFolder(folder: string, advice = ''): Promise<() => void> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'server.lock');
  const own: Holder = {
    token: randomUUID(),
    pid: process.pid,
    startedAt: processStart(process.pid) ?? '',
    host: hostname(),
  };
  if (!tryCreate(file, own)) await takeOver(file, own, { folder, advice });

  // Tells machines that share the folder that this holder lives.
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch {
      // The folder is gone; whoever removed it knows.
    }
  }, beatMs);
  beat.unref();
  return () => {
    clearInterval(beat);
    if (read(file)?.token === own.token) rmSync(file, { force: true });
  };
}

async function takeOver(
  file: string,
  own: Holder,
  { folder, advice }: { readonly folder: string; readonly advice: string },
): Promise<void> {
  const holder = read(file);
  const inUse = new FolderInUse(
    `Another Stockcast process${holder === null ? '' : ` (process ${holder.pid} on ${holder.host})`} is using ${folder}. ` +
      `Stop it first, or give this one a folder of its own with DATA_DIR. ${advice}`.trim(),
  );
  if (isAlive(file, holder)) throw inUse;
  // Renaming is atomic: of several starters that found the same stale lock, one gets it. A starter that comes so late that it grabs
  // the winner's new lock sees it here and stops; the winner notices below and stops too. Nobody is left with a shared folder.
  const stale = `${file}.${own.token}`;
  try {
    renameSync(file, stale);
  } catch {
    throw inUse;
  }
  const grabbed = read(stale);
  rmSync(stale, { force: true });
  if (grabbed?.token !== holder?.token || !tryCreate(file, own)) throw inUse;
  await sleep(50);
  if (read(file)?.token !== own.token) throw inUse;
}

function tryCreate(file: string, holder: Holder): boolean {
  try {
    writeFileSync(file, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(file: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Partial<Holder>;
    return { token: '', pid: 0, startedAt: '', host: '', ...holder };
  } catch {
    // Missing, or cut short by a crash while it was written.
    return null;
  }
}

function isAlive(file: string, holder: Holder | null): boolean {
  if (holder === null || holder.host !== hostname()) return silenceMs(file) < (holder === null ? 1_000 : silenceMaxMs);
  if (holder.pid === process.pid) return holder.startedAt === (processStart(process.pid) ?? '');
  const startedAt = processStart(holder.pid);
  return startedAt !== null && startedAt === holder.startedAt;
}

function silenceMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
