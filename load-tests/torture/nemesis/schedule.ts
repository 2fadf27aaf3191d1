import type { Random } from '../../lib/random.ts';

/** Every way in which the nemesis breaks something; how often compared with the others. */
export const faultWeights = {
  node_kill: 3,
  node_terminate: 1.5,
  node_pause: 2,
  clock_skew: 1.5,
  redis_kill: 1.5,
  redis_disk_lost: 1,
  redis_pause: 1.5,
  redis_flush: 2,
  redis_key_lost: 2,
  redis_full: 1,
  redis_scripts_lost: 1,
  redis_clients_killed: 1.5,
  replica_promoted: 1,
  stale_replica_promoted: 2,
  split_brain: 1.5,
  postgres_kill: 1.5,
  postgres_pause: 1.5,
  postgres_backends_ended: 1.5,
  postgres_disk_full: 1,
  redis_link_cut: 1.5,
  redis_link_stalled: 1.5,
  redis_link_slow: 1,
  redis_replies_lost: 1.5,
  database_link_cut: 1.5,
  database_link_stalled: 1.5,
  database_link_slow: 1,
  database_replies_lost: 1.5,
} as const;

export type FaultKind = keyof typeof faultWeights;
export const faultKinds = Object.keys(faultWeights) as FaultKind[];

export type PlannedFault = {
  readonly kind: FaultKind;
  /** From the beginning of the round. */
  readonly atMs: number;
  readonly durationMs: number;
  /** Which node it is about, where it is about one. */
  readonly node: number;
  /** What else has to be chosen, in [0, 1). */
  readonly lot: number;
};

/**
 * The faults of a round: the same for the same chance. Each is due at a moment of its own, some while others last. Kinds come by lots
 * drawn without putting back, as cards of several packs: every kind has its turn before long.
 */
export function planFaults(options: {
  readonly random: Random;
  readonly roundMs: number;
  readonly count: number;
  readonly nodes: number;
  readonly kinds: readonly FaultKind[];
  /** Cards that are left from the round before; used up here. */
  readonly pack: FaultKind[];
}): PlannedFault[] {
  const { random, roundMs, count, nodes, kinds, pack } = options;
  const slotMs = roundMs / count;
  return Array.from({ length: count }, (_, index) => {
    if (pack.length === 0) pack.push(...shuffled(random, kinds));
    const kind = pack.pop() ?? 'node_kill';
    return {
      kind,
      // Most begin while the one before has ended, some while it lasts.
      atMs: Math.round(slotMs * (index + random() * 0.9)),
      durationMs: Math.round(200 + 3_000 * random() ** 1.5),
      node: Math.floor(random() * nodes),
      lot: random(),
    };
  }).sort((a, b) => a.atMs - b.atMs);
}

/** Each kind once, the likelier ones sometimes twice. */
function shuffled(random: Random, kinds: readonly FaultKind[]): FaultKind[] {
  const cards = kinds.flatMap((kind) => {
    const copies = Math.max(1, Math.round(faultWeights[kind] * (0.5 + random() * 0.5)));
    return Array.from({ length: copies }, () => kind);
  });
  for (let index = cards.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [cards[index], cards[other]] = [cards[other] ?? 'node_kill', cards[index] ?? 'node_kill'];
  }
  return cards;
}
