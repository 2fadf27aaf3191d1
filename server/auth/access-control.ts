import type { IncomingHttpHeaders } from 'node:http';
import type { Grant, Role } from '../../contract/access.ts';
import type { RouteAccess } from '../../contract/routes.ts';

/** Signs and checks tokens; implemented in `token-access-control.ts`. */
export type AccessControl = {
  /** A signed token that says `grant`, for `ttlMs`. */
  issue(grant: Grant, ttlMs: number): Promise<string>;
  /** null: forged, expired, or not a token at all. */
  verify(token: string): Promise<Grant | null>;
  /** Grants of a request: `Authorization: Bearer`, else every session cookie that is valid. Never rejects. */
  grantsOf(headers: IncomingHttpHeaders): Promise<readonly Grant[]>;
};

const rolesFor: Record<Exclude<RouteAccess, 'open' | 'signed'>, readonly Role[]> = {
  watch: ['viewer', 'anchor', 'operator', 'admin', 'service'],
  watch_full: ['anchor', 'operator', 'admin', 'service'],
  watch_curves: ['anchor', 'operator', 'admin', 'service'],
  order: ['viewer'],
  manage: ['operator', 'admin'],
  supply: ['service', 'admin'],
};

/** All that an overlay on the picture may ask for, whatever else its role may do. */
const onAir: ReadonlySet<RouteAccess> = new Set<RouteAccess>(['watch', 'watch_curves']);

/**
 * The one decision about access (I8): the grant that permits this, or null. Roles of a livestream count in that livestream only;
 * admin and service have none and count everywhere. `order` also needs a buyer's identity.
 */
export function permits(
  grants: readonly Grant[],
  access: Exclude<RouteAccess, 'open' | 'signed'>,
  livestreamId: string | null,
): Grant | null {
  const permitted = grants.find((grant) => {
    if (!rolesFor[access].includes(grant.role)) return false;
    if (access === 'order' && grant.buyerId === null) return false;
    if (grant.audience === 'air' && !onAir.has(access)) return false;
    if (grant.role === 'admin' || grant.role === 'service') return true;
    return livestreamId !== null && grant.livestreamId === livestreamId;
  });
  return permitted ?? null;
}
