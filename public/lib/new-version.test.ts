import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { wireError } from '../../contract/errors.ts';
import type { ClientState } from './client-state.ts';
import { reloadForNewVersion } from './new-version.ts';

const reload = vi.fn<() => void>();
let kept: Map<string, string>;
const storage = {
  getItem: (name: string) => kept.get(name) ?? null,
  setItem: (name: string, text: string) => void kept.set(name, text),
};
beforeEach(() => {
  kept = new Map();
  reload.mockReset();
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

/** A page that has just been loaded. */
function page({ on = storage, random = 0.5 }: { on?: typeof storage | null; random?: number } = {}) {
  let listener: (state: ClientState) => void = () => undefined;
  const state: ClientState = {
    connection: { kind: 'connecting' },
    livestream: null,
    viewers: null,
    buyerId: null,
    orders: [],
  };
  reloadForNewVersion({
    client: {
      state,
      subscribe: (heard) => {
        listener = heard;
        return () => undefined;
      },
    },
    storage: on,
    reload,
    random: () => random,
  });
  return (code: 'protocol_mismatch' | 'forbidden') =>
    listener({ ...state, connection: { kind: 'refused', error: wireError(code) } });
}

test('[PR-12] a page of another protocol version reloads itself once, spread out, and never in a loop', () => {
  const refuse = page();
  refuse('protocol_mismatch');
  refuse('protocol_mismatch');
  vi.advanceTimersByTime(4_999);
  expect(reload).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(reload).toHaveBeenCalledOnce();

  // The same old page again: its reader decides.
  page()('protocol_mismatch');
  vi.advanceTimersByTime(60_000);
  expect(reload).toHaveBeenCalledOnce();

  // The next deploy, an hour later.
  vi.advanceTimersByTime(3_600_000);
  page({ random: 0 })('protocol_mismatch');
  vi.advanceTimersByTime(0);
  expect(reload).toHaveBeenCalledTimes(2);
});

test('[PR-12] other refusals, and a browser that keeps nothing, reload nothing', () => {
  page()('forbidden');
  page({ on: null })('protocol_mismatch');
  page({ on: { getItem: () => null, setItem: () => undefined } })('protocol_mismatch');
  page({
    on: {
      getItem: () => {
        throw new Error('forbidden');
      },
      setItem: () => undefined,
    },
  })('protocol_mismatch');
  vi.advanceTimersByTime(600_000);
  expect(reload).not.toHaveBeenCalled();
});
