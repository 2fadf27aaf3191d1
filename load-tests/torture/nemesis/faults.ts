import { Client } from 'pg';
import { delay } from '../../lib/limiter.ts';
import type { RigNode } from '../rig/node.ts';
import type { Rig } from '../rig/rig.ts';
import { promote, splitBrain } from './promotion.ts';
import type { FaultKind, PlannedFault } from './schedule.ts';

type Fault = {
  /** What it needs for itself alone; two faults about one thing come one after the other. */
  readonly needs: (fault: PlannedFault, rig: Rig) => readonly string[];
  /** Breaks, waits, mends. Resolves when the part itself is whole again. */
  readonly run: (rig: Rig, fault: PlannedFault, over: AbortSignal) => Promise<void>;
};

const node = ({ node: index }: PlannedFault): string[] => [`node ${index}`];
const redis = (): string[] => ['redis'];
const postgres = (): string[] => ['postgres'];
const redisLink = ({ node: index }: PlannedFault): string[] => [`redis link ${index}`];
const databaseLink = ({ node: index }: PlannedFault): string[] => [`database link ${index}`];
const everyRedisLink = (_: PlannedFault, { nodes }: Rig): string[] => [
  'redis',
  ...nodes.map((_one, index) => `redis link ${index}`),
];

export const faults: Record<FaultKind, Fault> = {
  node_kill: {
    needs: node,
    run: onNode(async (one, fault, over) => {
      await one.server.kill();
      await delay(fault.durationMs / 3);
      await one.revive(over);
    }),
  },
  node_terminate: {
    needs: node,
    run: onNode(async (one, _fault, over) => {
      await one.server.stop();
      await one.revive(over);
    }),
  },
  node_pause: {
    needs: node,
    run: onNode(async (one, { durationMs }) => {
      one.server.pause();
      await delay(durationMs);
      one.server.resume();
    }),
  },
  clock_skew: {
    needs: (fault) => [`clock ${fault.node}`],
    run: onNode(async (one, { lot, durationMs }) => {
      await one.skew((lot - 0.5) * 40_000);
      await delay(1_500 + durationMs);
      await one.skew(0);
    }),
  },

  redis_kill: { needs: redis, run: (rig, { durationMs }) => restartRedis(rig, durationMs, false) },
  redis_disk_lost: { needs: redis, run: (rig, { durationMs }) => restartRedis(rig, durationMs, true) },
  redis_pause: {
    needs: redis,
    run: async ({ redis: { primary } }, { durationMs }) => {
      primary.pause();
      await delay(durationMs);
      primary.resume();
    },
  },
  redis_flush: { needs: redis, run: ({ redis: { primary } }) => primary.flush() },
  redis_key_lost: { needs: redis, run: loseKey },
  redis_full: {
    needs: redis,
    run: async ({ redis: { primary } }, { durationMs }) => {
      await primary.command('CONFIG SET maxmemory 1');
      await delay(durationMs);
      await primary.command('CONFIG SET maxmemory 0');
    },
  },
  redis_scripts_lost: {
    needs: redis,
    run: async ({ redis: { primary } }) => void (await primary.command('SCRIPT FLUSH')),
  },
  redis_clients_killed: {
    needs: redis,
    run: async ({ redis: { primary } }, { lot }) => {
      if (lot < 0.7) await primary.command('CLIENT KILL TYPE normal');
      if (lot > 0.4) await primary.command('CLIENT KILL TYPE pubsub');
    },
  },
  replica_promoted: {
    needs: everyRedisLink,
    run: (rig, { durationMs }) => promote(rig, { staleMs: 0, awayMs: durationMs / 4 }),
  },
  stale_replica_promoted: {
    needs: everyRedisLink,
    run: (rig, { durationMs, lot }) => promote(rig, { staleMs: 300 + durationMs, awayMs: lot * 500 }),
  },
  split_brain: {
    needs: everyRedisLink,
    run: (rig, { durationMs, lot, node: index }) =>
      splitBrain(rig, { staleMs: lot * 1_000, splitMs: 500 + durationMs, alone: index }),
  },

  postgres_kill: {
    needs: postgres,
    run: async (rig, { durationMs }) => {
      await rig.postgres.kill();
      await delay(durationMs / 2);
      await rig.postgres.restart();
    },
  },
  postgres_pause: {
    needs: postgres,
    run: async (rig, { durationMs }) => {
      rig.postgres.pause();
      await delay(durationMs);
      rig.postgres.resume();
    },
  },
  postgres_disk_full: { needs: postgres, run: fillDisk },
  postgres_backends_ended: { needs: postgres, run: endBackends },

  redis_link_cut: {
    needs: redisLink,
    run: onLink(
      'redisLink',
      (link) => link.cut(),
      (link) => link.restore(),
    ),
  },
  redis_link_stalled: {
    needs: redisLink,
    run: onLink(
      'redisLink',
      (link) => link.stall(),
      (link) => link.resume(),
    ),
  },
  redis_replies_lost: { needs: redisLink, run: loseReplies('redisLink') },
  redis_link_slow: {
    needs: redisLink,
    run: onLink(
      'redisLink',
      (link, { lot }) => link.delayMs(20 + lot * 300),
      (link) => link.delayMs(0),
    ),
  },
  database_link_cut: {
    needs: databaseLink,
    run: onLink(
      'databaseLink',
      (link) => link.cut(),
      (link) => link.restore(),
    ),
  },
  database_link_stalled: {
    needs: databaseLink,
    run: onLink(
      'databaseLink',
      (link) => link.stall(),
      (link) => link.resume(),
    ),
  },
  database_replies_lost: { needs: databaseLink, run: loseReplies('databaseLink') },
  database_link_slow: {
    needs: databaseLink,
    run: onLink(
      'databaseLink',
      (link, { lot }) => link.delayMs(20 + lot * 300),
      (link) => link.delayMs(0),
    ),
  },
};

type Link = RigNode['redisLink'];

function onNode(run: (one: RigNode, fault: PlannedFault, over: AbortSignal) => Promise<void>): Fault['run'] {
  return async ({ nodes }, fault, over) => {
    const one = nodes[fault.node];
    if (one === undefined) throw new Error(`no node ${fault.node}`);
    await run(one, fault, over);
  };
}

function onLink(
  name: 'redisLink' | 'databaseLink',
  breakIt: (link: Link, fault: PlannedFault) => void,
  mend: (link: Link) => void,
): Fault['run'] {
  return onNode(async (one, fault) => {
    breakIt(one[name], fault);
    await delay(fault.durationMs);
    mend(one[name]);
  });
}

/** What was asked arrives, and what is answered never does: the worst moment to be cut off (O5, G3). */
function loseReplies(name: 'redisLink' | 'databaseLink'): Fault['run'] {
  return onNode(async (one, { durationMs, lot }) => {
    one[name].stall('replies');
    await delay(50 + lot * Math.min(durationMs, 1_000));
    one[name].cut();
    one[name].resume();
    await delay(lot * 300);
    one[name].restore();
  });
}

async function restartRedis({ redis: pair }: Rig, awayMs: number, empty: boolean): Promise<void> {
  await pair.primary.kill();
  await delay(awayMs / 2);
  await pair.primary.restart({ empty });
}

/** One key of one livestream is gone: a gate of which a part is lost must not decide with the rest (G1). */
async function loseKey({ redis: { primary } }: Rig, { lot }: PlannedFault): Promise<void> {
  const keys = (await primary.command('KEYS sc:{*'))
    .split('\r\n')
    .filter((line) => line.startsWith('sc:{'))
    .sort();
  const key = keys[Math.floor(lot * keys.length)];
  if (key !== undefined) await primary.command(`DEL ${key}`);
}

async function endBackends({ databaseUrl }: Rig): Promise<void> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A server that cannot write refuses, or gives up altogether; when there is room again it is started if need be. */
async function fillDisk({ disk, postgres: server }: Rig, { durationMs }: PlannedFault): Promise<void> {
  if (disk === null) throw new Error('there is no disk to fill');
  await disk.fill();
  await delay(1_000 + durationMs);
  await disk.empty();
  await server.restart();
}
