import { filesMatching, read } from './project-files.ts';

export type Rule = {
  readonly id: string;
  readonly path: string;
  readonly text: string;
  /** Ids in “Shown by ST-1, ST-2.” at the end: a general rule may be shown by the tests of more special ones. */
  readonly shownBy: readonly string[];
};

/** Every `- **XX-n** …` of docs/spec, with its continuation lines. */
export function rules(): readonly Rule[] {
  return filesMatching(/^docs\/spec\/.*\.md$/, 3).flatMap((path) =>
    [...read(path).matchAll(/^- \*\*([A-Z]+-?\d+)\*\* ([^\n]*(?:\n {2}[^\n]*)*)/gm)].map(([, id = '', text = '']) => {
      const [, named = ''] = /Shown\s+by\s+([^.]*)\.\s*$/.exec(text) ?? [];
      return { id, path, text, shownBy: named.match(/[A-Z]+-?\d+/g) ?? [] };
    }),
  );
}
