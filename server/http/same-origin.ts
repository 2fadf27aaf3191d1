import type { IncomingMessage } from 'node:http';

/**
 * Whether a browser says that the request comes from our own pages. `SameSite=Lax` alone does not: another port or subdomain is the
 * same site. `unknown`: no browser, or one that tells nothing.
 */
export type Provenance = 'same_origin' | 'elsewhere' | 'unknown';

export function provenanceOf(req: Pick<IncomingMessage, 'headers'>, publicUrl: string | null): Provenance {
  const { origin, host } = req.headers;
  if (origin !== undefined && origin === publicUrl) return 'same_origin';
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' ? 'same_origin' : 'elsewhere';
  if (origin === undefined) return 'unknown';
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
    ? 'same_origin'
    : 'elsewhere';
}
