import { expect, test } from 'vitest';
import { chooseLanguage } from './languages.ts';

test('[VW-17] the address wins over the last choice, that over the browser, and Chinese is the ground', () => {
  const choose = (search: string, stored: string | null, preferred: string[]) =>
    chooseLanguage({ search, stored, preferred });
  expect(choose('?lang=en', 'zh', ['zh-CN'])).toBe('en');
  expect(choose('?lang=fr', 'zh', ['en-US'])).toBe('zh');
  expect(choose('', null, ['fr-FR', 'en-GB', 'zh-CN'])).toBe('en');
  expect(choose('', null, ['zh-TW'])).toBe('zh');
  expect(choose('', null, ['fr'])).toBe('zh');
});
