import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../lib/clock.ts';

/** What a link may do: acknowledge these alerts, in this person's or channel's name. */
const Claims = z.object({
  id: z.string().min(1).max(40),
  expiresAtMs: z.int(),
  actor: z.string().min(1).max(100),
  alerts: z.array(z.tuple([z.string(), z.string()])).min(1),
});
export type AcknowledgeClaims = z.infer<typeof Claims>;

export type TokenOutcome =
  | { readonly kind: 'valid'; readonly claims: AcknowledgeClaims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'forged' };

export type AcknowledgeTokens = {
  /** `alerts` as `[livestreamId, alertId]`; at least one. */
  issue(actor: string, alerts: AcknowledgeClaims['alerts']): string;
  read(token: string): TokenOutcome;
};

export const acknowledgeTtlMs = 30 * 60_000;
const tokenPattern = /^[\w-]{20,4000}\.[\w-]{22}$/;
/** 128 bits of HMAC-SHA256, as in the links of orders. */
const macBytes = 16;

/** `<claims>.<mac>`: works without any storage on every node; that it works once is seen to where it is used. */
export function createAcknowledgeTokens(options: {
  /** 32 bytes for this purpose only: `deriveKey(secret, 'acknowledge-link')`. */
  readonly key: Uint8Array;
  readonly clock: Clock;
}): AcknowledgeTokens {
  const { key } = options;
  const macOf = (payload: string): Buffer => createHmac('sha256', key).update(payload).digest().subarray(0, macBytes);
  return {
    issue(actor, alerts) {
      const id = randomBytes(9).toString('base64url');
      const claims: AcknowledgeClaims = { id, expiresAtMs: options.clock.now() + acknowledgeTtlMs, actor, alerts };
      const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
      return `${payload}.${macOf(payload).toString('base64url')}`;
    },
    read(token) {
      // The whole text, strictly: decoders skip what is no base64, and the token is printed into a page.
      if (!tokenPattern.test(token)) return { kind: 'forged' };
      const [payload = '', mac = ''] = token.split('.', 2);
      const given = Buffer.from(mac, 'base64url');
      if (given.length !== macBytes || !timingSafeEqual(given, macOf(payload))) return { kind: 'forged' };
      const claims = Claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
      if (!claims.success) return { kind: 'forged' };
      return claims.data.expiresAtMs <= options.clock.now()
        ? { kind: 'expired' }
        : { kind: 'valid', claims: claims.data };
    },
  };
}
