import { filesMatching, read } from './project-files.ts';

export type Rule = { readonly id: string; readonly path: string; readonly text: string };

/** Every `- **XX-n** …` of docs/spec, with its continuation lines. */
export function rules(): readonly Rule[] {
  return filesMatching(/^docs\/spec\/.*\.md$/, 3).flatMap((path) =>
    [...read(path).matchAll(/^- \*\*([A-Z]+-?\d+)\*\* ([^\n]*(?:\n {2}[^\n]*)*)/gm)].map(([, id = '', text = '']) => ({
      id,
      path,
      text,
    })),
  );
}
