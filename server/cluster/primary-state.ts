import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod';
import { CannotStart } from '../lib/cannot-start.ts';
import { processStart } from '../lib/process-start.ts';

const PrimaryState = z.object({
  pid: z.int(),
  startedAt: z.string(),
  /** Rolling restarts asked for so far, and how the last one goes. */
  rolls: z.int(),
  rolling: z.boolean(),
  failure: z.nullable(z.string()),
});
type PrimaryState = z.output<typeof PrimaryState>;

const fileOf = (folder: string): string => join(folder, 'primary.json');

/** What `reload` reads: in a file, so that it needs no open port. */
export function writeState(folder: string, state: Omit<PrimaryState, 'startedAt'>): void {
  const draft = `${fileOf(folder)}.new`;
  writeFileSync(draft, JSON.stringify({ ...state, startedAt: processStart(state.pid) ?? '' }));
  renameSync(draft, fileOf(folder));
}

/** Asks the cluster of this folder for a rolling restart and waits for its end. Rejects with `CannotStart`: the reason for people. */
export async function reloadCluster(folder: string, print: (text: string) => void): Promise<void> {
  const before = readState(folder);
  if (before === null) {
    throw new CannotStart(
      `No cluster runs on ${folder}; start one with npm run cluster, or name its folder with DATA_DIR.`,
    );
  }
  process.kill(before.pid, 'SIGUSR2');
  print(`  rolling restart of the cluster (process ${before.pid}) …\n`);
  for (;;) {
    await wait(200);
    const state = readState(folder);
    if (state === null) throw new CannotStart('The cluster has ended meanwhile.');
    if (state.rolls === before.rolls || state.rolling) continue;
    if (state.failure !== null) throw new CannotStart(state.failure);
    print('  done\n');
    return;
  }
}

/** null: nobody runs there. */
function readState(folder: string): PrimaryState | null {
  try {
    const state = PrimaryState.parse(JSON.parse(readFileSync(fileOf(folder), 'utf8')));
    return processStart(state.pid) === state.startedAt ? state : null;
  } catch {
    return null;
  }
}
