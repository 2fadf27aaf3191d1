import { expect, test } from 'vitest';
import { expectNone, filesMatching, read } from './project-files.ts';
import { rules } from './rules.ts';
import { idsOf, testTitles } from './test-titles.ts';

test('[TD-3] every rule of docs/spec has a test that begins with its id, or names the rules that show it', () => {
  const every = rules();
  expect(every.length).toBeGreaterThan(30);
  const tested = new Set(testTitles().flatMap(({ text }) => idsOf(text ?? '')));
  const findings = every
    .filter(
      ({ id, shownBy }) => !tested.has(id) && (shownBy.length === 0 || !shownBy.every((other) => tested.has(other))),
    )
    .map(({ id, path, text }) => `${id} (${path}): ${text.slice(0, 80)}`);
  expectNone(findings, 'These rules have no test:');
});

test('[TD-3] every test begins with the id of a rule that exists, and then says what it shows', () => {
  const known = new Set(rules().map(({ id }) => id));
  const titles = testTitles();
  expect(titles.length).toBeGreaterThan(30);
  const findings = titles.flatMap(({ path, line, text }) => {
    const where = `${path}:${line}`;
    if (text === null) return [`${where}: the name is not a literal`];
    const ids = idsOf(text);
    if (ids.length === 0) return [`${where}: “${text}” has no id`];
    if (!/^(\[[A-Z]+-?\d+\] ?)+(?<= )[^\s[]/.test(text))
      return [`${where}: “${text}” says nothing, or not after one space`];
    return ids.filter((id) => !known.has(id)).map((id) => `${where}: there is no rule ${id}`);
  });
  expectNone(findings, 'These test names are not of the form “[XX-n] what it shows”:');
});

test('[TD-3] no id is given to two rules', () => {
  const seen = new Map<string, string>();
  const findings = rules().flatMap(({ id, path }) => {
    const first = seen.get(id);
    seen.set(id, path);
    return first === undefined ? [] : [`${id}: in ${first} and in ${path}`];
  });
  expectNone(findings, 'These ids are used twice:');
});

test('[TD-18] the index of rules lists every file of rules, with its letters', () => {
  const letters: Record<string, string> = {};
  for (const { id, path } of rules()) {
    const prefix = id.replace(/-?\d+$/, '');
    const known = letters[path] ?? prefix;
    letters[path] = known.split(' ').includes(prefix) ? known : `${known} ${prefix}`;
  }
  const rows = read('docs/spec/README.md').matchAll(/^\| ([A-Z ]+) \|.*\]\(([\w-]+\.md)\) \|$/gm);
  const listed = Object.fromEntries([...rows].map(([, ids = '', file = '']) => [`docs/spec/${file}`, ids]));
  expect(listed).toEqual(letters);
});

test('[TD-15] ids of rules that comments of the code cite exist', () => {
  const known = new Set(rules().map(({ id }) => id));
  const prefixes = new Set([...known].map((id) => id.replace(/\d+$/, '')));
  let cited = 0;
  const findings = filesMatching(
    /^(contract|server|public|load-tests|prisma)\/.*\.(ts|tsx|lua|sql|prisma)$/,
    20,
  ).flatMap((path) =>
    commentsOf(read(path)).flatMap((comment) =>
      [...comment.matchAll(/\b([A-Z]{1,2}-?)(\d{1,2})\b/g)].flatMap(([id, prefix = '']) => {
        if (!prefixes.has(prefix)) return [];
        cited += 1;
        return known.has(id) ? [] : [`${path}: ${id}`];
      }),
    ),
  );
  expect(cited).toBeGreaterThan(20);
  expectNone(findings, 'These rules do not exist:');
});

/** Comments of TypeScript, Lua, SQL and Prisma files. */
function commentsOf(text: string): readonly string[] {
  return text.match(/\/\*[^]*?\*\/|(?:\/\/|--)[^\n]*/g) ?? [];
}
