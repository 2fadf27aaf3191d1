import type { ComponentChildren } from 'preact';
import { localeOf, textIn } from '../lib/languages.ts';
import { formatLag } from './format.ts';
import { BellIcon, KeysIcon, PeopleIcon, ScreenIcon } from './icons.tsx';
import { SoundSettings } from './sound-settings.tsx';
import { type Tab, tabs, useConsole } from './store.ts';

export function Header() {
  const console = useConsole();
  const words = console.words.value;
  const livestream = console.livestream.value;
  const language = console.language.value;
  return (
    <header class="top">
      <div class="top-title">
        {livestream !== null && (
          <span class="state-tag" data-state={livestream.state}>
            {words.state[livestream.state]}
          </span>
        )}
        <h1>{livestream === null ? words.pageTitle : textIn(language, livestream.title)}</h1>
      </div>
      <Tabs />
      <div class="top-facts">
        <Facts />
        <SoundSettings />
        <button
          type="button"
          class="icon-button wide-only"
          aria-label={words.help}
          title={`${words.help} (?)`}
          onClick={() => (console.helpShown.value = true)}
        >
          <KeysIcon />
        </button>
        <a
          class="icon-button wide-only"
          href={`?livestream=${encodeURIComponent(console.livestreamId)}&mode=wall`}
          aria-label={words.wallMode}
          title={words.wallMode}
        >
          <ScreenIcon />
        </a>
        <button
          type="button"
          class="icon-button"
          lang={language === 'zh' ? 'en' : 'zh-CN'}
          onClick={() => console.switchLanguage()}
        >
          <span aria-hidden="true">{words.switchLanguageShort}</span>
          <span class="visually-hidden">{words.switchLanguage}</span>
        </button>
      </div>
    </header>
  );
}

/** Connection, age of the last frame, people watching. */
export function Facts() {
  const console = useConsole();
  const words = console.words.value;
  const connection = console.connection.value;
  const shown = connection.kind === 'live' && connection.stale ? 'stale' : connection.kind;
  const lagMs = console.lagMs.value;
  const viewers = console.viewers.value;
  return (
    <>
      <span class="connection" data-state={shown}>
        <span class="dot" aria-hidden="true" />
        <span role="status">{words.connection[shown]}</span>
        <span class="lag number" title={words.lag}>
          <span class="visually-hidden">{words.lag} </span>
          {lagMs === null ? '— s' : formatLag(lagMs)}
        </span>
      </span>
      <span class="viewers" title={words.watching(String(viewers ?? 0))}>
        <PeopleIcon />
        <span class="number">{(viewers ?? 0).toLocaleString(localeOf[console.language.value])}</span>
      </span>
    </>
  );
}

function Tabs() {
  const console = useConsole();
  const words = console.words.value;
  const badges: Partial<Record<Tab, number>> = { alerts: console.asking.value };
  return (
    <nav class="tabs" aria-label={words.nav}>
      {tabs.map((tab) => (
        <button
          key={tab}
          type="button"
          class={tab === 'alerts' ? 'tab narrow-only' : 'tab'}
          aria-current={console.tab.value === tab ? 'page' : undefined}
          onClick={() => {
            console.openSku.value = null;
            console.tab.value = tab;
          }}
        >
          {words.tabs[tab]}
          <Badge count={badges[tab] ?? 0} />
        </button>
      ))}
    </nav>
  );
}

const Badge = ({ count }: { count: number }): ComponentChildren =>
  count === 0 ? null : (
    <span class="badge number">
      {count}
      <BellIcon />
    </span>
  );
