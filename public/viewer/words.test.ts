import { expect, test } from 'vitest';
import { errorCodes } from '../../contract/errors.ts';
import { wordsIn } from './words.ts';

const sentences = (words: object): readonly string[] =>
  Object.values(words).flatMap((word: unknown): readonly string[] => {
    if (typeof word === 'function') return [String(word('7', 3))];
    return typeof word === 'object' && word !== null ? sentences(word) : [String(word)];
  });

test('[VW-17] both languages have every sentence, and no sentence is in the other language', () => {
  const [chinese, english] = [sentences(wordsIn.zh), sentences(wordsIn.en)];
  expect(chinese.length).toBeGreaterThan(80);
  expect(english).toHaveLength(chinese.length);
  // The name of the other language stands in that language.
  const names = new Set(['English', 'EN', '中文']);
  for (const sentence of chinese.filter((each) => !names.has(each))) expect(sentence).toMatch(/\p{Script=Han}/u);
  for (const sentence of english.filter((each) => !names.has(each))) {
    expect(sentence).not.toMatch(/\p{Script=Han}/u);
    expect(sentence.trim()).not.toBe('');
  }
});

test('[VW-17] every error code has advice', () => {
  for (const code of errorCodes) {
    expect(wordsIn.zh.advice[code]).not.toBe('');
    expect(wordsIn.en.advice[code]).not.toBe('');
  }
});
