import type { TextStorage } from './idempotency-keys.ts';
import type { StockcastClient } from './stockcast-client.ts';

const storedAs = 'stockcast.reloaded';
/** A deploy refuses every page of the old version within seconds; they come back spread over this. */
const spreadMs = 10_000;
/** Who got the same old page again (a cache, a node that is not upgraded yet) is left to its reader for so long. */
const againMs = 600_000;

/**
 * Reloads a page whose server has become another version's: once, after a pause by chance, and never in a loop. Where nothing can be kept that
 * would prevent a loop, the reader's own button is the only way. `storage` is one that lives as long as the tab.
 */
export function reloadForNewVersion(options: {
  readonly client: Pick<StockcastClient, 'state' | 'subscribe'>;
  readonly storage: Pick<TextStorage, 'getItem' | 'setItem'> | null;
  readonly reload: () => void;
  readonly now?: () => number;
  readonly random?: () => number;
}): void {
  const { client, storage, reload, now = () => Date.now(), random = () => Math.random() } = options;
  let planned = false;
  client.subscribe(({ connection }) => {
    if (planned || connection.kind !== 'refused' || connection.error.code !== 'protocol_mismatch') return;
    planned = true;
    if (!mayReload(storage, now())) return;
    setTimeout(reload, random() * spreadMs);
  });
}

function mayReload(storage: Pick<TextStorage, 'getItem' | 'setItem'> | null, nowMs: number): boolean {
  if (storage === null) return false;
  try {
    const lastAtMs = Number(storage.getItem(storedAs) ?? Number.NEGATIVE_INFINITY);
    // A clock that was set back must not forbid it for ever.
    if (Math.abs(nowMs - lastAtMs) < againMs) return false;
    storage.setItem(storedAs, String(nowMs));
    return storage.getItem(storedAs) === String(nowMs);
  } catch {
    return false;
  }
}
