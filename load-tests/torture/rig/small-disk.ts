import { execFile } from 'node:child_process';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const megabytes = 400;
const piece = Buffer.alloc(1_048_576);

/** A disk of its own for one server, in memory, which can be filled without harm to anything else. */
export type SmallDisk = {
  readonly folder: string;
  /** Until nothing more can be written on it. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  remove(): Promise<void>;
};

/** null: this machine does not let us mount one (it takes Linux and root). */
export async function mountSmallDisk(): Promise<SmallDisk | null> {
  const folder = await mkdtemp(join(tmpdir(), 'stockcast-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'stockcast-torture', folder]);
  } catch {
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  // The server runs as a user of its own.
  await chmod(folder, 0o755);
  const filler = join(folder, 'filler');
  return {
    folder,
    async fill() {
      const file = await open(filler, 'w');
      try {
        for (let written = 0; written < megabytes; written += 1) await file.write(piece);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        await file.close();
      }
    },
    empty: () => rm(filler, { force: true }),
    async remove() {
      await run('umount', [folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
