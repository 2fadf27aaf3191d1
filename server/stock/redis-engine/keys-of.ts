/**
 * All keys of a livestream and its channel, under one hash tag: one livestream lives on one shard. A fixed list: nothing has to be
 * searched for when it is archived. What each holds: `lua/prelude.lua`. An id has no brace, so no id can name another's keys.
 */
export function keysOf(livestreamId: string) {
  const tag = `sc:{${livestreamId}}`;
  return {
    meta: `${tag}:meta`,
    levels: `${tag}:levels`,
    terms: `${tag}:terms`,
    holds: `${tag}:holds`,
    leases: `${tag}:leases`,
    counted: `${tag}:counted`,
    keys: `${tag}:keys`,
    keyExpiry: `${tag}:keyexpiry`,
  };
}

export const channelOf = (livestreamId: string): string => `sc:{${livestreamId}}:changes`;

/** Names in the order in which every script takes them. */
export const keyNames = ['meta', 'levels', 'terms', 'holds', 'leases', 'counted', 'keys', 'keyExpiry'] as const;
