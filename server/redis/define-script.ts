import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type * as z from 'zod';
import { type RedisConnection, RedisUnavailable } from './redis-connection.ts';

export type ScriptDefinition<Key extends string, Arg extends string, Reply> = {
  readonly file: URL;
  /** Texts that stand before the script, so that a rule which several scripts share is written once. */
  readonly preludes?: readonly URL[];
  /** Names of KEYS, in order; the header of the file says the same. */
  readonly keys: readonly Key[];
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
    connection: RedisConnection,
    keys: Readonly<Record<Key, string>>,
    args: Readonly<Record<Arg, string | number>>,
  ): Promise<Reply>;
};

/** A Lua script with its keys, arguments and reply by name. It is sent by digest, and in full only to a server that does not know it. */
export function defineScript<const Key extends string, const Arg extends string, Reply>(
  definition: ScriptDefinition<Key, Arg, Reply>,
): Script<Key, Arg, Reply> {
  const { file, preludes = [], reply } = definition;
  const body = readFileSync(file, 'utf8');
  const lua = [...preludes.map((url) => readFileSync(url, 'utf8')), body].join('\n');
  const sha = createHash('sha1').update(lua).digest('hex');
  return {
    body,
    args: definition.args,
    async run(connection, keys, args) {
      const keyList = definition.keys.map((name) => keys[name]);
      const argList = definition.args.map((name) => args[name]);
      const count = keyList.length;
      let raw: unknown;
      try {
        raw = await connection.send((client, identity) => client.evalsha(sha, count, ...keyList, identity, ...argList));
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        // Redis has certainly not run it, so this is no second attempt. The identity is asked anew: it may be another server by now.
        raw = await connection.send((client, identity) => client.eval(lua, count, ...keyList, identity, ...argList));
      }
      return reply.parse(raw);
    },
  };
}

const isUnknownScript = (error: unknown): boolean =>
  error instanceof RedisUnavailable && error.cause instanceof Error && error.cause.message.startsWith('NOSCRIPT');
