import type { Language } from '../lib/languages.ts';
import { en } from './words-en.ts';
import { enManage } from './words-en-manage.ts';
import { zh } from './words-zh.ts';
import { zhManage } from './words-zh-manage.ts';

/** The same shape with any sentence in it. */
type Sentences<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends string
    ? string
    : Table[Name] extends (...parts: infer Parts) => string
      ? (...parts: Parts) => string
      : Sentences<Table[Name]>;
};

/** Every sentence of the console. A sentence that one language lacks does not compile. */
export type Words = Sentences<typeof zh & typeof zhManage>;

export const wordsIn: Readonly<Record<Language, Words>> = {
  zh: { ...zh, ...zhManage },
  en: { ...en, ...enManage },
};
