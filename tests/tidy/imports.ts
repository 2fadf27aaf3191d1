import { posix } from 'node:path';
import { codeOf, read } from './project-files.ts';

export type Import = { readonly from: string; readonly specifier: string; readonly target: string };

/** Everything that a file imports or re-exports, types too; `target` is a project path, or the specifier of a package. */
export function importsOf(path: string): readonly Import[] {
  const code = codeOf(read(path));
  const statement =
    /(?:^|[\s;])(?:import|export)\b(?:[^'"`;]*?\bfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;
  return [...code.matchAll(statement)].map(([, fixed, dynamic]) => {
    const specifier = fixed ?? dynamic ?? '';
    const local = specifier.startsWith('.');
    return { from: path, specifier, target: local ? posix.join(posix.dirname(path), specifier) : specifier };
  });
}
