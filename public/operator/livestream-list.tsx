import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { type Language, textIn } from '../lib/languages.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { CheckField, TextField } from './fields.tsx';
import { countOf, isId } from './form-values.ts';
import type { OperatorApi } from './operator-api.ts';
import { LanguageSwitch } from './sign-in.tsx';
import { wordsIn } from './words.ts';

type Props = {
  readonly api: OperatorApi;
  readonly language: Signal<Language>;
  /** Ids of livestreams that this browser has opened: drafts and ended ones stand on no public list. */
  readonly recent: readonly string[];
};

const addressOf = (livestreamId: string): string => `?livestream=${encodeURIComponent(livestreamId)}`;

/** An admin's first page: all public livestreams, those opened before, and a new one. */
export function LivestreamList({ api, language, recent }: Props) {
  const words = wordsIn[language.value];
  const livestreams = useSignal<readonly LivestreamInfo[] | null>(null);
  const action = useAction();
  useEffect(() => {
    const look = async (): Promise<void> => {
      const answer = await action.run(() => api('listLivestreams', {}));
      if (answer !== null) livestreams.value = answer.livestreams;
    };
    void look();
  }, []);
  useEffect(() => {
    document.title = words.list.title;
  }, [words]);
  const shown = livestreams.value ?? [];
  const others = recent.filter((id) => !shown.some(({ livestreamId }) => livestreamId === id));
  return (
    <main class="sheet list-page">
      <LanguageSwitch language={language} />
      <h1>{words.list.title}</h1>
      <p class="quiet">{words.list.text}</p>
      <ErrorNote error={action.error.value} language={language.value} />
      {livestreams.value !== null && shown.length === 0 && <p class="empty">{words.list.none}</p>}
      <ul class="cards">
        {shown.map(({ livestreamId, title, state, items }) => (
          <li key={livestreamId} class="card">
            <p class="card-title">
              <span class="state-tag" data-state={state}>
                {words.state[state]}
              </span>
              <b>{textIn(language.value, title)}</b>
            </p>
            <p class="quiet">
              {livestreamId} · {words.list.items(items.length)}
            </p>
            <a class="small-button" href={addressOf(livestreamId)}>
              {words.list.enter} <span class="visually-hidden">{textIn(language.value, title)}</span>
            </a>
          </li>
        ))}
      </ul>
      <div class="columns">
        <OpenOther language={language} recent={others} />
        <CreateForm api={api} language={language} />
      </div>
    </main>
  );
}

function OpenOther({ language, recent }: { language: Signal<Language>; recent: readonly string[] }) {
  const words = wordsIn[language.value].list;
  const id = useSignal('');
  return (
    <section class="box">
      <h2>{words.openOther}</h2>
      <form
        class="tools"
        onSubmit={(event) => {
          event.preventDefault();
          if (isId(id.value.trim())) location.assign(addressOf(id.value.trim()));
        }}
      >
        <TextField label={wordsIn[language.value].show.id} value={id} />
        <button type="submit" class="small-button" aria-disabled={!isId(id.value.trim())}>
          {words.enter}
        </button>
      </form>
      {recent.length > 0 && <h3>{words.recent}</h3>}
      <ul class="plain-list">
        {recent.map((each) => (
          <li key={each}>
            <a href={addressOf(each)}>{each}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function CreateForm({ api, language }: Pick<Props, 'api' | 'language'>) {
  const words = wordsIn[language.value];
  const id = useSignal('');
  const zh = useSignal('');
  const en = useSignal('');
  const minutes = useSignal('10');
  const anonymous = useSignal(true);
  const action = useAction();
  const holdMinutes = countOf(minutes.value, { min: 1, max: 1_440 });
  const unusable = !isId(id.value.trim()) || zh.value.trim() === '' || holdMinutes === undefined;
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const livestreamId = id.value.trim();
    const title = { zh: zh.value.trim(), en: en.value.trim() || zh.value.trim() };
    const body = { livestreamId, title, holdTtlMs: holdMinutes * 60_000, anonymousViewers: anonymous.value };
    const created = await action.run(() => api('createLivestream', {}, { body }));
    if (created !== null) location.assign(addressOf(livestreamId));
  };
  return (
    <form class="box" onSubmit={submitting(submit)}>
      <h2>{words.list.create}</h2>
      <TextField
        label={words.show.id}
        value={id}
        hint={words.show.idHelp}
        invalid={id.value !== '' && !isId(id.value.trim())}
      />
      <div class="field-row">
        <TextField label={words.show.titleZh} value={zh} maxLength={200} />
        <TextField label={words.show.titleEn} value={en} maxLength={200} />
      </div>
      <TextField label={words.show.holdMinutes} value={minutes} numeric invalid={holdMinutes === undefined} />
      <CheckField
        label={words.show.anonymous}
        checked={anonymous.value}
        onToggle={(checked) => (anonymous.value = checked)}
      />
      <ErrorNote error={action.error.value} language={language.value} />
      <button type="submit" class="button button-buy" aria-disabled={unusable || action.busy.value}>
        {words.list.create}
      </button>
    </form>
  );
}
