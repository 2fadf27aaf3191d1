import '../lib/tokens.css';
import './viewer.css';
import { signal } from '@preact/signals';
import { render } from 'preact';
import { deviceIdOf, hadSession, localStorageOf, noteSession, sessionStorageOf } from '../lib/browser-storage.ts';
import { createHttpApi } from '../lib/http-api.ts';
import { keepLanguage, languageAtStart } from '../lib/languages.ts';
import { reloadForNewVersion } from '../lib/new-version.ts';
import { ensureSession, type SessionOutcome, takeToken } from '../lib/session.ts';
import { connect } from '../lib/stockcast-client.ts';
import { App } from './app.tsx';
import { Gate, type GateReason } from './gate.tsx';
import { otherTabs } from './other-tabs.ts';
import { PayLinks } from './pay-links.ts';
import { announceChanges, createViewer, ViewerProvider } from './store.ts';
import { wordsIn } from './words.ts';

const root = document.querySelector('#page') ?? document.body;
const language = signal(languageAtStart());
const api = createHttpApi();
const storage = localStorageOf(window);
keepLanguage(language.peek());

/** The page's only path from its address to a livestream on screen. */
async function open(): Promise<void> {
  document.title = wordsIn[language.peek()].pageTitle;
  const token = takeToken(window);
  const exchanged = token === null ? null : await api.openSession({ token });
  const linkExpired = exchanged !== null && !exchanged.ok && exchanged.error.code === 'unauthorized';
  const named = new URLSearchParams(location.search).get('livestream');
  const livestreamId = named ?? (exchanged?.ok ? exchanged.value.livestreamId : null) ?? (await firstLivestream());
  if (livestreamId === null) {
    showGate('no_livestream');
    return;
  }
  const session = await ensureSession(api, livestreamId, token !== null || hadSession(storage));
  if (session.kind === 'ready') noteSession(storage);
  if (session.kind === 'refused') {
    showGate(session.error.code === 'not_found' ? 'no_livestream' : 'needs_link');
    return;
  }
  if (session.kind === 'unreachable') {
    showGate('unreachable');
    setTimeout(() => void open(), 3_000);
    return;
  }
  watch(livestreamId, session, linkExpired);
}

function watch(livestreamId: string, session: SessionOutcome, linkExpired: boolean): void {
  const client = connect({
    url: '',
    livestreamId,
    lane: 'viewers',
    deviceId: deviceIdOf(storage),
    renewSession: async () => (await ensureSession(api, livestreamId, true)).kind === 'ready',
  });
  const tabs = otherTabs(livestreamId, () => void lookForOrders());
  const viewer = createViewer({ client, language, payLinks: new PayLinks(storage), onPlaced: () => tabs.tell() });
  if (session.kind === 'ready') client.addOrders(session.orders);
  if (session.kind === 'watch_only') viewer.notice.value = viewer.words.peek().cannotOrder;
  if (linkExpired) viewer.notice.value = viewer.words.peek().linkExpired;
  announceChanges(viewer);
  reloadForNewVersion({ client, storage: sessionStorageOf(window), reload: () => location.reload() });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') client.wake();
  });
  window.addEventListener('online', () => client.wake());
  // A page that the browser kept in its back-forward cache comes back with a dead socket.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) client.wake();
  });
  root.replaceChildren();
  render(
    <ViewerProvider value={viewer}>
      <App />
    </ViewerProvider>,
    root,
  );
  void settleEarlierOrders();

  async function lookForOrders(): Promise<void> {
    viewer.payLinks.readAgain();
    const mine = await api.myOrders(livestreamId);
    if (mine.ok) client.addOrders(mine.value);
  }

  async function settleEarlierOrders(): Promise<void> {
    for (const result of await client.resumePendingOrders()) {
      if (result.kind !== 'accepted') continue;
      viewer.payLinks.keep(result.order.orderId, result.payUrl);
      viewer.sheet.value ??= { kind: 'order', orderId: result.order.orderId };
    }
  }
}

async function firstLivestream(): Promise<string | null> {
  const listed = await api.listLivestreams();
  if (!listed.ok) return null;
  const livestream = listed.value.find(({ state }) => state === 'live') ?? listed.value[0];
  return livestream?.livestreamId ?? null;
}

function showGate(reason: GateReason): void {
  render(<Gate reason={reason} language={language} />, root);
}

void open();
