import { type ReadonlySignal, useSignal } from '@preact/signals';
import type { WireError } from '../../contract/errors.ts';
import type { Answer } from '../lib/http-api.ts';
import { type Language, textIn } from '../lib/languages.ts';
import { type Words, wordsIn } from './words.ts';

export type Action = {
  readonly busy: ReadonlySignal<boolean>;
  readonly error: ReadonlySignal<WireError | null>;
  /** One at a time; null: it was refused, and `error` says why, or another is under way. */
  run<Value>(work: () => Promise<Answer<Value>>): Promise<Value | null>;
  clear(): void;
};

/** A request of a form or a button: what was typed stays until it has succeeded. */
export function useAction(): Action {
  const busy = useSignal(false);
  const error = useSignal<WireError | null>(null);
  return {
    busy,
    error,
    async run(work) {
      if (busy.value) return null;
      busy.value = true;
      error.value = null;
      const answer = await work();
      busy.value = false;
      if (answer.ok) return answer.value;
      error.value = answer.error;
      return null;
    },
    clear() {
      error.value = null;
    },
  };
}

/** A form's `onSubmit`: the page stays, the work is done here. */
export const submitting =
  (work: () => Promise<void>) =>
  (event: Event): void => {
    event.preventDefault();
    void work();
  };

/** What went wrong, and what to do about it. */
export function ErrorNote({ error, language }: { error: WireError | null; language: Language }) {
  if (error === null) return null;
  const words: Words = wordsIn[language];
  return (
    <div class="error-note" role="alert" data-code={error.code}>
      <p>{textIn(language, error.message)}</p>
      <p>{words.advice[error.code] ?? words.advice.internal}</p>
      {error.issues !== undefined && (
        <ul>
          {error.issues.map(({ path, message }) => (
            <li key={path}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
