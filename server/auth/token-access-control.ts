import { webcrypto } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { jwtVerify, SignJWT } from 'jose';
import * as z from 'zod';
import { Grant, type Grant as GrantValue, Role } from '../../contract/access.ts';
import { Id } from '../../contract/primitives.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { AccessControl } from './access-control.ts';
import { deriveKey } from './keys.ts';
import { isOverlayToken, type OverlayTokens } from './overlay-tokens.ts';

export type VerifiedToken = { readonly grant: GrantValue; readonly expiresAtMs: number };

export type TokenAccessControl = AccessControl & {
  /** As `verify`, with the moment of expiry. */
  inspect(token: string): Promise<VerifiedToken | null>;
  /** Value of a `Set-Cookie` header that carries the token until it expires. */
  sessionCookie(verified: VerifiedToken, token: string): string;
  /** The request claims a session by cookie and not by header: changes then need a same-origin request. */
  usesCookie(headers: IncomingHttpHeaders): boolean;
};

const issuer = 'stockcast';
const audience = 'stockcast/api';
const algorithm = 'HS256';

/** Longest token that is looked at, and most session cookies of one request: bounds what a hostile request costs. */
const tokenLengthMax = 2_000;
const cookiesMax = 12;

/** A verification costs about 40 µs, the whole hot path about as much: a buyer's second request finds the first one's result. */
const verifiedMax = 20_000;

/** Roles of a livestream name one, the others name none: a token that mixes them up was not made by us. */
const Claims = z
  .object({ role: Role, ls: z.nullable(Id), buyer: z.nullable(Id), device: z.nullable(Id), exp: z.int() })
  .refine(({ role, ls }) => (role === 'admin' || role === 'service') === (ls === null));

/**
 * Tokens are JWTs signed with HS256 (and nothing else), with issuer, audience and expiry; the injected clock decides about expiry.
 * `secureCookies`: pages are reached over https; cookies then are `Secure` and carry the `__Host-` prefix.
 */
export function createAccessControl(options: {
  readonly secret: string;
  readonly secureCookies: boolean;
  readonly clock: Clock;
  /** Accepts overlay tokens as bearer tokens too; they are never cookies. */
  readonly overlays?: Pick<OverlayTokens, 'verify'>;
}): TokenAccessControl {
  const { secureCookies, clock, overlays } = options;
  const key = importKey(deriveKey(options.secret, 'session'));
  const known = new BoundedCache<VerifiedToken>(verifiedMax);
  const cookiePrefix = secureCookies ? '__Host-stockcast_' : 'stockcast_';

  async function inspect(token: string): Promise<VerifiedToken | null> {
    if (token.length === 0 || token.length > tokenLengthMax) return null;
    const seen = known.get(token);
    if (seen !== undefined) return clock.now() < seen.expiresAtMs ? seen : null;
    const verified = await verifySignature(token, await key, clock);
    if (verified !== null) known.set(token, verified);
    return verified;
  }

  const ofSession = async (token: string): Promise<GrantValue | null> => (await inspect(token))?.grant ?? null;

  const verify = async (token: string): Promise<GrantValue | null> => {
    if (!isOverlayToken(token)) return ofSession(token);
    return (await overlays?.verify(token))?.grant ?? null;
  };

  return {
    inspect,
    verify,
    async issue(grant, ttlMs) {
      const { role, livestreamId, buyerId, deviceId } = Grant.parse(grant);
      if (!(ttlMs > 0)) throw new RangeError('a token needs a lifetime above zero');
      const nowMs = clock.now();
      const exp = Math.ceil((nowMs + ttlMs) / 1_000);
      const claims = Claims.parse({ role, ls: livestreamId, buyer: buyerId, device: deviceId, exp });
      return new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(Math.floor(nowMs / 1_000))
        .sign(await key);
    },
    async grantsOf(headers) {
      const bearer = bearerOf(headers);
      const grants =
        bearer === null
          ? await Promise.all(sessionCookies(headers, cookiePrefix).map(ofSession))
          : [await verify(bearer)];
      return grants.filter((grant) => grant !== null);
    },
    sessionCookie({ grant, expiresAtMs }, token) {
      const name = `${cookiePrefix}${grant.role}${grant.livestreamId === null ? '' : `_${grant.livestreamId}`}`;
      const maxAgeSeconds = Math.max(0, Math.floor((expiresAtMs - clock.now()) / 1_000));
      const secure = secureCookies ? '; Secure' : '';
      return `${name}=${token}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
    },
    usesCookie: (headers) => bearerOf(headers) === null && sessionCookies(headers, cookiePrefix).length > 0,
  };
}

async function verifySignature(token: string, key: webcrypto.CryptoKey, clock: Clock): Promise<VerifiedToken | null> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [algorithm],
      issuer,
      audience,
      requiredClaims: ['exp'],
      currentDate: new Date(clock.now()),
    });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return null;
    const { role, ls, buyer, device, exp } = claims.data;
    const grant = Object.freeze({ role, livestreamId: ls, buyerId: buyer, deviceId: device });
    return { grant, expiresAtMs: exp * 1_000 };
  } catch {
    // Whatever is wrong with a token, its sender learns only that it is not valid.
    return null;
  }
}

/** Imported once: jose would import raw bytes anew for each token. */
function importKey(bytes: Uint8Array): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
}

/** null: no `Authorization` header, cookies count. A header that is not a bearer token is an empty token, which nobody accepts. */
function bearerOf(headers: IncomingHttpHeaders): string | null {
  const { authorization } = headers;
  if (authorization === undefined) return null;
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}

function sessionCookies(headers: IncomingHttpHeaders, prefix: string): readonly string[] {
  const tokens: string[] = [];
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [name = '', value = ''] = pair.trim().split('=', 2);
    if (name.startsWith(prefix) && tokens.length < cookiesMax) tokens.push(value);
  }
  return tokens;
}
