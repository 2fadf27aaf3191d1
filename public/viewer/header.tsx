import { localeOf, textIn } from '../lib/languages.ts';
import { PeopleIcon } from './icons.tsx';
import { useViewer } from './store.ts';
import type { Words } from './words.ts';

export function Header() {
  const viewer = useViewer();
  const words = viewer.words.value;
  const livestream = viewer.livestream.value;
  const viewers = viewer.viewers.value;
  return (
    <header class="top">
      <div class="top-inner">
        {livestream !== null && <StateTag state={livestream.state} words={words} />}
        <h1 class="top-title">
          {livestream === null ? words.pageTitle : textIn(viewer.language.value, livestream.title)}
        </h1>
        <button
          type="button"
          class="language"
          lang={viewer.language.value === 'zh' ? 'en' : 'zh-CN'}
          onClick={() => viewer.switchLanguage()}
        >
          <span aria-hidden="true">{words.switchLanguageShort}</span>
          <span class="visually-hidden">{words.switchLanguage}</span>
        </button>
        <div class="top-facts">
          {/* A room that was just opened has not counted its people yet. */}
          {viewers !== null && viewers > 0 && (
            <span class="viewers">
              <PeopleIcon />
              <span class="number">{words.watching(viewers.toLocaleString(localeOf[viewer.language.value]))}</span>
            </span>
          )}
          <ConnectionTag />
        </div>
      </div>
    </header>
  );
}

function StateTag({ state, words }: { state: 'draft' | 'scheduled' | 'live' | 'ended'; words: Words }) {
  if (state === 'live') {
    return (
      <span class="tag tag-live">
        <span class="pulse" aria-hidden="true" />
        {words.live}
      </span>
    );
  }
  return <span class="tag">{state === 'ended' ? words.over : words.startsSoon}</span>;
}

function ConnectionTag() {
  const viewer = useViewer();
  const connection = viewer.connection.value;
  const shown = connection.kind === 'live' && connection.stale ? 'stale' : connection.kind;
  return (
    <span class="connection" data-state={shown} role="status">
      <span class="dot" aria-hidden="true" />
      {viewer.words.value.connection[shown]}
    </span>
  );
}
