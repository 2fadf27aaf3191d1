import { ClusterLink } from './cluster-link.ts';
import type { LinkSettings } from './redis-connection.ts';
import { parseRedisUrl } from './redis-target.ts';
import { ServerLink } from './server-link.ts';

export type RedisOptions = { readonly url: string } & Partial<LinkSettings>;

const defaults: LinkSettings = {
  commandTimeoutMs: 2_000,
  inFlightMax: 2_000,
  checkMs: 1_000,
  random: Math.random,
  onStateChange: () => {},
};

/** A link that connects by itself, for ever, until it is closed. Throws a `RangeError` on a URL that the configuration would refuse. */
export function openRedis({ url, ...given }: RedisOptions): ServerLink | ClusterLink {
  const parsed = parseRedisUrl(url);
  if (parsed.kind === 'mistake') throw new RangeError(`the URL of Redis is ${parsed.message}`);
  const { target } = parsed;
  const settings = { ...defaults, ...given };
  return target.shape === 'cluster' ? new ClusterLink(target, settings) : new ServerLink(target, settings);
}
