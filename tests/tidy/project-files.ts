import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every file of the project as git sees it, new ones included, ignored ones not; relative to the root, with slashes. */
const everyFile: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
  },
)
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)))
  .toSorted();

/** Files whose path matches. A scan that finds nothing would report success, so fewer than `atLeast` files fail the test. */
export function filesMatching(pattern: RegExp, atLeast = 1): readonly string[] {
  const found = everyFile.filter((path) => pattern.test(path));
  expect(found.length, `files that match ${pattern}`).toBeGreaterThanOrEqual(atLeast);
  return found;
}

export const sourceFiles = (): readonly string[] =>
  filesMatching(/^(contract|server|public|load-tests|tests|tools)\/.*\.(ts|tsx|mjs)$/, 20);

/** Tests, and what only tests use. */
export const isTest = (path: string): boolean =>
  /\.(test|contract|fixtures)\.tsx?$|-kit\.ts$/.test(path) || path.startsWith('tests/');

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function exists(path: string): boolean {
  return existsSync(join(root, path));
}

/** Fails with every finding in the message, one a line. */
export function expectNone(findings: readonly string[], rule: string): void {
  expect(findings, `${rule}\n${findings.join('\n')}`).toEqual([]);
}

/** The text without comments, line numbers kept: for checks of what the code does, not of what it says. */
export function codeOf(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[^]*?\*\/|\/\/[^\n]*/g,
    (match, quoted?: string) => (quoted === undefined ? match.replace(/[^\n]/g, ' ') : match),
  );
}

/** `path:line: text` of every line of code (comments left out) that matches. */
export function linesMatching(path: string, pattern: RegExp): readonly string[] {
  return codeOf(read(path))
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}
