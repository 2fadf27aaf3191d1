import { read } from '../tidy/project-files.ts';

export type Instruction = { readonly name: string; readonly rest: string };

/** The Dockerfile's instructions in order, by stage; a stage without a name is `final`. */
export function stagesOf(path: string): ReadonlyMap<string, readonly Instruction[]> {
  const stages = new Map<string, Instruction[]>();
  let stage: Instruction[] = [];
  const text = read(path)
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ');
  for (const line of text.split('\n')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') {
      stage = [];
      stages.set(/ AS (\S+)$/.exec(rest)?.[1] ?? 'final', stage);
    } else if (name !== '') stage.push({ name, rest: rest.trim() });
  }
  return stages;
}

export type Copy = { readonly from: string | null; readonly sources: readonly string[]; readonly target: string };

export function copyOf({ rest }: Instruction): Copy {
  const words = rest.split(/\s+/);
  const from = words.find((word) => word.startsWith('--from='))?.slice(7) ?? null;
  const paths = words.filter((word) => !word.startsWith('--'));
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}
