import type { DeliveryRow } from './delivery-log.ts';
import type { NoticeLine } from './notice.ts';
import type { AlertMessage } from './notifier.ts';
import type { Directory, PeopleDirectory } from './people-directory.ts';
import { lineOfMessage, type Routed, recipientOf, routeMessage } from './route-message.ts';
import { calleeOf, createSendBudget, windowsFor } from './send-budget.ts';
import { SendLane, waitingMax } from './send-lane.ts';
import { newRow, type SendDeps, sendRows, sendTest } from './send-notice.ts';

/** Above this many, lanes without messages are forgotten. */
const lanesMax = 500;

/** Routes messages into lanes, one for each channel and recipient: what one provider does holds up no other. */
export function createPost(deps: SendDeps) {
  const { directory, clock, log, save } = deps;
  const budget = createSendBudget({ prisma: deps.prisma, clock, log });
  const lanes = createLanes((channelId, recipient) => ({
    clock,
    pause: deps.pause,
    chance: deps.chance,
    channel: async () => {
      const known = await settled(directory);
      return known === null ? 'unknown' : (known.channels.get(channelId) ?? null);
    },
    take: ({ kind }, tier) => budget.take(channelId, calleeOf(kind, recipient), windowsFor(kind, tier)),
    mute: (_channel, untilMs) => budget.mute(channelId, untilMs),
    send: (channel, rows, signal) => sendRows(deps, channel, rows, signal),
    save,
    passOn: (row) => void passOn(row),
  }));
  /** Messages that wait for the first reading of the directory, in order. */
  let routing: Promise<unknown> = Promise.resolve();
  let unrouted = 0;

  const add = (row: DeliveryRow): void => {
    const lane = lanes.of(row.channelId, row.message.recipient);
    if (lane.has(row.deliveryId) || lane.add(row)) return;
    save([{ ...row, isUnowned: true }]);
    log.warn({ channelId: row.channelId }, 'a channel has too many messages waiting; this one waits in the log');
  };
  const start = (routed: Routed, line: NoticeLine): void => {
    const row = newRow(routed, line, clock.now());
    save([row]);
    add(row);
  };

  async function passOn(row: DeliveryRow): Promise<void> {
    const [next, ...otherwise] = row.message.otherwise;
    log.warn({ channelId: row.channelId, next: next ?? null, error: row.error }, 'a message could not be delivered');
    if (next === undefined) return;
    const known = await settled(directory);
    const channel = known?.channels.get(next);
    if (channel === undefined) return;
    const person = row.personId === null ? undefined : known?.people.get(row.personId);
    const recipient = recipientOf(channel, person ?? null);
    start({ channel, personId: row.personId, recipient, otherwise }, row.message.line);
  }

  async function route(message: AlertMessage): Promise<void> {
    const known = await patiently(deps);
    unrouted -= 1;
    if (known === null) return;
    const line = lineOfMessage(message);
    const routes = routeMessage(message, known);
    if (routes.length === 0) log.warn({ alertId: line.alertId, tier: line.tier }, 'no channel for this alert');
    for (const routed of routes) start(routed, line);
  }

  return {
    add,
    waiting: () => lanes.waiting(),
    route(message: AlertMessage): void {
      if (unrouted >= waitingMax) {
        log.error({ alertId: message.alert.alertId }, 'a message has no way: the database is away since the start');
        return;
      }
      unrouted += 1;
      const before = routing;
      routing = (async () => {
        await before;
        await route(message);
      })();
    },
    async test(channelId: string) {
      const channel = await directory.findChannel(channelId);
      return channel === null ? null : sendTest(deps, budget, channel);
    },
    async stop(): Promise<void> {
      await routing;
      await lanes.stop();
    },
  };
}

function createLanes(depsOf: (channelId: string, recipient: string) => ConstructorParameters<typeof SendLane>[0]) {
  const lanes = new Map<string, SendLane>();
  return {
    of(channelId: string, recipient: string): SendLane {
      const key = `${channelId}\n${recipient}`;
      const known = lanes.get(key);
      if (known !== undefined) return known;
      if (lanes.size >= lanesMax) for (const [idle, { size }] of lanes) if (size === 0) lanes.delete(idle);
      const lane = new SendLane(depsOf(channelId, recipient));
      lanes.set(key, lane);
      return lane;
    },
    waiting: (): number => [...lanes.values()].reduce((sum, lane) => sum + lane.size, 0),
    async stop(): Promise<void> {
      await Promise.all([...lanes.values()].map((lane) => lane.stop()));
    },
  };
}

const settled = (directory: PeopleDirectory): Promise<Directory | null> => directory.current().catch(() => null);

/** Until the directory was read once; afterwards an old reading serves while the database is away. null: the program stops. */
async function patiently({ directory, log, stopping, pause }: SendDeps): Promise<Directory | null> {
  for (;;) {
    try {
      return await directory.current();
    } catch (error) {
      log.warn({ err: error }, 'channels are not known yet');
      if (stopping.aborted) return null;
      await pause(1_000, stopping);
    }
  }
}
