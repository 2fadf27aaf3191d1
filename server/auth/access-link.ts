import type { Grant, Role } from '../../contract/access.ts';

const pageOf: Record<Role, string | null> = {
  viewer: '/viewer/',
  anchor: '/anchor/',
  operator: '/operator/',
  admin: '/operator/',
  service: null,
};

/**
 * A link that opens the role's page. The token travels in the fragment, which reaches no server log and no proxy; a service has no page
 * and gets the bare token for its `Authorization` header.
 */
export function accessLink(origin: string, grant: Grant, token: string): string {
  const page = pageOf[grant.role];
  if (page === null) return token;
  const query = grant.livestreamId === null ? '' : `?livestream=${grant.livestreamId}`;
  return `${origin}${page}${query}#token=${token}`;
}
