import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Replaces one piece of text of one file. The piece must be there exactly once. */
export type Patch = { readonly file: string; readonly find: string; readonly replace: string };

const project = fileURLToPath(new URL('../../..', import.meta.url));
/** All that a node runs from; packages are the project's own. */
const parts = ['server', 'contract', 'generated', 'prisma', 'package.json', 'tsconfig.json'];

export type PatchedCopy = { readonly root: string; remove(): Promise<void> };

/**
 * A copy of the program with some text changed, TypeScript, SQL and Lua alike: so a defect can be planted without a switch in the
 * product. Rejects if a piece is not found: a defect that is not planted would be found by nothing, and prove nothing.
 */
export async function patchedCopy(patches: readonly Patch[]): Promise<PatchedCopy> {
  const root = await mkdtemp(join(tmpdir(), 'stockcast-defect-'));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    for (const part of parts) await cp(join(project, part), join(root, part), { recursive: true });
    await symlink(join(project, 'node_modules'), join(root, 'node_modules'));
    for (const { file, find, replace } of patches) {
      const text = await readFile(join(root, file), 'utf8');
      const pieces = text.split(find);
      if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} pieces of: ${find}`);
      await writeFile(join(root, file), pieces.join(replace));
    }
    return { root, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
