import type { ReadonlySignal } from '@preact/signals';
import type { Language } from '../lib/languages.ts';
import { wordsIn } from './words.ts';

/** Why there is no livestream on screen. */
export type GateReason = 'no_livestream' | 'needs_link' | 'unreachable';

export function Gate({ reason, language }: { reason: GateReason; language: ReadonlySignal<Language> }) {
  const words = wordsIn[language.value];
  const text: Record<GateReason, string> = {
    no_livestream: words.noLivestreamText,
    needs_link: words.needLink,
    unreachable: words.unreachable,
  };
  return (
    <main class="gate">
      <h1>{reason === 'no_livestream' ? words.noLivestream : words.pageTitle}</h1>
      <p role="status">{text[reason]}</p>
      <a class="button button-quiet" href="/">
        {words.toEntrance}
      </a>
    </main>
  );
}
