import * as z from 'zod';
import { defineScript } from '../../redis/define-script.ts';
import { keyNames } from './keys-of.ts';

const count = z.int().min(0);
const texts = z.array(z.string());
const position = [z.string(), count, count] as const;
const luaFile = (name: string): URL => new URL(`./lua/${name}.lua`, import.meta.url);

/** A script of the gate: the shared prelude, all keys of the livestream, and the two arguments that each of them takes first. */
const gateScriptOf =
  (publish: 'PUBLISH' | 'SPUBLISH') =>
  <const Arg extends string, Reply>(name: string, args: readonly Arg[], reply: z.ZodType<Reply>) =>
    defineScript({
      file: luaFile(name),
      preludes: [luaFile('prelude')],
      constants: { PUBLISH: publish },
      keys: keyNames,
      args: ['nowMs', 'channel', ...args],
      reply,
    });

/** One file a verb; each header names the same arguments as here. */
function gateScripts(publish: 'PUBLISH' | 'SPUBLISH') {
  const gateScript = gateScriptOf(publish);
  return {
    reserve: gateScript('reserve', ['pendingLeaseMs', 'keyTtlMs', 'requests'], texts.min(1)),
    confirm: gateScript('confirm', ['attempts'], count),
    settle: gateScript('settle', ['rids'], count),
    release: gateScript('release', ['attempts'], count),
    putItems: gateScript('put-items', ['infoRev', 'items'], count),
    read: gateScript('read', [], z.nullable(z.tuple([...position, texts, texts]))),
    peek: gateScript('peek', [], z.nullable(z.tuple(position))),
    holds: gateScript('holds', [], texts),
    overdue: gateScript('overdue', ['limit'], texts),
    begin: gateScript('begin', ['newNonce', 'force'], z.tuple([z.enum(['open', 'closed']), z.string()])),
    load: gateScript(
      'load',
      ['nonce', 'epoch', 'infoRev', 'keyTtlMs', 'items', 'holds', 'counted', 'keys'],
      z.enum(['loaded', 'superseded']),
    ),
    prune: gateScript('prune', ['keyTtlMs', 'limit'], count),
    archive: gateScript('archive', [], count),
  };
}

/** Levels are published to everybody who follows the channel, on whichever server. */
export const scripts = gateScripts('PUBLISH');

/** In a cluster: within the shard of the livestream only. */
export const shardedScripts = gateScripts('SPUBLISH');
