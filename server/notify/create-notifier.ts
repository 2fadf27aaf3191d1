import { randomUUID } from 'node:crypto';
import type { Lease } from '../db/lease.ts';
import { runPeriodically } from '../lib/periodic.ts';
import { createDeliveryLog } from './delivery-log.ts';
import type { Notifier } from './notifier.ts';
import { createPost } from './post.ts';
import { waitingMax } from './send-lane.ts';
import type { SendDeps } from './send-notice.ts';

export type NotifierDeps = Omit<SendDeps, 'save' | 'stopping'> & {
  /** The node that holds it takes up messages that others left. */
  readonly lease: Pick<Lease, 'isHeld'>;
};

export type RunningNotifier = Notifier & {
  /** Sends a message now, past the queue but within the rate limit. null: there is no such channel. */
  testChannel(channelId: string): Promise<{ readonly delivered: boolean; readonly error: string | null } | null>;
  /** Looks for messages that nobody sends any more now rather than within the next ten seconds. */
  adoptSoon(): void;
  deliveriesOfChannel(channelId: string): ReturnType<Notifier['deliveriesOf']>;
};

/** How often waiting messages of nodes that are gone are looked for, and this node's own lease is renewed. */
const housekeepingMs = 10_000;

/** Starts at once: what was waiting when the program ended is sent. See docs/spec/notifications.md. */
export function createNotifier(deps: NotifierDeps): RunningNotifier {
  const { prisma, directory, clock, log } = deps;
  const stopping = new AbortController();
  const deliveries = createDeliveryLog({
    prisma,
    clock,
    log,
    worker: randomUUID(),
    wait: (ms) => deps.pause(ms, stopping.signal),
  });
  const post = createPost({ ...deps, save: (rows) => deliveries.save(rows), stopping: stopping.signal });

  const housekeeping = runPeriodically(
    housekeepingMs,
    async () => {
      await deliveries.renew();
      if (deps.lease.isHeld() && post.waiting() < waitingMax) for (const row of await deliveries.adopt()) post.add(row);
    },
    (error) => log.warn({ err: error }, 'waiting deliveries were not looked for'),
  );
  housekeeping.kick();

  return {
    adoptSoon: () => housekeeping.kick(),
    notify: (message) => post.route(message),
    async onCall(livestreamId) {
      const { onCall, people } = await directory.current();
      return (onCall.get(livestreamId) ?? []).flatMap((personId) => people.get(personId) ?? []);
    },
    deliveriesOf: (alertId) => deliveries.list({ alertId }),
    deliveriesOfChannel: (channelId) => deliveries.list({ channelId }),
    testChannel: (channelId) => post.test(channelId),
    async stop() {
      stopping.abort();
      await housekeeping.stop();
      await post.stop();
      await deliveries
        .stop()
        .catch((error: unknown) => log.warn({ err: error }, 'waiting deliveries keep their lease'));
    },
  };
}
