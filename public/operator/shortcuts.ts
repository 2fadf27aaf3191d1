import { useEffect } from 'preact/hooks';
import { nextAlert } from './alert-book.ts';
import { acknowledge } from './alert-verbs.ts';
import { type Command, commandOf, isTyping } from './keyboard.ts';
import type { Console } from './store.ts';

/** Keys of the whole page. */
export function useShortcuts(console: Console): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const command = commandOf({
        key: event.key,
        ctrlKey: event.ctrlKey,
        metaKey: event.metaKey,
        altKey: event.altKey,
        repeat: event.repeat,
        typing: isTyping(event.target),
      });
      // An open dialog closes itself at Escape.
      if (command === null || (command === 'close' && document.querySelector('dialog[open]') !== null)) return;
      if (verbs[command](console)) event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [console]);
}

/** True: the key did something here and must not do anything else. */
const verbs: Record<Command, (console: Console) => boolean> = {
  next_alert(console) {
    const next = nextAlert(console.queue.peek(), console.chosenAlertId.peek());
    if (next === undefined) return false;
    if (matchMedia('(max-width: 1023px)').matches) console.tab.value = 'alerts';
    console.chosenAlertId.value = next.alertId;
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`#alert-${CSS.escape(next.alertId)}`)?.focus());
    return true;
  },
  acknowledge(console) {
    const chosen = console.queue.peek().find(({ alertId }) => alertId === console.chosenAlertId.peek());
    if (chosen === undefined || chosen.state !== 'raised') return false;
    void acknowledge(console, chosen, '');
    return true;
  },
  mute(console) {
    console.sound.toggle();
    return true;
  },
  help(console) {
    console.helpShown.value = true;
    return true;
  },
  search() {
    const search = document.querySelector<HTMLInputElement>('input[type=search]');
    search?.focus();
    return search !== null;
  },
  close(console) {
    if (console.openSku.peek() === null) return false;
    console.openSku.value = null;
    return true;
  },
};
