import type { Text } from '../../contract/primitives.ts';

export const languages = ['zh', 'en'] as const;
export type Language = (typeof languages)[number];

/** Content of the `lang` attribute and locale of numbers and dates. */
export const localeOf: Record<Language, string> = { zh: 'zh-CN', en: 'en' };
const storedAs = 'stockcast.language';

/** `?lang=` wins, then the reader's last choice; Chinese first, English is one click beside it. */
export function chooseLanguage({ search, stored }: { search: string; stored: string | null }): Language {
  for (const candidate of [new URLSearchParams(search).get('lang'), stored]) {
    const language = languages.find((each) => candidate?.toLowerCase().startsWith(each));
    if (language !== undefined) return language;
  }
  return 'zh';
}

/** The language of this page at its start. */
export function languageAtStart(): Language {
  return chooseLanguage({ search: location.search, stored: readStored() });
}

/** Keeps the choice, over pages and visits, and says it to assistive technology. */
export function keepLanguage(language: Language): void {
  document.documentElement.lang = localeOf[language];
  try {
    localStorage.setItem(storedAs, language);
  } catch {
    // A browser without storage asks again next time.
  }
}

export const otherLanguage = (language: Language): Language => (language === 'zh' ? 'en' : 'zh');
export const textIn = (language: Language, text: Text): string => text[language];

function readStored(): string | null {
  try {
    return localStorage.getItem(storedAs);
  } catch {
    return null;
  }
}
