import { expect, test } from 'vitest';
import { commandOf, type KeyPress, shortcuts } from './keyboard.ts';

const press = (key: string, change: Partial<KeyPress> = {}): ReturnType<typeof commandOf> =>
  commandOf({ key, ctrlKey: false, metaKey: false, altKey: false, repeat: false, typing: false, ...change });

test('[CO-5] n is the next alert, a acknowledges, m mutes, ? helps, / searches, Escape closes', () => {
  const found = ['n', 'a', 'm', '?', '/', 'Escape'].map((key) => press(key));
  expect(found).toEqual(['next_alert', 'acknowledge', 'mute', 'help', 'search', 'close']);
  expect(press('N')).toBe('next_alert');
  expect(press('x')).toBeNull();
});

test('[CO-5] letters belong to a text that is being written; Escape still leaves', () => {
  expect(press('a', { typing: true })).toBeNull();
  expect(press('/', { typing: true })).toBeNull();
  expect(press('Escape', { typing: true })).toBe('close');
});

test("[CO-5] the browser's own shortcuts and held keys stay what they are", () => {
  expect(press('a', { ctrlKey: true })).toBeNull();
  expect(press('a', { metaKey: true })).toBeNull();
  expect(press('n', { altKey: true })).toBeNull();
  expect(press('a', { repeat: true })).toBeNull();
});

test('[CO-5] the list of keys shows every command once', () => {
  expect(shortcuts.map(([key]) => key)).toEqual(['n', 'a', 'm', '?', '/', 'Esc']);
  expect(new Set(shortcuts.map(([, command]) => command)).size).toBe(shortcuts.length);
});
