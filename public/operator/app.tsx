import { useEffect } from 'preact/hooks';
import { textIn } from '../lib/languages.ts';
import { AlertHistory } from './alert-history.tsx';
import { AlertQueue } from './alert-queue.tsx';
import { Header } from './header.tsx';
import { HelpDialog } from './help.tsx';
import { ItemPanel } from './item-panel.tsx';
import { Orders } from './orders.tsx';
import { People } from './people.tsx';
import { useShortcuts } from './shortcuts.ts';
import { Show } from './show.tsx';
import { type Console, type Tab, useConsole } from './store.ts';
import { Tasks } from './tasks.tsx';
import { Wall } from './wall.tsx';

const pages: Record<Exclude<Tab, 'alerts'>, () => preact.JSX.Element | null> = {
  wall: Wall,
  orders: Orders,
  tasks: Tasks,
  people: People,
  show: Show,
};

/** Below this width the queue is a page of its own, and the first one: a phone is for acknowledging. */
const narrow = '(max-width: 1023px)';

export function App() {
  const console = useConsole();
  useShortcuts(console);
  usePageTitle(console);
  useEffect(() => {
    if (matchMedia(narrow).matches) console.tab.value = 'alerts';
  }, [console]);
  const tab = console.tab.value;
  const Page = pages[tab === 'alerts' ? 'wall' : tab];
  return (
    <div class="console" data-tab={tab}>
      <Header />
      <main>
        <div class="page">
          <Notices />
          <Page />
        </div>
        <section class="queue" aria-label={console.words.value.alerts.title}>
          <AlertQueue />
        </section>
      </main>
      <ItemPanel />
      <AlertHistory />
      <HelpDialog />
      <ToastView />
      <LiveRegions />
    </div>
  );
}

function Notices() {
  const console = useConsole();
  const words = console.words.value;
  const connection = console.connection.value;
  if (connection.kind === 'refused') {
    const { error } = connection;
    const lost = error.code === 'unauthorized' || error.code === 'forbidden';
    return (
      <div class="notice notice-bad" role="alert">
        <p>{lost ? words.signIn.lost : textIn(console.language.value, error.message)}</p>
        {!lost && <p>{words.advice[error.code]}</p>}
        <button type="button" class="small-button" onClick={() => location.reload()}>
          {words.refresh}
        </button>
      </div>
    );
  }
  if (connection.kind === 'live' && connection.stale) return <p class="notice notice-warn">{words.staleHelp}</p>;
  return null;
}

function ToastView() {
  const console = useConsole();
  const toast = console.toast.value;
  return (
    <div class="toasts" role="status">
      {toast !== null && (
        <div class="toast" data-tone={toast.tone}>
          <span>{toast.text}</span>
          {toast.undo !== undefined && (
            <button
              type="button"
              class="toast-undo"
              onClick={() => {
                console.toast.value = null;
                toast.undo?.();
              }}
            >
              {console.words.value.undo}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Red interrupts, the rest waits its turn; ticking numbers are never said. */
export function LiveRegions() {
  const console = useConsole();
  return (
    <>
      <div class="visually-hidden" aria-live="assertive" data-region="red">
        {console.assertive}
      </div>
      <div class="visually-hidden" aria-live="polite">
        {console.polite}
      </div>
    </>
  );
}

/** Number of alerts that ask for action, in front of the title: seen in the tab of a page that is not looked at. */
export function usePageTitle(console: Console): void {
  const livestream = console.livestream.value;
  const title = livestream === null ? console.words.value.pageTitle : textIn(console.language.value, livestream.title);
  const asking = console.asking.value;
  useEffect(() => {
    document.title = asking === 0 ? title : `(${asking}) ${title}`;
  }, [title, asking]);
}
