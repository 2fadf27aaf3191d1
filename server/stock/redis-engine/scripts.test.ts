import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keyNames } from './keys-of.ts';
import { scripts } from './scripts.ts';
import { pairText } from './text.ts';

test.each(Object.entries(scripts))(
  '[ST-50] the header of %s names its keys and arguments as they are passed',
  (_, script) => {
    expect(headerLine(script.body, 'KEYS')).toEqual([...keyNames]);
    expect(headerLine(script.body, 'ARGV')).toEqual(['identity', ...script.args]);
    expect(headerLine(script.body, 'REPLY').length).toBeGreaterThan(0);
    // A body that reads an argument that nobody passes would read nil.
    const used = [...script.body.matchAll(/ARGV\[(\d+)\]/g)].map(([, index]) => Number(index));
    expect(Math.max(1, ...used)).toBeLessThanOrEqual(script.args.length + 1);
  },
);

test('[ST-50] every file is a script of the table, or the prelude', () => {
  const files = readdirSync(new URL('./lua/', import.meta.url));
  expect(files.length).toBe(Object.keys(scripts).length + 1);
  expect(files).toContain('prelude.lua');
});

test('[ST-50] nothing that would change the meaning of a packed line can stand in it', () => {
  for (const wrong of ['a b', 'a\nb', '~', 'a!', '']) expect(() => pairText(wrong, 1)).toThrow(RangeError);
  expect(pairText('ann/key-1_.A', 1)).toBe('ann/key-1_.A 1');
});

const headerLine = (body: string, word: string): string[] =>
  new RegExp(`^-- ${word} +(.+)$`, 'm').exec(body)?.[1]?.split(' ') ?? [];
