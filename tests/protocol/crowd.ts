import { setTimeout as wait } from 'node:timers/promises';
import { GateUnavailable } from '../../server/stock/stock-engine.ts';
import { livestreamId, type Stack } from './stack.ts';

export type Crowd = {
  /** Orders that were acknowledged to their buyers. */
  accepted(): number;
  /** How often each answer was given, repetitions included. */
  answers(): Readonly<Record<string, number>>;
  /** Lets every buyer finish; resolves with the orders that were acknowledged. */
  finish(): Promise<ReadonlyMap<string, string>>;
};

const retryMs = 20;

/**
 * Buyers of one unit of `tea` each, as many at a time as `abreast`, until they are told to finish. Each does what the client does: the same
 * key again after a refusal that asks for it, and nothing after any other. The stack's jobs run beside them.
 */
export function startCrowd(stacks: readonly Stack[], abreast = 8): Crowd {
  const [jobsOf] = stacks;
  if (jobsOf === undefined) throw new Error('no stack');
  const orders = new Map<string, string>();
  const answers: Record<string, number> = {};
  let isOver = false;

  const buyOne = async (stack: Stack, key: string): Promise<void> => {
    for (;;) {
      const outcome = await stack.buy({ by: `buyer-of-${key}`, key });
      const code = outcome.kind === 'refused' ? outcome.error.code : outcome.kind;
      answers[code] = (answers[code] ?? 0) + 1;
      if (outcome.kind !== 'refused') orders.set(key, outcome.order.orderId);
      if (outcome.kind !== 'refused' || outcome.error.action !== 'retry') return;
      await wait(retryMs);
    }
  };
  const buyers = stacks.flatMap((stack) =>
    Array.from({ length: abreast }, async () => {
      while (!isOver) {
        await buyOne(stack, stack.nextKey());
        await wait(1);
      }
    }),
  );
  let jobsAreOver = false;
  const jobs = (async () => {
    while (!jobsAreOver) {
      await jobsOf.tail().catch(() => {});
      await wait(100);
      // Leases end: an attempt whose reply was lost would be in progress for ever.
      jobsOf.clock.advance(100);
    }
  })();
  return {
    accepted: () => orders.size,
    answers: () => answers,
    async finish() {
      isOver = true;
      await Promise.all(buyers);
      jobsAreOver = true;
      await jobs;
      return orders;
    },
  };
}

/** As the product's periodic tail: a round that meets a connection which a failover has just closed is done again. */
async function untilFollowed(stack: Stack): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await stack.tail();
    } catch (error) {
      if (!(error instanceof GateUnavailable) || attempt === 60) throw error;
      await wait(500);
    }
  }
}

/** A primary whose first replica comes late is another one for the gate, which the tail then opens again: it may be between the two. */
async function auditOnceOpen(stack: Stack): ReturnType<Stack['audit']> {
  for (let attempt = 1; (await stack.engine.read(livestreamId)) === null && attempt <= 60; attempt += 1) {
    await wait(500);
    await untilFollowed(stack);
  }
  return stack.audit();
}

/** Every acknowledged order is in the ledger, once; gate and ledger agree, and nothing is oversold (I1–I4). */
export async function findingsAtRest(stack: Stack, orders: ReadonlyMap<string, string>): Promise<readonly string[]> {
  // Attempts whose reply was lost are pending until their lease has ended; then the ledger decides about them.
  stack.clock.advance(60_000);
  for (let round = 0; round < 3; round += 1) await untilFollowed(stack);
  const findings: string[] = [];
  const ids = [...orders.values()];
  if (new Set(ids).size !== ids.length) findings.push('one order answers two keys');
  const entries = [...orders];
  for (let first = 0; first < entries.length; first += 200) {
    const found = entries.slice(first, first + 200).map(async ([key, orderId]) => {
      const order = await stack.ledger.find(orderId);
      if (order?.state !== 'held') findings.push(`${key}: ${orderId} is ${order?.state ?? 'lost'}`);
    });
    await Promise.all(found);
  }
  for (const { skuId, same } of await auditOnceOpen(stack))
    if (!same) findings.push(`gate and ledger differ about ${skuId}`);
  const tea = (await stack.ledger.audit(livestreamId))?.items.find(({ skuId }) => skuId === 'tea');
  if (tea?.held !== orders.size) findings.push(`${orders.size} were acknowledged, the ledger holds ${tea?.held}`);
  return findings;
}
