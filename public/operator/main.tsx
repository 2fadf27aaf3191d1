import '../lib/tokens.css';
import './operator.css';
import { signal } from '@preact/signals';
import { render } from 'preact';
import { localStorageOf, sessionStorageOf } from '../lib/browser-storage.ts';
import { keepLanguage, languageAtStart } from '../lib/languages.ts';
import { reloadForNewVersion } from '../lib/new-version.ts';
import { connect } from '../lib/stockcast-client.ts';
import { App } from './app.tsx';
import { LiveEvents } from './live-events.ts';
import { LivestreamList } from './livestream-list.tsx';
import { createOperatorApi } from './operator-api.ts';
import { enter, remembered } from './session.ts';
import { SignIn } from './sign-in.tsx';
import { createAlertSound } from './sound.ts';
import { ConsoleProvider, createConsole } from './store.ts';
import { WallMode } from './wall-mode.tsx';

const root = document.querySelector('#page') ?? document.body;
const language = signal(languageAtStart());
const api = createOperatorApi();
const storage = localStorageOf(window);
keepLanguage(language.peek());

async function open(): Promise<void> {
  const entry = await enter({ address: window, api, storage });
  root.replaceChildren();
  switch (entry.kind) {
    case 'open':
      watch(entry.livestreamId);
      return;
    case 'choose':
      render(<LivestreamList api={api} language={language} recent={remembered(storage).recent} />, root);
      return;
    case 'sign_in':
      render(<SignIn api={api} language={language} storage={storage} because={entry.because} />, root);
      return;
    case 'unreachable':
      render(<SignIn api={api} language={language} storage={storage} because="unreachable" />, root);
      setTimeout(() => void open(), 3_000);
  }
}

function watch(livestreamId: string): void {
  const events = new LiveEvents();
  const client = connect({ url: '', livestreamId, lane: 'operators', openSocket: events.openSocket });
  reloadForNewVersion({ client, storage: sessionStorageOf(window), reload: () => location.reload() });
  const { admin: isAdmin } = remembered(storage);
  const sound = createAlertSound(storage);
  const console = createConsole({ client, events, api, livestreamId, isAdmin, language, sound });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') client.wake();
  });
  window.addEventListener('online', () => client.wake());
  // A page that the browser kept in its back-forward cache comes back with a dead socket.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) client.wake();
  });
  const isWall = new URLSearchParams(location.search).get('mode') === 'wall';
  render(<ConsoleProvider value={console}>{isWall ? <WallMode /> : <App />}</ConsoleProvider>, root);
}

void open();
