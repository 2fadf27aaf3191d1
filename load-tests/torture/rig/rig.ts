import { startPostgresServer, type TestPostgres } from '../../../tests/services/postgres-server.ts';
import { type RigNode, startNode } from './node.ts';
import { RedisPair } from './redis-pair.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

/** Everything that is tortured: a PostgreSQL, two Redis servers, and the nodes with a link of their own to each. */
export type Rig = {
  readonly postgres: TestPostgres;
  /** Of PostgreSQL alone; null: this machine lets us mount none, and its disk is never full. */
  readonly disk: SmallDisk | null;
  readonly redis: RedisPair;
  readonly nodes: readonly RigNode[];
  readonly databaseUrl: string;
  stop(): Promise<void>;
};

/** Resolves when every node is ready. Whatever was started is stopped again if one part does not start. */
export async function startRig(options: { nodes: number; root: string | null }): Promise<Rig> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).toReversed()) await one();
  };
  try {
    const disk = await mountSmallDisk();
    if (disk !== null) stops.push(() => disk.remove());
    const place =
      disk === null ? {} : { parent: disk.folder, settings: { max_wal_size: '64MB', min_wal_size: '32MB' } };
    const postgres = await startPostgresServer(place);
    stops.push(() => postgres.stop());
    const redis = await RedisPair.start();
    stops.push(() => redis.stop());
    const databaseUrl = await postgres.createDatabase('torture');
    const starting = Array.from({ length: options.nodes }, (_, index) =>
      startNode({ name: `node-${index + 1}`, redisPort: redis.primary.port, databaseUrl, root: options.root }),
    );
    const started = await Promise.allSettled(starting);
    const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    stops.push(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    return { postgres, disk, redis, nodes, databaseUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
