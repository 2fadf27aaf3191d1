import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Secrets at rest: AES-256-GCM, a new nonce for each, bound to the place where they stand (`about`), so that a row copied into another
 * channel opens nothing. A sealed value reads `stockcast.v1:<key>:<nonce, tag and text>`; `<key>` names the key and tells nothing of it.
 */
export type SecretSeal = {
  seal(about: string, secret: string): string;
  /** `isCurrent`: sealed with the newest key. A value from before secrets were sealed opens as it is. null: sealed with a key that is not known, or altered. */
  open(about: string, stored: string): { readonly secret: string; readonly isCurrent: boolean } | null;
};

const prefix = 'stockcast.v1:';
const [nonceLength, tagLength] = [12, 16];

/** Keys of 32 bytes: the first seals, all of them open. */
export function createSecretSeal(keys: readonly Uint8Array[]): SecretSeal {
  const known = new Map(keys.map((key) => [keyName(key), key]));
  const [newest] = keys;
  if (newest === undefined) throw new Error('a seal needs a key');
  const newestName = keyName(newest);
  return {
    seal(about, secret) {
      const nonce = randomBytes(nonceLength);
      const cipher = createCipheriv('aes-256-gcm', newest, nonce).setAAD(Buffer.from(about));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `${prefix}${newestName}:${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`;
    },
    open(about, stored) {
      if (!stored.startsWith(prefix)) return { secret: stored, isCurrent: false };
      const [name = '', encoded = ''] = stored.slice(prefix.length).split(':', 2);
      const key = known.get(name);
      const bytes = Buffer.from(encoded, 'base64url');
      if (key === undefined || bytes.length < nonceLength + tagLength) return null;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceLength), {
        authTagLength: tagLength,
      });
      decipher.setAAD(Buffer.from(about)).setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength));
      try {
        const text = Buffer.concat([decipher.update(bytes.subarray(nonceLength + tagLength)), decipher.final()]);
        return { secret: text.toString('utf8'), isCurrent: name === newestName };
      } catch {
        return null;
      }
    },
  };
}

/** Eight hex digits of a hash: enough to tell a handful of keys apart. */
const keyName = (key: Uint8Array): string =>
  createHash('sha256').update('stockcast key name').update(key).digest('hex').slice(0, 8);
