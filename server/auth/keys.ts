import { hkdfSync } from 'node:crypto';

type Purpose = 'session' | 'order-link' | 'acknowledge-link' | 'channel-secrets';

/** One configured secret, one key for each purpose: a signature made for one purpose means nothing for another. 32 bytes. */
export function deriveKey(secret: string, purpose: Purpose): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, 'stockcast', purpose, 32));
}
