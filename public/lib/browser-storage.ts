const deviceStoredAs = 'stockcast.device';

/** null where the browser forbids storage: reading the property alone may throw. */
export function localStorageOf(from: { readonly localStorage: Storage }): Storage | null {
  try {
    return from.localStorage;
  } catch {
    return null;
  }
}

/** Of this tab; null where the browser forbids storage. */
export function sessionStorageOf(from: { readonly sessionStorage: Storage }): Storage | null {
  try {
    return from.sessionStorage;
  } catch {
    return null;
  }
}

/** A name of this browser for limits per device: random, says nothing about its owner; undefined where it could not be kept. */
export function deviceIdOf(storage: Pick<Storage, 'getItem' | 'setItem'> | null): string | undefined {
  try {
    const known = storage?.getItem(deviceStoredAs) ?? null;
    if (known !== null && /^[\w.-]{8,64}$/.test(known)) return known;
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    const made = `d-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
    storage?.setItem(deviceStoredAs, made);
    return storage === null ? undefined : made;
  } catch {
    return undefined;
  }
}

const sessionStoredAs = 'stockcast.session';

/** Whether this browser once got a session here; the cookie itself is out of a page's reach. */
export function hadSession(storage: Pick<Storage, 'getItem'> | null): boolean {
  try {
    return (storage?.getItem(sessionStoredAs) ?? null) !== null;
  } catch {
    return false;
  }
}

export function noteSession(storage: Pick<Storage, 'setItem'> | null): void {
  try {
    storage?.setItem(sessionStoredAs, '1');
  } catch {
    // Then every visit begins like the first.
  }
}
