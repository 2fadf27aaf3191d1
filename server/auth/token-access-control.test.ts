import { createHmac, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Grant, Role } from '../../contract/access.ts';
import { permits } from './access-control.ts';
import { accessLink } from './access-link.ts';
import { deriveKey } from './keys.ts';
import { createAccessControl } from './token-access-control.ts';

const secret = 'a secret of the tests, 32 characters at least';
const startAtMs = 1_800_000_000_000;
const buyer: Grant = { role: 'viewer', livestreamId: 'live-1', buyerId: 'b-1', deviceId: null };

function create(options: { secret?: string; secureCookies?: boolean } = {}) {
  let nowMs = startAtMs;
  const clock = { now: () => nowMs };
  const access = createAccessControl({ secret, secureCookies: false, clock, ...options });
  return { access, advance: (ms: number) => (nowMs += ms) };
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as its author wants it, signed with the real key. */
function signed(header: object, claims: object, hash = 'sha256'): string {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${createHmac(hash, deriveKey(secret, 'session')).update(input).digest('base64url')}`;
}

const goodClaims = {
  role: 'viewer',
  ls: 'live-1',
  buyer: 'b-1',
  device: null,
  iss: 'stockcast',
  aud: 'stockcast/api',
  exp: startAtMs / 1_000 + 60,
};

describe('tokens', () => {
  test('[AC-1] a token says what was issued, and what the tests sign by hand is understood', async () => {
    const { access } = create();
    expect(await access.verify(await access.issue(buyer, 60_000))).toEqual(buyer);
    expect(await access.verify(signed({ alg: 'HS256' }, goodClaims))).toEqual(buyer);
  });

  test.each([
    ['no algorithm', `${encoded({ alg: 'none' })}.${encoded(goodClaims)}.`],
    ['another algorithm with the same key', signed({ alg: 'HS512' }, goodClaims, 'sha512')],
    ['an algorithm that is not the signature', signed({ alg: 'RS256' }, goodClaims)],
    ['another issuer', signed({ alg: 'HS256' }, { ...goodClaims, iss: 'someone' })],
    ['another audience', signed({ alg: 'HS256' }, { ...goodClaims, aud: 'stockcast/other' })],
    ['no expiry', signed({ alg: 'HS256' }, { ...goodClaims, exp: undefined })],
    ['an unknown role', signed({ alg: 'HS256' }, { ...goodClaims, role: 'root' })],
    ['an operator of no livestream', signed({ alg: 'HS256' }, { ...goodClaims, role: 'operator', ls: null })],
    ['an admin of one livestream', signed({ alg: 'HS256' }, { ...goodClaims, role: 'admin' })],
    ['a livestream id of another form', signed({ alg: 'HS256' }, { ...goodClaims, ls: '{live}:1' })],
    ['an unknown critical header', signed({ alg: 'HS256', crit: ['x'], x: 1 }, goodClaims)],
    ['no token at all', 'not-a-token'],
    ['nothing', ''],
  ])('[AC-1] %s is not valid', async (_what, token) => {
    expect(await create().access.verify(token)).toBeNull();
  });

  test('[AC-1] a changed payload, a foreign secret and an asymmetric signature are not valid', async () => {
    const { access } = create();
    const [header, , signature] = (await access.issue(buyer, 60_000)).split('.');
    expect(await access.verify(`${header}.${encoded({ ...goodClaims, role: 'operator' })}.${signature}`)).toBeNull();
    const foreign = create({ secret: 'another secret, also 32 characters long' });
    expect(await access.verify(await foreign.access.issue(buyer, 60_000))).toBeNull();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const asymmetric = await new SignJWT(goodClaims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    expect(await access.verify(asymmetric)).toBeNull();
  });

  test('[AC-2] the injected clock decides about expiry, also for a token that was verified before', async () => {
    const { access, advance } = create();
    const token = await access.issue(buyer, 60_000);
    advance(59_999);
    expect(await access.verify(token)).toEqual(buyer);
    advance(1);
    expect(await access.verify(token)).toBeNull();
    expect(await create().access.verify(token)).toEqual(buyer);
  });

  test('[AC-2] a token without a lifetime, or of a role that does not fit, is not issued', async () => {
    const { access } = create();
    await expect(access.issue(buyer, 0)).rejects.toThrow(RangeError);
    await expect(access.issue(buyer, Number.NaN)).rejects.toThrow(RangeError);
    await expect(access.issue({ ...buyer, livestreamId: null }, 1_000)).rejects.toThrow();
    await expect(access.issue({ ...buyer, role: 'admin' }, 1_000)).rejects.toThrow();
  });

  test('[AC-17] a huge token and a flood of cookies are not looked at', async () => {
    const { access } = create();
    const token = await access.issue(buyer, 60_000);
    expect(await access.verify(`${token}${'A'.repeat(3_000)}`)).toBeNull();
    const noise = Array.from({ length: 12 }, (_, index) => `stockcast_viewer_x${index}=noise`).join('; ');
    expect(await access.grantsOf({ cookie: `${noise}; stockcast_viewer_live-1=${token}` })).toEqual([]);
    expect(await access.grantsOf({ cookie: `a=b; stockcast_viewer_live-1=${token}` })).toEqual([buyer]);
  });
});

describe('permissions', () => {
  const roles: readonly Role[] = ['viewer', 'anchor', 'operator', 'admin', 'service'];
  const global = (role: Role): boolean => role === 'admin' || role === 'service';
  const grantOf = (role: Role): Grant => ({ ...buyer, role, livestreamId: global(role) ? null : 'live-1' });
  const permitted = {
    watch: ['viewer', 'anchor', 'operator', 'admin', 'service'],
    watch_full: ['anchor', 'operator', 'admin', 'service'],
    order: ['viewer'],
    manage: ['operator', 'admin'],
    supply: ['admin', 'service'],
  } as const;

  test.each(Object.entries(permitted))('[AC-3] %s is for %j, each in its own livestream', (access, expected) => {
    const of = (livestreamId: string | null): Role[] =>
      roles.filter((role) => permits([grantOf(role)], access as keyof typeof permitted, livestreamId) !== null);
    expect(of('live-1')).toEqual(expected);
    expect(of('live-2')).toEqual(expected.filter(global));
    expect(of(null)).toEqual(expected.filter(global));
  });

  test('[AC-4] ordering needs a buyer', () => {
    expect(permits([{ ...buyer, buyerId: null }], 'order', 'live-1')).toBeNull();
    expect(permits([{ ...buyer, buyerId: null }], 'watch', 'live-1')).not.toBeNull();
    expect(permits([{ ...buyer, buyerId: null }, buyer], 'order', 'live-1')).toEqual(buyer);
  });
});

describe('cookies', () => {
  test('[AC-5] one cookie per role and livestream, out of reach of scripts and other sites, ending with its token', async () => {
    const { access } = create();
    const cookieOf = async (grant: Grant): Promise<string> => {
      const token = await access.issue(grant, 60_000);
      const verified = await access.inspect(token);
      return verified === null ? 'not verified' : access.sessionCookie(verified, token);
    };
    expect(await cookieOf(buyer)).toMatch(
      /^stockcast_viewer_live-1=[\w.-]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/,
    );
    expect(await cookieOf({ ...buyer, role: 'operator' })).toMatch(/^stockcast_operator_live-1=/);
    expect(await cookieOf({ ...buyer, role: 'admin', livestreamId: null })).toMatch(/^stockcast_admin=/);
  });

  test('[AC-5] over https the cookie is Secure and bound to the host, and no other is read', async () => {
    const { access } = create({ secureCookies: true });
    const token = await access.issue(buyer, 60_000);
    const verified = await access.inspect(token);
    if (verified === null) throw new Error('a fresh token must verify');
    expect(access.sessionCookie(verified, token)).toMatch(/^__Host-stockcast_viewer_live-1=.*; Secure$/);
    expect(await access.grantsOf({ cookie: `stockcast_viewer_live-1=${token}` })).toEqual([]);
    expect(await access.grantsOf({ cookie: `__Host-stockcast_viewer_live-1=${token}` })).toEqual([buyer]);
  });

  test('[AC-6] an Authorization header counts alone, also when it is not usable', async () => {
    const { access } = create();
    const operator: Grant = { ...buyer, role: 'operator' };
    const [viewerToken, operatorToken] = [await access.issue(buyer, 60_000), await access.issue(operator, 60_000)];
    const cookie = `stockcast_operator_live-1=${operatorToken}; stockcast_viewer_live-1=${viewerToken}`;
    expect(await access.grantsOf({ cookie })).toEqual([operator, buyer]);
    expect(await access.grantsOf({ cookie, authorization: `Bearer ${viewerToken}` })).toEqual([buyer]);
    expect(await access.grantsOf({ cookie, authorization: 'Basic abc' })).toEqual([]);
    expect(access.usesCookie({ cookie })).toBe(true);
    expect(access.usesCookie({ cookie, authorization: 'Bearer x' })).toBe(false);
    expect(access.usesCookie({ cookie: 'theme=dark' })).toBe(false);
  });
});

test('[AC-15] a key of one purpose is not the key of another', () => {
  expect(deriveKey(secret, 'session')).not.toEqual(deriveKey(secret, 'order-link'));
  expect(deriveKey(secret, 'session')).toHaveLength(32);
});

test('[AC-16] a link carries its token in the fragment, and a service gets the bare token', () => {
  expect(accessLink('https://x.example', buyer, 'T')).toBe('https://x.example/viewer/?livestream=live-1#token=T');
  const admin: Grant = { role: 'admin', livestreamId: null, buyerId: null, deviceId: null };
  expect(accessLink('https://x.example', admin, 'T')).toBe('https://x.example/operator/#token=T');
  expect(accessLink('https://x.example', { ...admin, role: 'service' }, 'T')).toBe('T');
});
