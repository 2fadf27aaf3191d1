import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Log } from '../lib/log.ts';
import { freePort } from './find-programs.ts';
import { endOrphan } from './kept-process.ts';
import { postgresKind, startPrivatePostgres } from './private-postgres.ts';
import { redisKind, startPrivateRedis } from './private-redis.ts';
import type { PrivateServer } from './private-server.ts';

export type PrivateServers = {
  /** null: it was given from outside. */
  readonly redis: PrivateServer | null;
  readonly postgres: PrivateServer | null;
  stop(): Promise<void>;
};

/** Starts those that are wanted under `folder`, both at once. Rejects with `CannotStart`; then none is left running. */
export async function startPrivateServers(options: {
  readonly folder: string;
  readonly wanted: { readonly redis: boolean; readonly postgres: boolean };
  readonly postgresConnectionsMax: number;
  readonly searchPath: string;
  readonly log: Log;
  readonly say: (line: string) => void;
}): Promise<PrivateServers> {
  const { folder, wanted, searchPath, log, say } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Before ports are chosen: an orphan still holds the one that is remembered.
  await Promise.all([
    endOrphan(join(folder, 'redis'), redisKind, log),
    endOrphan(join(folder, 'postgres'), postgresKind, log),
  ]);
  const places = await rememberPlaces(join(folder, 'servers.json'));
  const timed = async (name: string, start: Promise<PrivateServer>): Promise<PrivateServer> => {
    const startedAtMs = performance.now();
    const server = await start;
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    say(`${name}: ${server.address} · ${server.folder} · pid ${server.process.pid} · ${seconds} s`);
    return server;
  };
  const place = (name: keyof Places) => ({ folder: join(folder, name), ...places[name], searchPath });
  const started = await Promise.allSettled([
    wanted.redis ? timed('Redis', startPrivateRedis(place('redis'), log)) : null,
    wanted.postgres
      ? timed(
          'PostgreSQL',
          startPrivatePostgres({ ...place('postgres'), connectionsMax: options.postgresConnectionsMax }, log),
        )
      : null,
  ]);
  const [redis = null, postgres = null] = started.map((each) => (each.status === 'fulfilled' ? each.value : null));
  // The ledger last: Redis can be made from it again.
  const stop = async () => {
    await redis?.process.stop();
    await postgres?.process.stop();
  };
  const failed = started.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { redis, postgres, stop };
}

const Place = z.object({ port: z.int(), password: z.string().min(16) });
const Places = z.object({ redis: Place, postgres: Place });
type Places = z.output<typeof Places>;

/** The same ports and passwords at every start, as far as the ports are still free. Only the owner may read the file. */
async function rememberPlaces(file: string): Promise<Places> {
  const known = readPlaces(file);
  const placeOf = async (name: keyof Places) => ({
    port: await freePort(known?.[name].port),
    password: known?.[name].password ?? randomBytes(24).toString('hex'),
  });
  const places = { redis: await placeOf('redis'), postgres: await placeOf('postgres') };
  writeFileSync(`${file}.new`, `${JSON.stringify(places, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return places;
}

function readPlaces(file: string): Places | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  // The password of the database is in it: a damaged file must not be replaced in silence.
  return Places.parse(JSON.parse(text));
}
