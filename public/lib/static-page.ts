import { keepLanguage, type Language, languageAtStart, otherLanguage } from './languages.ts';

type Sentence = { readonly zh: string; readonly en: string };

/**
 * Language of a page whose sentences stand in the HTML in both languages (`data-zh`, `data-en`): shows one of them, and switches at the
 * press of `[data-switch-language]`. `redraw` is for what the page draws itself.
 */
export function startLanguages(title: Sentence, redraw: (language: Language) => void): { language: () => Language } {
  let language = languageAtStart();
  const show = (): void => {
    keepLanguage(language);
    document.title = title[language];
    for (const element of document.querySelectorAll<HTMLElement>('[data-zh]')) {
      element.textContent = element.dataset[language] ?? '';
    }
    redraw(language);
  };
  const button = document.querySelector('[data-switch-language]');
  button?.addEventListener('click', () => {
    language = otherLanguage(language);
    show();
  });
  show();
  return { language: () => language };
}

/** An element with text and children; text is never read as HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}
