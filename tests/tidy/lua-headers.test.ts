import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { keyNames } from '../../server/stock/redis-engine/keys-of.ts';
import { expectNone, filesMatching, read } from './project-files.ts';

const gateFolder = 'server/stock/redis-engine';
const preludePath = `${gateFolder}/lua/prelude.lua`;
/** What every script of the gate takes first: `gateScript` adds them, and the prelude reads them. */
const preludeArgs = ['identity', 'nowMs', 'channel'];

type Script = {
  readonly path: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  /** Arguments that the script itself has to read: those after the ones that the connection or the prelude deals with. */
  readonly ownFrom: number;
};

test('[TD-4] every script has a definition, every definition a script, and both name the same keys and arguments', () => {
  const defined = definitions();
  const files = filesMatching(/^server\/.*\.lua$/, 10).filter((path) => path !== preludePath);
  expect(defined.map(({ path }) => path).toSorted()).toEqual(files);
  const findings = defined.flatMap(({ path, keys, args }) => {
    const header = headerOf(path);
    return differences(path, 'KEYS', header.keys, keys).concat(differences(path, 'ARGV', header.args, args));
  });
  expectNone(findings, 'These headers and definitions differ:');
});

test('[TD-4] the body of a script uses the arguments of its header, all of them, under their names', () => {
  const prelude: Script = { path: preludePath, keys: keyNames, args: preludeArgs, ownFrom: 0 };
  const findings = [prelude, ...definitions()].flatMap(({ path, args, ownFrom }) => {
    const used = new Set([...bodyOf(path).matchAll(/ARGV\[(\d+)\]/g)].map(([, index]) => Number(index)));
    const unknown = [...used]
      .filter((index) => index > args.length)
      .map((index) => `${path}: no name for ARGV[${index}]`);
    const unused = args
      .filter((_, at) => at >= ownFrom && !used.has(at + 1))
      .map((name) => `${path}: ${name} is not used`);
    const misnamed = locals(bodyOf(path), 'ARGV')
      .filter(({ index, local }) => !local.toLowerCase().includes(args[index - 1]?.toLowerCase() ?? ''))
      .map(
        ({ index, local }) => `${path}: ARGV[${index}] is ${args[index - 1]} in the header and ${local} in the body`,
      );
    return unknown.concat(unused, misnamed);
  });
  expectNone(findings, 'These bodies and headers differ:');
});

test('[TD-4] the prelude takes the keys in the order in which the engine sends them', () => {
  const expected = keyNames.map((name, at) => ({ index: at + 1, local: `${name}Key` }));
  expect(locals(bodyOf(preludePath), 'KEYS')).toEqual(expected);
});

test('[TD-4] a script gives the replies that its header names', () => {
  const findings = definitions().flatMap(({ path }) => {
    const { reply } = headerOf(path);
    if (reply === '') return [`${path}: says nothing about its reply`];
    return [...reply.matchAll(/"([a-z_]+)[^"]*"/g)].flatMap(([, word = '']) =>
      bodyOf(path).includes(`'${word}`) ? [] : [`${path}: never replies ${word}`],
    );
  });
  expectNone(findings, 'These replies do not occur:');
});

/** Every script with its keys and arguments, as the TypeScript beside it passes them by name. */
function definitions(): readonly Script[] {
  const found = filesMatching(/^server\/.*\.ts$/, 20).flatMap((path) => scriptsDefinedIn(path, read(path)));
  expect(found.length, 'definitions of scripts').toBeGreaterThan(10);
  return found;
}

function scriptsDefinedIn(path: string, text: string): readonly Script[] {
  const luaOf = (file: string) => posix.join(posix.dirname(path), 'lua', `${file}.lua`);
  const plain = text.matchAll(
    /file: new URL\('\.\/lua\/([\w-]+)\.lua'[^)]*\),\s*keys: \[([^\]]*)\],\s*args: \[([^\]]*)\]/g,
  );
  const gate = text.matchAll(/gateScript\(\s*'([\w-]+)',\s*\[([^\]]*)\]/g);
  return [
    ...[...plain].map(([, file = '', keys = '', args = '']) => ({
      path: luaOf(file),
      keys: wordsIn(keys),
      args: ['identity'].concat(wordsIn(args)),
      ownFrom: 1,
    })),
    ...[...gate].map(([, file = '', args = '']) => ({
      path: luaOf(file),
      keys: keyNames,
      args: preludeArgs.concat(wordsIn(args)),
      ownFrom: preludeArgs.length,
    })),
  ];
}

const wordsIn = (list: string): readonly string[] => [...list.matchAll(/'(\w+)'/g)].map(([, word = '']) => word);

function headerOf(path: string): { keys: readonly string[]; args: readonly string[]; reply: string } {
  const header = /^(?:--[^\n]*\n)+/.exec(read(path))?.[0] ?? '';
  const after = (label: string) => new RegExp(`^-- ${label} +(.+)$`, 'm').exec(header)?.[1]?.trim() ?? '';
  const [, reply = ''] = /^-- REPLY ([^]*)/m.exec(header) ?? [];
  return { keys: after('KEYS').split(/\s+/), args: after('ARGV').split(/\s+/), reply: reply.trim() };
}

/** The code without comments. */
function bodyOf(path: string): string {
  return read(path).replace(/--[^\n]*/g, '');
}

/** `local a, b = ARGV[4], tonumber(ARGV[5])`: which local takes which position. */
function locals(body: string, list: 'KEYS' | 'ARGV'): readonly { index: number; local: string }[] {
  return [...body.matchAll(/local ([\w, ]+) = ([^\n]+)/g)].flatMap(([, names = '', values = '']) => {
    const position = new RegExp(`^(?:tonumber\\()?${list}\\[(\\d+)\\]`);
    const indexes = values.split(/,\s*/).map((value) => Number(position.exec(value)?.[1]));
    return names
      .split(/,\s*/)
      .map((local, at) => ({ index: indexes[at] ?? Number.NaN, local }))
      .filter(({ index }) => Number.isInteger(index));
  });
}

function differences(
  path: string,
  what: string,
  found: readonly string[],
  expected: readonly string[],
): readonly string[] {
  if (found.join(' ') === expected.join(' ')) return [];
  return [`${path}: ${what} ${found.join(' ')}, defined as ${expected.join(' ')}`];
}
