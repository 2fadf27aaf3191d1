import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { keepLanguage, type Language, otherLanguage } from '../lib/languages.ts';
import { submitting } from './action.tsx';
import { TextField } from './fields.tsx';
import type { OperatorApi } from './operator-api.ts';
import { type Entry, exchange, tokenIn } from './session.ts';
import { wordsIn } from './words.ts';

export type SignInReason = Extract<Entry, { kind: 'sign_in' }>['because'] | 'unreachable';

/** Says how to get in, and takes a token or a whole link. */
export function SignIn({
  api,
  language,
  storage,
  because,
}: {
  readonly api: OperatorApi;
  readonly language: Signal<Language>;
  readonly storage: Storage | null;
  readonly because: SignInReason;
}) {
  const words = wordsIn[language.value].signIn;
  const pasted = useSignal('');
  const refused = useSignal<SignInReason | null>(because);
  const busy = useSignal(false);
  useEffect(() => {
    document.title = words.title;
  }, [words]);
  const reasons: Record<SignInReason, string | null> = {
    no_session: null,
    expired: words.expired,
    not_operator: words.notOperator,
    not_here: words.noLivestream,
    unreachable: words.unreachable,
  };
  const reason = refused.value === null ? null : reasons[refused.value];
  const submit = async (): Promise<void> => {
    const token = tokenIn(pasted.value);
    if (token === '' || busy.value) return;
    busy.value = true;
    const outcome = await exchange(api, storage, token);
    busy.value = false;
    if (outcome.kind === 'done') {
      const query = outcome.livestreamId === null ? '' : `?livestream=${encodeURIComponent(outcome.livestreamId)}`;
      location.assign(`${location.pathname}${query}`);
      return;
    }
    refused.value = outcome.entry.kind === 'sign_in' ? outcome.entry.because : 'unreachable';
  };
  return (
    <main class="gate">
      <LanguageSwitch language={language} />
      <h1>{words.title}</h1>
      {reason !== null && (
        <p class="notice notice-warn" role="alert">
          {reason}
        </p>
      )}
      <p>{words.text}</p>
      <pre class="command">
        <code>{words.command}</code>
      </pre>
      <form class="box-form" onSubmit={submitting(submit)}>
        <TextField label={words.token} value={pasted} type="text" />
        <button type="submit" class="button button-buy" aria-disabled={pasted.value.trim() === '' || busy.value}>
          {words.enter}
        </button>
      </form>
      <p>
        <a href="/">{words.toEntrance}</a>
      </p>
    </main>
  );
}

export function LanguageSwitch({ language }: { language: Signal<Language> }) {
  const words = wordsIn[language.value];
  return (
    <button
      type="button"
      class="small-button language-switch"
      lang={language.value === 'zh' ? 'en' : 'zh-CN'}
      onClick={() => {
        language.value = otherLanguage(language.value);
        keepLanguage(language.value);
      }}
    >
      {words.switchLanguage}
    </button>
  );
}
