/** What a key asks for: next alert · acknowledge the chosen one · sound on or off · list of keys · leave what is open · search. */
export type Command = 'next_alert' | 'acknowledge' | 'mute' | 'help' | 'close' | 'search';

const commands: Readonly<Record<string, Command>> = {
  n: 'next_alert',
  a: 'acknowledge',
  m: 'mute',
  '?': 'help',
  '/': 'search',
  Escape: 'close',
};

/** The keys of the list that `?` opens, in its order. */
export const shortcuts: readonly (readonly [key: string, command: Command])[] = Object.entries(commands).map(
  ([key, command]) => [key === 'Escape' ? 'Esc' : key, command],
);

export type KeyPress = {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
  /** Somebody is writing: letters belong to the text. */
  readonly typing: boolean;
};

export function commandOf({ key, ctrlKey, metaKey, altKey, repeat, typing }: KeyPress): Command | null {
  if (ctrlKey || metaKey || altKey || repeat) return null;
  const command = commands[key.length === 1 ? key.toLowerCase() : key] ?? null;
  return typing && command !== 'close' ? null : command;
}

const textInputs = /^(text|search|number|email|tel|url|password|datetime-local|)$/;

/** Whether keys go into a text at the place of focus. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return textInputs.test(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
