import { hkdfSync } from 'node:crypto';

/** One configured secret, one key for each purpose: a signature made for one purpose means nothing for another. 32 bytes. */
export function deriveKey(secret: string, purpose: 'session' | 'order-link' | 'acknowledge-link'): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, 'stockcast', purpose, 32));
}
