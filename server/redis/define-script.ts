import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type * as z from 'zod';
import { type RedisLink, RedisUnavailable } from './redis-link.ts';

export type ScriptDefinition<Key extends string, Arg extends string, Reply> = {
  readonly file: URL;
  /** Texts that stand before the script, so that a rule which several scripts share is written once. */
  readonly preludes?: readonly URL[];
  /** Locals that stand before everything, where a script has variants. */
  readonly constants?: Readonly<Record<string, string>>;
  /** Names of KEYS, in order; the header of the file says the same. The first tells where the script runs; all are in its slot. */
  readonly keys: readonly [Key, ...Key[]];
  /** Names of ARGV after `identity`, which is always the first and comes from the connection (G2). */
  readonly args: readonly Arg[];
  readonly reply: z.ZodType<Reply>;
};

export type Script<Key extends string, Arg extends string, Reply> = {
  /** The file alone, and the names of its arguments: a test compares them with its header. */
  readonly body: string;
  readonly args: readonly Arg[];
  /** Rejects with `RedisUnavailable`; throws a `ZodError` on a reply that the script should not give. */
  run(
    link: Pick<RedisLink, 'send'>,
    keys: Readonly<Record<Key, string>>,
    args: Readonly<Record<Arg, string | number>>,
  ): Promise<Reply>;
};

/** A Lua script with its keys, arguments and reply by name. It is sent by digest, and in full only to a server that does not know it. */
export function defineScript<const Key extends string, const Arg extends string, Reply>(
  definition: ScriptDefinition<Key, Arg, Reply>,
): Script<Key, Arg, Reply> {
  const { file, preludes = [], constants = {}, reply } = definition;
  const body = readFileSync(file, 'utf8');
  const locals = Object.entries(constants).map(([name, value]) => `local ${name} = '${value}'`);
  const lua = [...locals, ...preludes.map((url) => readFileSync(url, 'utf8')), body].join('\n');
  const sha = createHash('sha1').update(lua).digest('hex');
  return {
    body,
    args: definition.args,
    async run(link, keys, args) {
      const keyList = definition.keys.map((name) => keys[name]);
      const argList = definition.args.map((name) => args[name]);
      const [place, count] = [keys[definition.keys[0]], keyList.length];
      let raw: unknown;
      try {
        raw = await link.send(place, (client, identity) =>
          client.evalsha(sha, count, ...keyList, identity, ...argList),
        );
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        // Redis has certainly not run it, so this is no second attempt. The identity is asked anew: it may be another server by now.
        raw = await link.send(place, (client, identity) => client.eval(lua, count, ...keyList, identity, ...argList));
      }
      return reply.parse(raw);
    },
  };
}

const isUnknownScript = (error: unknown): boolean =>
  error instanceof RedisUnavailable && error.cause instanceof Error && error.cause.message.startsWith('NOSCRIPT');
