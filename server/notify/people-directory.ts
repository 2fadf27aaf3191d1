import type { NotificationChannel, Person, Supplier } from '../../contract/alerts.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import { createChannelStore } from './channel-store.ts';
import type { Subscription, Subscriptions } from './channels/web-push.ts';
import type { SecretSeal } from './secret-seal.ts';

/** Everything that routing a message needs, of one moment. */
export type Directory = {
  readonly people: ReadonlyMap<string, Person>;
  readonly channels: ReadonlyMap<string, NotificationChannel>;
  /** By livestream, first first. */
  readonly onCall: ReadonlyMap<string, readonly string[]>;
  /** Livestreams with at least one registered browser. */
  readonly pushLivestreams: ReadonlySet<string>;
  readonly readAtMs: number;
};

export type Missing = {
  readonly kind: 'missing';
  readonly what: 'person' | 'channel' | 'product';
  readonly id: string;
};

export type PeopleDirectory = Subscriptions & {
  /** From memory, at most `maxAgeMs` old; an older reading while the database is away. Rejects when there never was one. */
  current(): Promise<Directory>;
  putPerson(person: Person): Promise<Person | Missing>;
  putChannel(channel: NotificationChannel): Promise<NotificationChannel>;
  findChannel(channelId: string): Promise<NotificationChannel | null>;
  /** A receiver asked for nothing more. */
  disableChannel(channelId: string): Promise<void>;
  putOnCall(livestreamId: string, personIds: readonly string[]): Promise<readonly Person[] | Missing>;
  putSupplier(supplier: Supplier): Promise<Supplier | Missing>;
  suppliersOf(livestreamId: string): Promise<readonly Supplier[]>;
  /** Registers a browser and returns how many the livestream has; the oldest goes when there are too many. */
  subscribe(livestreamId: string, subscription: Subscription): Promise<number>;
};

/** Made by the first browser that registers; it can be renamed, silenced and switched off like any other. */
export const webPushChannelId = 'web-push';
const subscriptionsMax = 200;
const maxAgeMs = 3_000;

export function createPeopleDirectory(deps: {
  readonly prisma: PrismaClient;
  readonly clock: Clock;
  readonly seal: SecretSeal;
  readonly onUnreadable: (channelId: string) => void;
}): PeopleDirectory {
  const { prisma, clock } = deps;
  const stored = createChannelStore(deps);
  let known: Directory | undefined;
  let reading: Promise<Directory> | undefined;

  async function read(): Promise<Directory> {
    const [people, channels, onCall, push] = await Promise.all([
      prisma.person.findMany(),
      stored.all(),
      prisma.onCall.findMany({ orderBy: { position: 'asc' } }),
      prisma.pushSubscription.groupBy({ by: ['livestreamId'] }),
    ]);
    const order = new Map<string, string[]>();
    for (const { livestreamId, personId } of onCall)
      order.set(livestreamId, [...(order.get(livestreamId) ?? []), personId]);
    return {
      people: new Map(people.map((row) => [row.id, personOf(row)])),
      channels: new Map(channels.map((channel) => [channel.channelId, channel])),
      onCall: order,
      pushLivestreams: new Set(push.map(({ livestreamId }) => livestreamId)),
      readAtMs: clock.now(),
    };
  }

  const current = async (): Promise<Directory> => {
    if (known !== undefined && clock.now() - known.readAtMs < maxAgeMs) return known;
    reading ??= read().finally(() => (reading = undefined));
    try {
      known = await reading;
    } catch (error) {
      if (known === undefined) throw error;
    }
    return known;
  };
  const changed = (): void => {
    known = known === undefined ? undefined : { ...known, readAtMs: Number.NEGATIVE_INFINITY };
    // A reading that began before the change may not show it.
    reading = undefined;
  };

  return {
    current,
    ...peopleWriter(prisma, changed),
    ...channelWriter(prisma, stored, changed),
    ...supplierStore(prisma),
    ...subscriptionStore(prisma, clock, changed),
  };
}

function peopleWriter(prisma: PrismaClient, changed: () => void): Pick<PeopleDirectory, 'putPerson' | 'putOnCall'> {
  return {
    async putPerson({ personId, name, phone, email, channelIds }) {
      const found = await prisma.notificationChannel.findMany({
        where: { id: { in: [...channelIds] } },
        select: { id: true },
      });
      const missing = channelIds.find((id) => !found.some((channel) => channel.id === id));
      if (missing !== undefined) return { kind: 'missing', what: 'channel', id: missing };
      const data = { name, phone, email, channelIds: [...new Set(channelIds)] };
      const row = await prisma.person.upsert({
        where: { id: personId },
        create: { id: personId, ...data },
        update: data,
      });
      changed();
      return personOf(row);
    },
    async putOnCall(livestreamId, personIds) {
      const order = [...new Set(personIds)];
      const rows = await prisma.person.findMany({ where: { id: { in: order } } });
      const people = new Map(rows.map((row) => [row.id, personOf(row)]));
      const missing = order.find((id) => !people.has(id));
      if (missing !== undefined) return { kind: 'missing', what: 'person', id: missing };
      await replaceOnCall(prisma, livestreamId, order);
      changed();
      return order.flatMap((id) => people.get(id) ?? []);
    },
  };
}

/** Two operators who save at once: one order wins whole. */
async function replaceOnCall(prisma: PrismaClient, livestreamId: string, order: readonly string[]): Promise<void> {
  const data = order.map((personId, position) => ({ livestreamId, position, personId }));
  for (let attempt = 1; ; attempt += 1) {
    try {
      await prisma.$transaction([
        prisma.onCall.deleteMany({ where: { livestreamId } }),
        prisma.onCall.createMany({ data }),
      ]);
      return;
    } catch (error) {
      if (attempt === 5 || !isConflict(error)) throw error;
    }
  }
}

/** Two rows for one place, or a deadlock: nothing was changed. */
const isConflict = (error: unknown): boolean =>
  error instanceof Prisma.PrismaClientKnownRequestError && (error.code === 'P2002' || error.code === 'P2034');

function channelWriter(
  prisma: PrismaClient,
  stored: ReturnType<typeof createChannelStore>,
  changed: () => void,
): Pick<PeopleDirectory, 'putChannel' | 'findChannel' | 'disableChannel'> {
  return {
    async putChannel(channel) {
      const saved = await stored.put(channel);
      changed();
      return saved;
    },
    findChannel: (channelId) => stored.find(channelId),
    async disableChannel(channelId) {
      await prisma.notificationChannel.updateMany({ where: { id: channelId }, data: { enabled: false } });
      changed();
    },
  };
}

function supplierStore(prisma: PrismaClient): Pick<PeopleDirectory, 'putSupplier' | 'suppliersOf'> {
  return {
    async putSupplier({ supplierId, name, contact, productIds }) {
      const wanted = [...new Set(productIds)];
      const found = await prisma.product.findMany({ where: { id: { in: wanted } }, select: { id: true } });
      const missing = wanted.find((id) => !found.some((product) => product.id === id));
      if (missing !== undefined) return { kind: 'missing', what: 'product', id: missing };
      const data = { name, contact, productIds: wanted };
      await prisma.supplier.upsert({ where: { id: supplierId }, create: { id: supplierId, ...data }, update: data });
      return { supplierId, ...data };
    },
    async suppliersOf(livestreamId) {
      const items = await prisma.livestreamItem.findMany({
        where: { livestreamId },
        select: { sku: { select: { productId: true } } },
      });
      const productIds = [...new Set(items.map(({ sku }) => sku.productId))];
      const rows = await prisma.supplier.findMany({
        where: { productIds: { hasSome: productIds } },
        orderBy: { name: 'asc' },
      });
      return rows.map((row) => ({
        supplierId: row.id,
        name: row.name,
        contact: row.contact,
        productIds: row.productIds,
      }));
    },
  };
}

function subscriptionStore(
  prisma: PrismaClient,
  clock: Clock,
  changed: () => void,
): Pick<PeopleDirectory, 'of' | 'remove' | 'subscribe'> {
  return {
    async of(livestreamIds) {
      return prisma.pushSubscription.findMany({
        where: { livestreamId: { in: [...livestreamIds] } },
        select: { endpoint: true, p256dh: true, auth: true },
        orderBy: { createdAt: 'asc' },
      });
    },
    async remove(endpoint) {
      await prisma.pushSubscription.deleteMany({ where: { endpoint } });
      changed();
    },
    async subscribe(livestreamId, { endpoint, p256dh, auth }) {
      const data = { livestreamId, p256dh, auth, createdAt: new Date(clock.now()) };
      await prisma.pushSubscription.upsert({ where: { endpoint }, create: { endpoint, ...data }, update: data });
      const surplus = await prisma.pushSubscription.findMany({
        where: { livestreamId },
        orderBy: { createdAt: 'desc' },
        skip: subscriptionsMax,
        select: { endpoint: true },
      });
      await prisma.pushSubscription.deleteMany({ where: { endpoint: { in: surplus.map((each) => each.endpoint) } } });
      const channel = {
        id: webPushChannelId,
        kind: 'web_push',
        name: '浏览器推送 Web Push',
        minTier: 'orange',
        settings: {},
      };
      await prisma.notificationChannel.createMany({ data: [channel], skipDuplicates: true });
      changed();
      return prisma.pushSubscription.count({ where: { livestreamId } });
    },
  };
}

function personOf(row: {
  id: string;
  name: string;
  phone: string | null;
  email: string | null;
  channelIds: string[];
}): Person {
  return { personId: row.id, name: row.name, phone: row.phone, email: row.email, channelIds: row.channelIds };
}
