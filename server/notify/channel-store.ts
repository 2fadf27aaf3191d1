import type { AlertTier, ChannelKind, NotificationChannel } from '../../contract/alerts.ts';
import type { PrismaClient, NotificationChannel as Row } from '../../generated/prisma/client.ts';
import { type Settings, secretFields } from './channel-settings.ts';
import type { SecretSeal } from './secret-seal.ts';

/**
 * Channels in the database, whose secrets are sealed there and open here. A secret from before sealing, or sealed with an older key, is
 * sealed anew when it is read. A secret that cannot be opened (its key is gone) is left as it is, and its channel counts as switched off:
 * a message without its signature or password would be worse than one on the next channel.
 */
export function createChannelStore(deps: {
  readonly prisma: PrismaClient;
  readonly seal: SecretSeal;
  /** Once for each channel and process. */
  readonly onUnreadable: (channelId: string) => void;
}) {
  const { prisma, seal, onUnreadable } = deps;
  const unreadable = new Set<string>();

  function opened(row: Row): { channel: NotificationChannel; isStale: boolean } {
    const kind = row.kind as ChannelKind;
    let [isStale, isWhole] = [false, true];
    // The columns hold what was checked when it was saved.
    const settings = Object.entries(row.settings as Settings).flatMap(([name, stored]) => {
      if (!secretFields[kind].includes(name)) return [[name, stored] as const];
      const found = seal.open(aboutOf(row.id, name), stored);
      if (found === null) isWhole = false;
      else if (!found.isCurrent) isStale = true;
      return found === null ? [] : [[name, found.secret] as const];
    });
    if (!isWhole && !unreadable.has(row.id)) {
      unreadable.add(row.id);
      onUnreadable(row.id);
    }
    const channel = {
      channelId: row.id,
      kind,
      name: row.name,
      enabled: row.enabled && isWhole,
      minTier: row.minTier as AlertTier,
      settings: Object.fromEntries(settings),
    };
    return { channel, isStale: isStale && isWhole };
  }

  function sealed({ channelId, kind, settings }: NotificationChannel): Record<string, string> {
    const values = Object.entries(settings).map(([name, value]) => [
      name,
      secretFields[kind].includes(name) ? seal.seal(aboutOf(channelId, name), value) : value,
    ]);
    return Object.fromEntries(values);
  }

  /** Only what is still as it was read: who saves at the same moment wins. */
  async function refresh(row: Row): Promise<NotificationChannel> {
    const { channel, isStale } = opened(row);
    if (!isStale) return channel;
    const where = { id: row.id, settings: { equals: row.settings ?? {} } };
    await prisma.notificationChannel.updateMany({ where, data: { settings: sealed(channel) } });
    return channel;
  }

  return {
    async all(): Promise<readonly NotificationChannel[]> {
      const rows = await prisma.notificationChannel.findMany({ orderBy: { createdAt: 'asc' } });
      return Promise.all(rows.map(refresh));
    },
    async find(channelId: string): Promise<NotificationChannel | null> {
      const row = await prisma.notificationChannel.findUnique({ where: { id: channelId } });
      return row === null ? null : refresh(row);
    },
    async put(channel: NotificationChannel): Promise<NotificationChannel> {
      const { channelId: id, kind, name, enabled, minTier } = channel;
      // Whoever saves has changed something: a mute from before must not hold back what was repaired.
      const data = { kind, name, enabled, minTier, settings: sealed(channel), throttledUntil: null };
      unreadable.delete(id);
      return opened(await prisma.notificationChannel.upsert({ where: { id }, create: { id, ...data }, update: data }))
        .channel;
    },
  };
}

const aboutOf = (channelId: string, field: string): string => `notification-channel/${channelId}/${field}`;
