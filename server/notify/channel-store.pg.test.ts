import { beforeEach, expect, test } from 'vitest';
import type { NotificationChannel } from '../../contract/alerts.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { createChannelStore } from './channel-store.ts';
import { createSecretSeal } from './secret-seal.ts';

const [old, next] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const secrets = { url: 'https://oapi.dingtalk.com/robot/send?access_token=tokentoken', secret: 'SECverysecret' };

describeWithDatabases('channels at rest', ({ database }) => {
  const unreadable: string[] = [];
  const storeWith = (...keys: [Uint8Array, ...Uint8Array[]]) =>
    createChannelStore({
      prisma: database().prisma,
      seal: createSecretSeal(keys),
      onUnreadable: (channelId) => unreadable.push(channelId),
    });
  const robot = (channelId: string): NotificationChannel => ({
    channelId,
    kind: 'dingtalk',
    name: '群',
    enabled: true,
    minTier: 'yellow',
    settings: { ...secrets, keyword: '库存' },
  });
  /** The row's JSON as a dump of the database shows it. */
  const rowText = async (id: string): Promise<string> =>
    JSON.stringify((await database().prisma.notificationChannel.findUniqueOrThrow({ where: { id } })).settings);
  const isSealed = async (id: string): Promise<boolean> => {
    const text = await rowText(id);
    return !text.includes('SECverysecret') && !text.includes('tokentoken') && text.includes('库存');
  };
  beforeEach(async () => {
    unreadable.length = 0;
    await database().prisma.notificationChannel.deleteMany();
  });

  test('[NO-66] no secret of a channel stands readable in the database, and whoever sends gets it as it was', async () => {
    const store = storeWith(next);
    expect(await store.put(robot('robot'))).toEqual(robot('robot'));
    expect(await isSealed('robot')).toBe(true);
    expect(await store.find('robot')).toEqual(robot('robot'));
    expect(await store.all()).toEqual([robot('robot')]);
  });

  test('[NO-67] a row from before sealing is used as it is and sealed by its first reading', async () => {
    const { channelId, kind, name, minTier, settings } = robot('plain');
    await database().prisma.notificationChannel.create({ data: { id: channelId, kind, name, minTier, settings } });
    expect(await isSealed('plain')).toBe(false);
    expect(await storeWith(next).all()).toEqual([robot('plain')]);
    expect(await isSealed('plain')).toBe(true);
    expect(await storeWith(next).find('plain')).toEqual(robot('plain'));
  });

  test('[NO-67] a new key seals anew what the old one sealed; then the old one is not needed any more', async () => {
    await storeWith(old).put(robot('turned'));
    const before = await rowText('turned');
    expect(await storeWith(next, old).all()).toEqual([robot('turned')]);
    expect(await rowText('turned')).not.toBe(before);
    expect(await storeWith(next).find('turned')).toEqual(robot('turned'));
    // What is sealed with the newest key already is left alone.
    const turned = await rowText('turned');
    await storeWith(next, old).all();
    expect(await rowText('turned')).toBe(turned);
  });

  test('[NO-68] without its key a channel is off, said once, and its row is kept for the day the key is back', async () => {
    await storeWith(old).put(robot('lost'));
    const before = await rowText('lost');
    const store = storeWith(next);
    const { settings, enabled } = (await store.find('lost')) ?? robot('none');
    expect([settings, enabled]).toEqual([{ keyword: '库存' }, false]);
    await store.all();
    expect(unreadable).toEqual(['lost']);
    expect(await rowText('lost')).toBe(before);
    expect(await storeWith(next, old).find('lost')).toEqual(robot('lost'));
  });

  test('[NO-67] sealing anew never overwrites what somebody saves at the same moment', async () => {
    const { channelId, kind, name, minTier, settings } = robot('raced');
    await database().prisma.notificationChannel.create({ data: { id: channelId, kind, name, minTier, settings } });
    const saved = { ...robot('raced'), settings: { ...settings, secret: 'SECanother' } };
    const store = storeWith(next);
    await Promise.all([store.all(), store.put(saved), store.all(), store.find('raced')]);
    expect(await store.find('raced')).toEqual(saved);
  });
});
