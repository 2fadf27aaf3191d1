import { afterEach, expect, test, vi } from 'vitest';
import { storageHere } from './idempotency-keys.ts';

afterEach(() => vi.unstubAllGlobals());

test('[CL-5] without session storage, or where it is forbidden, texts are kept in memory', () => {
  for (const forbid of [false, true]) {
    if (forbid) {
      vi.stubGlobal('sessionStorage', undefined);
      Object.defineProperty(globalThis, 'sessionStorage', {
        configurable: true,
        get() {
          throw new Error('forbidden');
        },
      });
    }
    const storage = storageHere();
    expect(storage.getItem('key')).toBeNull();
    storage.setItem('key', 'text');
    expect(storage.getItem('key')).toBe('text');
    storage.removeItem('key');
    expect(storage.getItem('key')).toBeNull();
  }
});

test('[CL-5] a page has its own', () => {
  const own = { getItem: () => 'own', setItem: () => {}, removeItem: () => {} };
  vi.stubGlobal('sessionStorage', own);
  expect(storageHere()).toBe(own);
});
