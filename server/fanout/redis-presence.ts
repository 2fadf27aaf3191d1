import * as z from 'zod';
import { defineScript } from '../redis/define-script.ts';
import type { RedisLink } from '../redis/redis-link.ts';
import { PRESENCE_FRESH_MS, type Presence } from './presence.ts';

const presenceScript = defineScript({
  file: new URL('./lua/presence.lua', import.meta.url),
  keys: ['presence'],
  args: ['nodeId', 'count', 'freshMs'],
  reply: z.int().min(0),
});

/** One hash per livestream, under the livestream's hash tag: node → "count atMs". It ends by itself when nobody reports any more. */
const presenceKeyOf = (livestreamId: string): string => `sc:{${livestreamId}}:presence`;

/** Presence over all nodes that share a Redis. Both methods reject with `RedisUnavailable`. */
export function redisPresence({ link, nodeId }: { link: RedisLink; nodeId: string }): Presence {
  const run = (livestreamId: string, count: number): Promise<number> =>
    presenceScript.run(link, { presence: presenceKeyOf(livestreamId) }, { nodeId, count, freshMs: PRESENCE_FRESH_MS });
  return {
    async report(livestreamId, count) {
      await run(livestreamId, count);
    },
    // A negative count asks without reporting.
    total: (livestreamId) => run(livestreamId, -1),
  };
}
