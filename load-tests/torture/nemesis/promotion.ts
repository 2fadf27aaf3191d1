import { delay } from '../../lib/limiter.ts';
import type { Rig } from '../rig/rig.ts';

/** The primary dies and the replica takes its place, with a copy that is `staleMs` old: what it has not heard of was promised all the same. */
export async function promote(rig: Rig, { staleMs, awayMs }: { staleMs: number; awayMs: number }): Promise<void> {
  const { redis, nodes } = rig;
  if (staleMs > 0) {
    await redis.freeze();
    await delay(staleMs);
  }
  await redis.primary.kill();
  await delay(awayMs);
  if (staleMs === 0) await redis.freeze();
  redis.swap();
  for (const { redisLink } of nodes) lead(redisLink, redis.primary.port);
  await redis.replica.restart({ empty: true });
  await redis.replicate();
}

/** For a while one node is led to another primary than the rest, and both take orders: only the ledger knows what is left. */
export async function splitBrain(
  rig: Rig,
  options: { staleMs: number; splitMs: number; alone: number },
): Promise<void> {
  const { redis, nodes } = rig;
  await redis.freeze();
  await delay(options.staleMs);
  const [alone, others] = [
    nodes.filter((_, index) => index === options.alone),
    nodes.filter((_, index) => index !== options.alone),
  ];
  for (const { redisLink } of alone) lead(redisLink, redis.replica.port);
  await delay(options.splitMs);
  for (const { redisLink } of others) lead(redisLink, redis.replica.port);
  redis.swap();
  await redis.replica.kill();
  await redis.replica.restart({ empty: true });
  await redis.replicate();
}

/** New connections go there, and the open ones end. */
function lead(link: Rig['nodes'][number]['redisLink'], port: number): void {
  link.retarget({ host: '127.0.0.1', port });
  link.cut();
  link.restore();
}
