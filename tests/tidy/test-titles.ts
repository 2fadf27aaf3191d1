import { codeOf, read, sourceFiles } from './project-files.ts';

export type Title = { readonly path: string; readonly line: number; readonly text: string | null };

/** The first argument of every `test(…)` and `it(…)`, tables included; null where it is not a literal. Shared suites count, whatever their name. */
export function testTitles(): readonly Title[] {
  return sourceFiles().flatMap((path) => {
    const code = codeOf(read(path));
    return /import[^;]*\b(test|it)\b[^;]* from 'vitest'/.test(code) ? titlesIn(path, code) : [];
  });
}

function titlesIn(path: string, code: string): readonly Title[] {
  const calls = code.matchAll(/(?<![\w.'"`])(?:test|it)((?:\s*\.\s*\w+)*)\s*(?=\()/g);
  return [...calls].flatMap((call) => {
    const modifiers = call[1] ?? '';
    let at = call.index + call[0].length;
    // `.each(table)(title, …)` and the like: the title is in the second pair of parentheses.
    if (/\.\s*(each|for|runIf|skipIf)\b/.test(modifiers)) at = closing(code, at) + 1;
    else if (/\.\s*(extend|beforeEach|afterEach|beforeAll|afterAll|describe)\b/.test(modifiers)) return [];
    const title = /^\s*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/.exec(code.slice(at));
    return [{ path, line: code.slice(0, call.index).split('\n').length, text: title?.[2] ?? null }];
  });
}

/** Index of the parenthesis that closes the one at `from`, strings skipped. */
function closing(code: string, from: number): number {
  let depth = 0;
  const tokens = /(['"`])(?:\\.|(?!\1)[^\\])*\1|[()]/g;
  tokens.lastIndex = code.indexOf('(', from);
  for (let token = tokens.exec(code); token !== null; token = tokens.exec(code)) {
    if (token[0] === '(') depth += 1;
    if (token[0] === ')') depth -= 1;
    if (depth === 0) return token.index;
  }
  return code.length;
}

/** Ids that a title begins with: `[G3][O7] …` and `[G3] [O7] …` have two. */
export function idsOf(title: string): readonly string[] {
  const [prefix = ''] = /^(\[[A-Z]+-?\d+\] ?)+/.exec(title) ?? [];
  return [...prefix.matchAll(/\[([^\]]+)\]/g)].map(([, id = '']) => id);
}
