import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Grant } from '../../contract/access.ts';
import type { TokenAccessControl } from '../auth/token-access-control.ts';
import type { Clock } from '../lib/clock.ts';
import { createRateLimiter } from '../lib/rate-limiter.ts';
import { anonymousViewers } from '../livestreams/anonymous-viewers.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import { HttpError, type RouteHandlers } from './request.ts';

/** Lifetime of an anonymous viewer's cookie: a buyer finds the own orders again during the days in which they matter. */
export const anonymousTtlMs = 7 * 86_400_000;

/** Addresses whose rate is remembered. */
const addressesMax = 50_000;

type Deps = {
  readonly access: TokenAccessControl;
  readonly catalogue: Pick<LivestreamCatalogue, 'allowsAnonymous'>;
  readonly sessionsPerIpPerMinute: number;
  readonly clock: Clock;
  /** Chance as a parameter; anonymous buyers must not be guessable. */
  readonly randomId?: () => string;
};

const randomBuyer = (): string => `anon-${randomBytes(12).toString('base64url')}`;

/** Sessions for browsers, tokens for a shop's buyers. */
export function accessHandlers(deps: Deps): Pick<RouteHandlers, 'openSession' | 'issueToken'> {
  const { access, catalogue, clock, sessionsPerIpPerMinute } = deps;
  const limiter = createRateLimiter({
    perMinute: sessionsPerIpPerMinute,
    burst: Math.max(20, Math.ceil(sessionsPerIpPerMinute / 2)),
    keysMax: addressesMax,
    clock,
  });
  const allowsAnonymous = anonymousViewers({ catalogue, clock });
  return {
    async openSession({ body, grants, req, res }) {
      const waitMs = limiter.take(addressOf(req));
      if (waitMs > 0) throw new HttpError('rate_limited', { minBackoffMs: waitMs });
      if ('token' in body) return setSession(access, res, body.token);
      const allowed = await allowsAnonymous(body.livestreamId);
      const grant = anonymousGrant(deps, { livestreamId: body.livestreamId, allowed, grants });
      return setSession(access, res, await access.issue(grant, anonymousTtlMs));
    },
    async issueToken({ params, body }) {
      const { livestreamId } = params;
      if ((await allowsAnonymous(livestreamId)) === null) throw noSuchLivestream();
      const { role, buyerId = null, deviceId = null, ttlMs } = body;
      const token = await access.issue({ role, livestreamId, buyerId, deviceId }, ttlMs);
      return { token, expiresAtMs: (await access.inspect(token))?.expiresAtMs ?? clock.now() + ttlMs };
    },
  };
}

/** Who is a buyer of this livestream already stays that buyer, with the same orders and the same limits; else a new one. */
function anonymousGrant(
  { randomId = randomBuyer }: Deps,
  { livestreamId, allowed, grants }: { livestreamId: string; allowed: boolean | null; grants: readonly Grant[] },
): Grant {
  if (allowed === null) throw noSuchLivestream();
  const before = grants.find(
    (grant) => grant.role === 'viewer' && grant.livestreamId === livestreamId && grant.buyerId !== null,
  );
  if (before !== undefined) return before;
  if (!allowed) throw new HttpError('forbidden', { message: membersOnly });
  return { role: 'viewer', livestreamId, buyerId: randomId(), deviceId: null };
}

async function setSession(access: TokenAccessControl, res: Response, token: string) {
  const verified = await access.inspect(token);
  if (verified === null) throw new HttpError('unauthorized', { message: linkEnded });
  res.append('Set-Cookie', access.sessionCookie(verified, token));
  const { role, livestreamId, buyerId } = verified.grant;
  return { role, livestreamId, buyerId };
}

/** IPv6 is counted by its /64: one household has 2^64 addresses. */
export function addressOf(req: Pick<Request, 'ip'>): string {
  const address = req.ip ?? '';
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? `${groupsOf(address).slice(0, 4).join(':')}::/64`;
}

function groupsOf(address: string): readonly string[] {
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after];
}

const noSuchLivestream = (): HttpError =>
  new HttpError('not_found', { message: { zh: '没有这场直播', en: 'There is no such livestream.' } });
const membersOnly = {
  zh: '本场直播仅限登录买家观看，请从商城进入',
  en: 'This livestream is for identified buyers; enter it from the shop.',
};
const linkEnded = { zh: '链接无效或已过期', en: 'This link is not valid or has expired.' };
