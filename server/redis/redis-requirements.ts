import type { RedisLink } from './redis-link.ts';

/** What a server is like that the gate is to stand on. */
export type Suitability =
  | { readonly kind: 'suitable' }
  /** It works, and not as well as it should: a sentence for the log. */
  | { readonly kind: 'doubtful'; readonly sentence: string }
  | { readonly kind: 'unsuitable'; readonly sentence: string };

/** Oldest versions: 6.2 is the oldest that is looked after at all; sharded channels came with 7.0. */
const oldest: Readonly<Record<RedisLink['shape'], readonly [major: number, minor: number]>> = {
  single: [6, 2],
  sentinel: [6, 2],
  cluster: [7, 0],
};

/**
 * Judges what INFO says about one server. A policy that evicts any key would take single keys of a livestream while it sells; it is found
 * (G1) and mended, but orders stop meanwhile, and memory that is full stays full: in production that is no way to start.
 * A policy that evicts only keys with an expiry takes none of the gate's, which have none.
 */
export function judgeServer(info: string, shape: RedisLink['shape'], production: boolean): Suitability {
  const [major, minor] = oldest[shape];
  // Valkey names the version of Redis that it is compatible with.
  const version = fieldOf(info, 'redis_version') ?? 'unknown';
  const [isMajor = 0, isMinor = 0] = version.split('.').map(Number);
  if (isMajor < major || (isMajor === major && isMinor < minor)) {
    return unsuitable(
      `Redis ${version} is too old: ${shape === 'cluster' ? 'a cluster needs' : 'the gate needs'} ${major}.${minor} or newer`,
    );
  }
  if (shape !== 'cluster' && fieldOf(info, 'cluster_enabled') === '1') {
    return unsuitable(
      'This Redis is part of a cluster, and REDIS_URL names one server: write redis+cluster://host1:port,host2:port',
    );
  }
  const policy = fieldOf(info, 'maxmemory_policy') ?? 'unknown';
  const evicts = policy.startsWith('allkeys') && fieldOf(info, 'maxmemory') !== '0';
  if (!evicts) return { kind: 'suitable' };
  const sentence = `Redis evicts keys of livestreams when its memory is full (maxmemory-policy ${policy}): set maxmemory-policy noeviction`;
  return production ? unsuitable(sentence) : { kind: 'doubtful', sentence };
}

const unsuitable = (sentence: string): Suitability => ({ kind: 'unsuitable', sentence });

const fieldOf = (info: string, name: string): string | undefined => new RegExp(`^${name}:(\\S*)`, 'm').exec(info)?.[1];
