import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, RedisProcess, soonTrue } from './redis-process.ts';

export type ClusterServer = { readonly id: string; readonly process: RedisProcess };

export type TestCluster = {
  readonly url: string;
  readonly servers: readonly ClusterServer[];
  /** The server that serves the key's slot, by what the living ones say. */
  primaryOf(key: string): Promise<ClusterServer>;
  /** Those that copy it and are running. */
  replicasOf(primary: ClusterServer): Promise<readonly ClusterServer[]>;
  /** A primary other than `one`. */
  otherThan(one: ClusterServer): Promise<ClusterServer>;
  slotOf(key: string): Promise<number>;
  /**
   * Moves a slot while it is in use, key by key, as `redis-cli --cluster reshard` does. `onStep` runs after each key has moved, with the
   * slot between its two owners; the last step is after the change of the owner.
   */
  moveSlot(slot: number, to: ClusterServer, onStep?: (step: string) => Promise<void>): Promise<void>;
  /** Kills the server and waits until a replica serves its slots. Returns that replica. */
  failOver(primary: ClusterServer): Promise<ClusterServer>;
  /** As an operator does before maintenance: the replica takes over without a loss, and the primary becomes its replica. */
  handOver(from: ClusterServer, to: ClusterServer): Promise<void>;
  /** Its replicas copy nothing more from it, as after a broken link between them; it goes on serving. */
  freezeReplicas(primary: ClusterServer): Promise<void>;
  /** Every server forgets its keys and its scripts. */
  flush(): Promise<void>;
  /** Starts every server that was killed, and waits until all agree and every replica is linked. */
  heal(): Promise<void>;
  stop(): Promise<void>;
};

const primaries = 3;
/** Long enough for a machine that is busy with other tests; a failover takes this and one or two seconds more. */
const nodeTimeoutMs = 2_000;

/** A real Redis Cluster of three primaries with a replica each, on free ports. */
export async function startRedisCluster(): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'stockcast-cluster-'));
  const servers = await Promise.all(
    Array.from({ length: primaries * 2 }, async (_, index): Promise<ClusterServer> => {
      const own = join(directory, String(index));
      await mkdir(own);
      const process = await RedisProcess.start({ directory: own, settings: await clusterSettings() });
      return { id: textOf(await process.lines('CLUSTER MYID')), process };
    }),
  );
  await join6(servers);
  return new RunningCluster(servers, directory);
}

async function clusterSettings(): Promise<Record<string, string>> {
  return {
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    'cluster-enabled': 'yes',
    'cluster-port': String(await freePort()),
    'cluster-node-timeout': String(nodeTimeoutMs),
    // Shards do not depend on each other: what one loses, the others go on selling.
    'cluster-require-full-coverage': 'no',
    // Also a replica that has not heard from its primary for long is promoted: the gate must find that out by itself.
    'cluster-replica-validity-factor': '0',
    'cluster-allow-replica-migration': 'no',
    'repl-diskless-sync-delay': '0',
  };
}

/** What `redis-cli --cluster create` does. */
async function join6(servers: readonly ClusterServer[]): Promise<void> {
  const [first] = servers;
  if (first === undefined) throw new Error('no servers');
  const perPrimary = Math.ceil(16_384 / primaries);
  for (const [index, { process }] of servers.entries()) {
    await process.lines(`CLUSTER SET-CONFIG-EPOCH ${index + 1}`);
    if (index >= primaries) continue;
    const last = Math.min(16_383, (index + 1) * perPrimary - 1);
    await process.lines(`CLUSTER ADDSLOTSRANGE ${index * perPrimary} ${last}`);
  }
  for (const { process } of servers.slice(1)) {
    const busPort = textOf(await process.lines('CONFIG GET cluster-port'));
    await first.process.lines(`CLUSTER MEET 127.0.0.1 ${process.port} ${busPort}`);
  }
  const others = servers.slice(primaries);
  for (const [index, replica] of others.entries()) {
    const primary = servers[index];
    if (primary === undefined) throw new Error('no primary');
    await soonTrue('the replica knows its primary', async () => {
      await replica.process.lines(`CLUSTER REPLICATE ${primary.id}`);
      return true;
    });
  }
  await untilWell(servers);
}

async function untilWell(servers: readonly ClusterServer[]): Promise<void> {
  await untilEachIsWell(servers);
  // One that has just come back still takes itself for what it was.
  await soonTrue('all servers of the cluster say the same of all', async () => {
    const views = await Promise.all(servers.map(async ({ process }) => viewOf(await process.lines('CLUSTER NODES'))));
    return new Set(views).size === 1;
  });
}

/** Who is what, and serves which slots. */
const viewOf = (nodes: readonly string[]): string =>
  nodes
    .map((line) => line.split(' '))
    .map(([id, , flags = '', primary, , , , , ...slots]) => {
      // Those in brackets are on the move, which only their two servers know.
      const served = slots.filter((each) => !each.startsWith('['));
      return [id, flags.replace('myself,', ''), primary, ...served].join(' ');
    })
    .sort()
    .join('\n');

async function untilEachIsWell(servers: readonly ClusterServer[]): Promise<void> {
  for (const { process, id } of servers) {
    await soonTrue(`server ${process.port} of the cluster is well`, async () => {
      const info = await process.command('CLUSTER INFO');
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${servers.length}`)) return false;
      const nodes = await process.lines('CLUSTER NODES');
      if (nodes.some((line) => /fail|handshake|noaddr/.test(line.split(' ')[2] ?? ''))) return false;
      const isReplica = nodes.some((line) => line.startsWith(id) && line.includes('slave'));
      return !isReplica || (await process.command('INFO replication')).includes('master_link_status:up');
    });
  }
}

class RunningCluster implements TestCluster {
  readonly servers: readonly ClusterServer[];
  readonly url: string;
  readonly #directory: string;

  constructor(servers: readonly ClusterServer[], directory: string) {
    this.servers = servers;
    this.#directory = directory;
    const seeds = servers.slice(0, primaries).map(({ process }) => `127.0.0.1:${process.port}`);
    this.url = `redis+cluster://${seeds.join(',')}`;
  }

  async slotOf(key: string): Promise<number> {
    const [server] = this.#running();
    return Number(/:(\d+)/.exec((await server?.process.command(`CLUSTER KEYSLOT ${key}`)) ?? '')?.[1]);
  }

  async primaryOf(key: string): Promise<ClusterServer> {
    const slot = await this.slotOf(key);
    let found: ClusterServer | undefined;
    await soonTrue(`somebody serves slot ${slot}`, async () => {
      for (const server of this.#running()) {
        const own = (await server.process.lines('CLUSTER NODES')).find((line) => line.includes('myself,master'));
        if (own !== undefined && rangesOf(own).some(([from, to]) => from <= slot && slot <= to)) found = server;
      }
      return found !== undefined;
    });
    return orFail(found);
  }

  async replicasOf(primary: ClusterServer): Promise<readonly ClusterServer[]> {
    const [asked] = this.#running();
    const lines = (await asked?.process.lines('CLUSTER NODES')) ?? [];
    const ids = lines.map((line) => line.split(' ')).filter((parts) => parts[3] === primary.id);
    return this.#running().filter(({ id }) => ids.some(([replicaId]) => replicaId === id));
  }

  async otherThan(one: ClusterServer): Promise<ClusterServer> {
    const lines = await one.process.lines('CLUSTER NODES');
    const ids = new Set(
      lines.filter((line) => line.includes('master') && !/myself|fail/.test(line)).map((line) => line.split(' ')[0]),
    );
    return orFail(this.#running().find(({ id }) => ids.has(id)));
  }

  async moveSlot(
    slot: number,
    to: ClusterServer,
    onStep: (step: string) => Promise<void> = async () => {},
  ): Promise<void> {
    const from = await this.#ownerOf(slot);
    await to.process.lines(`CLUSTER SETSLOT ${slot} IMPORTING ${from.id}`);
    await from.process.lines(`CLUSTER SETSLOT ${slot} MIGRATING ${to.id}`);
    // A slot that stayed between two servers would spoil what comes after.
    const failures: unknown[] = [];
    const step = (name: string) =>
      failures.length > 0 ? undefined : onStep(name).catch((error) => failures.push(error));
    await step('between');
    for (;;) {
      const [key] = await from.process.lines(`CLUSTER GETKEYSINSLOT ${slot} 1`);
      if (key === undefined) break;
      await from.process.lines(`MIGRATE 127.0.0.1 ${to.process.port} ${key} 0 5000`);
      await step(key);
    }
    for (const server of [to, from]) await server.process.lines(`CLUSTER SETSLOT ${slot} NODE ${to.id}`);
    await step('moved');
    if (failures.length > 0) throw failures[0];
  }

  async failOver(primary: ClusterServer): Promise<ClusterServer> {
    const replicas = await this.replicasOf(primary);
    await primary.process.kill();
    let promoted: ClusterServer | undefined;
    await soonTrue('a replica is promoted', async () => {
      for (const replica of replicas) {
        const info = await replica.process.command('INFO replication');
        if (info.includes('role:master')) promoted = replica;
      }
      return promoted !== undefined;
    });
    return orFail(promoted);
  }

  async handOver(from: ClusterServer, to: ClusterServer): Promise<void> {
    let askedAtMs = Number.NEGATIVE_INFINITY;
    await soonTrue('the replica has taken over', async () => {
      // The others may refuse their votes for some seconds after an earlier failover; asking again sooner would begin anew each time.
      if (performance.now() - askedAtMs > 7_000) {
        askedAtMs = performance.now();
        await to.process.lines('CLUSTER FAILOVER').catch(() => {});
      }
      const infos = await Promise.all([from, to].map(({ process }) => process.command('INFO replication')));
      return infos[0]?.includes('role:slave') === true && infos[1]?.includes('role:master') === true;
    });
  }

  async freezeReplicas(primary: ClusterServer): Promise<void> {
    await primary.process.lines('ACL SETUSER default -psync -sync');
    await primary.process.command('CLIENT KILL TYPE replica');
    for (const replica of await this.replicasOf(primary)) {
      await soonTrue('the replica has lost its primary', async () =>
        (await replica.process.command('INFO replication')).includes('master_link_status:down'),
      );
    }
  }

  async flush(): Promise<void> {
    const running = this.#running();
    for (const line of ['FLUSHALL', 'SCRIPT FLUSH']) {
      await Promise.all(running.map(({ process }) => process.command(line)));
    }
  }

  async heal(): Promise<void> {
    await Promise.all(
      this.servers.map(async ({ process }) => {
        process.resume();
        if (!process.isRunning) await process.start();
        await process.command('ACL SETUSER default +psync +sync');
      }),
    );
    await untilWell(this.servers);
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map(({ process }) => process.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #running(): readonly ClusterServer[] {
    return this.servers.filter(({ process }) => process.isRunning);
  }

  async #ownerOf(slot: number): Promise<ClusterServer> {
    for (const server of this.#running()) {
      const own = (await server.process.lines('CLUSTER NODES')).find((line) => line.includes('myself,master'));
      if (own !== undefined && rangesOf(own).some(([from, to]) => from <= slot && slot <= to)) return server;
    }
    throw new Error(`nobody serves slot ${slot}`);
  }
}

/** The slots in a line of CLUSTER NODES; those in brackets are on the move and still served. */
function rangesOf(line: string): readonly (readonly [from: number, to: number])[] {
  return line
    .split(' ')
    .slice(8)
    .flatMap((part) => {
      const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
      return from === undefined ? [] : [[Number(from), Number(to)] as const];
    });
}

const textOf = (lines: readonly string[]): string => orFail(lines.at(-1));

function orFail<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new Error('the cluster has no such server');
  return thing;
}
