import { expect, test } from 'vitest';
import { chooseLanguage } from './languages.ts';

test('[VW-17] the address wins over the last choice, and Chinese is the ground', () => {
  const choose = (search: string, stored: string | null) => chooseLanguage({ search, stored });
  expect(choose('?lang=en', 'zh')).toBe('en');
  expect(choose('?lang=fr', 'zh')).toBe('zh');
  expect(choose('', 'en')).toBe('en');
  expect(choose('?lang=fr', null)).toBe('zh');
  expect(choose('', null)).toBe('zh');
});
