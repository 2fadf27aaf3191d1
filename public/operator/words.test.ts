import { expect, test } from 'vitest';
import { errorCodes } from '../../contract/errors.ts';
import { wordsIn } from './words.ts';

/** Every sentence with its path; functions are called with something harmless. */
function sentences(table: object, path = ''): readonly (readonly [string, string])[] {
  return Object.entries(table).flatMap(([name, value]: [string, unknown]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (typeof value === 'string') return [[at, value] as const];
    if (typeof value === 'function')
      return [[at, String((value as (...parts: unknown[]) => unknown)(7, 7, 7))] as const];
    return sentences(value as object, at);
  });
}

test('[CO-13] both languages say the same things, and nothing is empty', () => {
  const [zh, en] = [sentences(wordsIn.zh), sentences(wordsIn.en)];
  expect(zh.length).toBeGreaterThan(250);
  expect(en.map(([at]) => at).toSorted()).toEqual(zh.map(([at]) => at).toSorted());
  expect([...zh, ...en].filter(([, text]) => text.trim() === '' || text.includes('undefined'))).toEqual([]);
});

test('[CO-13] English sentences hold no Chinese, but for the name of the language', () => {
  const mixed = sentences(wordsIn.en).filter(([, text]) => /\p{Script=Han}/u.test(text));
  expect(mixed.map(([at]) => at)).toEqual(['switchLanguage', 'switchLanguageShort']);
});

test('[CO-12] every error has a sentence that says what to do, in both languages', () => {
  for (const words of Object.values(wordsIn)) {
    expect(errorCodes.filter((code) => (words.advice[code] ?? '').length < 4)).toEqual([]);
  }
});
