import { expect, test } from 'vitest';
import type { AlertTier, ChannelKind, NotificationChannel, Person } from '../../contract/alerts.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { DeliveryRow } from './delivery-log.ts';
import { lineFor, manualTime, messageFor, nowMs, silentLog } from './notify-test-kit.ts';
import { retry, sent } from './outcome.ts';
import type { Directory } from './people-directory.ts';
import { routeMessage } from './route-message.ts';
import { createSendBudget, windowsFor } from './send-budget.ts';
import { SendLane, waitingMax } from './send-lane.ts';

const channelOf = (kind: ChannelKind, minTier: AlertTier = 'yellow'): NotificationChannel => ({
  channelId: kind,
  kind,
  name: kind,
  enabled: true,
  minTier,
  settings: { phone: '10000', to: 'ops@shop.example' },
});
const amy: Person = { personId: 'amy', name: 'Amy', phone: '13800138000', email: null, channelIds: ['sms', 'email'] };

function directoryOf(channels: readonly NotificationChannel[], pushLivestreams: readonly string[] = []): Directory {
  return {
    people: new Map([['amy', amy]]),
    channels: new Map(channels.map((channel) => [channel.channelId, channel])),
    onCall: new Map(),
    pushLivestreams: new Set(pushLivestreams),
    readAtMs: nowMs,
  };
}

test('[NO-37] registered browsers are told beside the people on call, and only those of the livestream', () => {
  const channels = [channelOf('sms'), channelOf('email'), channelOf('web_push')];
  const told = (livestreams: readonly string[]) =>
    routeMessage(messageFor('a', 'red', { people: [amy] }), directoryOf(channels, livestreams)).map(
      ({ channel }) => channel.kind,
    );
  expect(told(['live-1'])).toEqual(['sms', 'web_push']);
  expect(told(['live-2'])).toEqual(['sms']);
});

test("[NO-35] a person's own number is used, else the channel's; the other channels stand behind the first", () => {
  const directory = directoryOf([channelOf('sms'), channelOf('email')]);
  const [first] = routeMessage(messageFor('a', 'red', { people: [amy] }), directory);
  expect(first).toMatchObject({ recipient: '13800138000', otherwise: ['email'] });
  const everywhere = routeMessage(messageFor('a', 'red', { people: [amy], everyChannel: true }), directory);
  expect(everywhere.map(({ recipient }) => recipient)).toEqual(['13800138000', 'ops@shop.example']);
  const nobody = routeMessage(messageFor('a', 'red'), directory);
  expect(nobody.map(({ recipient }) => recipient)).toEqual(['10000', 'ops@shop.example']);
});

test('[NO-33] while the database is away a node counts by itself, and a throttled channel stays closed', async () => {
  const time = manualTime();
  const { clock } = time;
  const away = () => Promise.reject(new Error('the database is away'));
  const prisma = { $queryRaw: away, notificationChannel: { updateMany: away } } as unknown as PrismaClient;
  const budget = createSendBudget({ prisma, clock, log: silentLog });
  const take = () => budget.take('voice', '13800138000', windowsFor('voice', 'red'));
  const waits: number[] = [];
  for (let minute = 0; minute < 7; minute += 1) {
    waits.push(await take());
    time.advance(60_000);
  }
  // One a minute, five an hour.
  expect(waits).toEqual([0, 0, 0, 0, 0, 55 * 60_000, 54 * 60_000]);
  await budget.mute('robot', clock.now() + 600_000);
  expect(await budget.take('robot', '', windowsFor('dingtalk', 'red'))).toBe(600_000);
});

function rowOf(deliveryId: string, createdAtMs = nowMs): DeliveryRow {
  const line = lineFor(deliveryId, 'orange');
  const message = { recipient: '', otherwise: [], line };
  const ids = { deliveryId, channelId: 'sms', personId: null, alertId: deliveryId };
  return { ...ids, tier: 'orange', state: 'waiting', attempts: 0, error: null, createdAtMs, message };
}

function laneWith(take: () => number, outcome: 'sent' | 'retry' = 'sent') {
  const time = manualTime();
  const [saved, groups]: [DeliveryRow[], number[]] = [[], []];
  const lane = new SendLane({
    clock: time.clock,
    pause: time.pause,
    chance: () => 0,
    channel: async () => channelOf('sms'),
    take: async () => take(),
    mute: async () => undefined,
    send: async (_channel, rows) => {
      groups.push(rows.length);
      return outcome === 'sent' ? sent : retry('away');
    },
    save: (rows) => void saved.push(...rows),
    passOn: () => undefined,
  });
  return { lane, time, saved, groups };
}

test('[NO-31] a full lane says so, and what it holds leaves as one digest', async () => {
  let room = 60_000;
  const { lane, time, saved, groups } = laneWith(() => room);
  const taken = Array.from({ length: waitingMax + 5 }, (_, index) => lane.add(rowOf(`d${index}`)));
  expect(taken.filter(Boolean)).toHaveLength(waitingMax);
  await new Promise(setImmediate);
  room = 0;
  time.advance(60_000);
  await new Promise(setImmediate);
  expect(groups).toEqual([waitingMax]);
  expect(saved.filter(({ state }) => state === 'sent')).toHaveLength(waitingMax);
  expect(lane.size).toBe(0);
  await lane.stop();
});

test('[NO-38] a message older than 45 minutes is given up and says why', async () => {
  const { lane, saved, groups } = laneWith(() => 0);
  lane.add(rowOf('old', nowMs - 45 * 60_000 - 1));
  lane.add(rowOf('new', nowMs - 44 * 60_000));
  await new Promise(setImmediate);
  expect(groups).toEqual([1]);
  expect(saved.map(({ deliveryId, state, error }) => [deliveryId, state, error])).toEqual([
    ['old', 'failed', 'too old to be of use'],
    ['new', 'sent', null],
  ]);
  await lane.stop();
});

test('[NO-38] a lane that is stopped keeps what it could not send waiting', async () => {
  const { lane, saved } = laneWith(() => 0, 'retry');
  lane.add(rowOf('d1'));
  await new Promise(setImmediate);
  await lane.stop();
  expect(saved.at(-1)).toMatchObject({ state: 'waiting', attempts: 1 });
  expect(lane.add(rowOf('d2'))).toBe(false);
});
