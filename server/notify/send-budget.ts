import type { AlertTier, ChannelKind } from '../../contract/alerts.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';

/** At most `max` requests within any `ms`. */
export type Window = { readonly ms: number; readonly max: number };

export type SendBudget = {
  /** Takes one request's room: 0 when it was taken, else the milliseconds until there is some. Never rejects. */
  take(channelId: string, callee: string, windows: readonly Window[]): Promise<number>;
  /** Nothing goes to this channel before, from any node. Never rejects. */
  mute(channelId: string, untilMs: number): Promise<void>;
};

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];

/** What providers document; for mail, text messages and push what people can bear. `callee`: the limit is one person's, not the channel's. */
const limits: Record<ChannelKind, { readonly perCallee: boolean; readonly windows: readonly Window[] }> = {
  dingtalk: { perCallee: false, windows: [{ ms: minute, max: 20 }] },
  wecom: { perCallee: false, windows: [{ ms: minute, max: 20 }] },
  feishu: {
    perCallee: false,
    windows: [
      { ms: second, max: 5 },
      { ms: minute, max: 100 },
    ],
  },
  webhook: { perCallee: false, windows: [{ ms: minute, max: 120 }] },
  email: { perCallee: true, windows: [{ ms: minute, max: 10 }] },
  sms: {
    perCallee: true,
    windows: [
      { ms: minute, max: 2 },
      { ms: hour, max: 20 },
      { ms: day, max: 50 },
    ],
  },
  voice: {
    perCallee: true,
    windows: [
      { ms: minute, max: 1 },
      { ms: hour, max: 5 },
      { ms: day, max: 20 },
    ],
  },
  web_push: { perCallee: false, windows: [{ ms: minute, max: 60 }] },
};

/** A fifth of a larger window is kept for red, so that red never waits behind what is less urgent. */
export function windowsFor(kind: ChannelKind, tier: AlertTier): readonly Window[] {
  const { windows } = limits[kind];
  return tier === 'red' ? windows : windows.map(({ ms, max }) => ({ ms, max: max - Math.floor(max / 5) }));
}

export const calleeOf = (kind: ChannelKind, recipient: string): string => (limits[kind].perCallee ? recipient : '');

/**
 * Counted in PostgreSQL, so that nodes share one limit and a restart does not forget it. While the database is away each node counts by
 * itself: a message that is due is worth more than an exact limit.
 */
export function createSendBudget(deps: {
  readonly prisma: Pick<PrismaClient, '$queryRaw' | 'notificationChannel'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}): SendBudget {
  const { prisma, clock, log } = deps;
  const local = createLocalBudget(clock);
  return {
    async take(channelId, callee, windows) {
      const own = local.muteOf(channelId);
      if (own > 0) return own;
      try {
        const [row] = await prisma.$queryRaw<{ wait: bigint }[]>`
          SELECT stockcast_take_send(${channelId}, ${callee}, ${JSON.stringify(windows)}::jsonb, ${new Date(clock.now())}) AS wait`;
        const waitMs = Number(row?.wait ?? 0n);
        if (waitMs === 0) local.note(channelId, callee);
        return Math.max(0, waitMs);
      } catch (error) {
        log.warn({ channelId, err: error }, 'the rate limit is counted on this node only');
        return local.take(channelId, callee, windows);
      }
    },
    async mute(channelId, untilMs) {
      local.mute(channelId, untilMs);
      try {
        await prisma.notificationChannel.updateMany({
          where: { id: channelId },
          data: { throttledUntil: new Date(untilMs) },
        });
      } catch (error) {
        log.warn({ channelId, err: error }, 'other nodes do not know that this channel is throttled');
      }
    },
  };
}

const keyOf = (channelId: string, callee: string): string => `${channelId}\n${callee}`;

function createLocalBudget(clock: Clock) {
  const sends = new BoundedCache<readonly number[]>(1_000);
  const mutes = new BoundedCache<number>(1_000);
  const note = (channelId: string, callee: string): void => {
    const key = keyOf(channelId, callee);
    sends.set(key, [...(sends.get(key) ?? []).slice(-199), clock.now()]);
  };
  return {
    note,
    mute: (channelId: string, untilMs: number): void => mutes.set(channelId, untilMs),
    muteOf: (channelId: string): number => Math.max(0, (mutes.get(channelId) ?? 0) - clock.now()),
    take(channelId: string, callee: string, windows: readonly Window[]): number {
      const at = sends.get(keyOf(channelId, callee)) ?? [];
      const waits = windows.map(({ ms, max }) => {
        const eldest = at.filter((each) => each > clock.now() - ms).at(-max);
        return eldest === undefined ? 0 : eldest + ms - clock.now();
      });
      const waitMs = Math.max(0, ...waits);
      if (waitMs === 0) note(channelId, callee);
      return waitMs;
    },
  };
}
