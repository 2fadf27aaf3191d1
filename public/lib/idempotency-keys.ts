import type * as z from 'zod/mini';
import type { OrderLineRequest } from '../../contract/orders.ts';

type Line = z.infer<typeof OrderLineRequest>;
/** An order that was sent and whose answer is not known. */
export type PendingOrder = { readonly key: string; readonly lines: readonly Line[]; readonly sinceMs: number };
/** The part of `sessionStorage` that is needed. */
export type TextStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const pendingMax = 20;
/** The server forgets the outcome of a key at some time; after a day a retry could buy a second time without being asked for. */
const forgetAfterMs = 86_400_000;

/** A key that nobody else has. `crypto.randomUUID` is missing on plain-http addresses of a home network; this is not. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Keeps the key of every order from before its first sending until its definite answer (I4), over reloads too. The same lines again while
 * the answer is unknown mean the same attempt: they get the same key.
 */
export class PendingOrders {
  readonly #storage: TextStorage;
  readonly #name: string;
  readonly #now: () => number;

  constructor({ storage, livestreamId, now }: { storage: TextStorage; livestreamId: string; now: () => number }) {
    this.#storage = storage;
    this.#name = `stockcast.pending.${livestreamId}`;
    this.#now = now;
  }

  list(): readonly PendingOrder[] {
    const oldestMs = this.#now() - forgetAfterMs;
    try {
      const stored: unknown = JSON.parse(this.#storage.getItem(this.#name) ?? '[]');
      return Array.isArray(stored) ? stored.filter(isPendingOrder).filter(({ sinceMs }) => sinceMs > oldestMs) : [];
    } catch {
      return [];
    }
  }

  /** The attempt for these lines: the one under way, or a new one, stored before it is returned. */
  begin(lines: readonly Line[], newKey: () => string): PendingOrder {
    const pending = this.list();
    const known = pending.find((each) => sameLines(each.lines, lines));
    if (known !== undefined) return known;
    const order = { key: newKey(), lines, sinceMs: this.#now() };
    this.#write([...pending, order].slice(-pendingMax));
    return order;
  }

  /** The answer of this key is known. */
  settle(key: string): void {
    this.#write(this.list().filter((each) => each.key !== key));
  }

  #write(pending: readonly PendingOrder[]): void {
    try {
      if (pending.length === 0) this.#storage.removeItem(this.#name);
      else this.#storage.setItem(this.#name, JSON.stringify(pending));
    } catch {
      // Storage that is full or switched off: the key then lives as long as the attempt, which still covers every automatic retry.
    }
  }
}

function sameLines(a: readonly Line[], b: readonly Line[]): boolean {
  const text = (lines: readonly Line[]): string =>
    lines
      .map(({ skuId, quantity }) => `${skuId}:${quantity}`)
      .sort()
      .join();
  return text(a) === text(b);
}

function isPendingOrder(each: unknown): each is PendingOrder {
  if (typeof each !== 'object' || each === null) return false;
  const { key, lines, sinceMs } = each as Record<keyof PendingOrder, unknown>;
  return typeof key === 'string' && Array.isArray(lines) && typeof sinceMs === 'number';
}

/** The tab's own storage; in a program, or where the browser forbids it, one that lasts as long as the page. */
export function storageHere(): TextStorage {
  try {
    // In a program there is none, and reading it may throw where it is forbidden.
    const own: TextStorage | undefined = globalThis.sessionStorage;
    if (own !== undefined) return own;
  } catch {
    // As where there is none.
  }
  const texts = new Map<string, string>();
  return {
    getItem: (name) => texts.get(name) ?? null,
    setItem: (name, text) => void texts.set(name, text),
    removeItem: (name) => void texts.delete(name),
  };
}
