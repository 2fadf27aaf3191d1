import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ChannelKind, NotificationChannel, Person } from '../../contract/alerts.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { heldLease } from '../../tests/services/held-lease.ts';
import { deriveKey } from '../auth/keys.ts';
import { createAcknowledgeTokens } from './acknowledge-token.ts';
import { createNotifier, type RunningNotifier } from './create-notifier.ts';
import { createGuardedRequest } from './guarded-request.ts';
import {
  eventually,
  manualTime,
  messageFor,
  nowMs,
  type Provider,
  silentLog,
  startProvider,
  testSeal,
} from './notify-test-kit.ts';
import { createPeopleDirectory, type PeopleDirectory } from './people-directory.ts';
import { createSenders } from './senders.ts';

const ok = { body: '{"errcode":0,"code":0,"Code":"OK"}' };
const key = deriveKey('a secret of the tests, 32 characters at least', 'acknowledge-link');
const whsec = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

describeWithDatabases('notifier', ({ database }) => {
  let round = 0;
  let time: ReturnType<typeof manualTime>;
  let directory: PeopleDirectory;
  let robot: Provider;
  let other: Provider;
  let running: RunningNotifier[] = [];
  const id = (name: string) => `${name}-${round}`;

  beforeEach(async () => {
    round += 1;
    const { prisma } = database();
    await prisma.delivery.deleteMany();
    await prisma.notificationAttempt.deleteMany();
    await prisma.onCall.deleteMany();
    await prisma.person.deleteMany();
    await prisma.notificationChannel.deleteMany();
    await prisma.pushSubscription.deleteMany();
    time = manualTime();
    directory = createPeopleDirectory({ prisma, clock: time.clock, seal: testSeal, onUnreadable: () => {} });
    [robot, other] = [await startProvider(ok), await startProvider(ok)];
    running = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((notifier) => notifier.stop()));
    await Promise.all([robot.stop(), other.stop()]);
  });

  function start(): RunningNotifier {
    const request = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
    const vapid = { publicKey: 'x', privateKey: 'y', subject: 'https://live.example' };
    const notifier = createNotifier({
      prisma: database().prisma,
      directory,
      senders: createSenders({ request, clock: time.clock, aliyun: null, vapid, subscriptions: directory }),
      tokens: createAcknowledgeTokens({ key, clock: time.clock }),
      baseUrl: () => 'https://live.example',
      clock: time.clock,
      log: silentLog,
      pause: time.pause,
      chance: () => 0.5,
      lease: heldLease(),
    });
    running.push(notifier);
    return notifier;
  }
  const settingsOf = (kind: ChannelKind, at: Provider): Record<string, string> =>
    kind === 'webhook' ? { url: at.url, secret: whsec } : { url: `${at.url}/robot/send?access_token=t` };
  function channel(name: string, kind: ChannelKind, at: Provider, more: Partial<NotificationChannel> = {}) {
    const settings = settingsOf(kind, at);
    const whole = { channelId: id(name), kind, name, enabled: true, minTier: 'yellow' as const, settings, ...more };
    return directory.putChannel(whole);
  }
  async function person(name: string, ...channels: string[]): Promise<Person> {
    const whole = { personId: id(name), name, phone: null, email: null, channelIds: channels.map(id) };
    const outcome = await directory.putPerson(whole);
    if ('kind' in outcome) throw new Error('a channel is missing');
    return outcome;
  }
  const rows = () => database().prisma.delivery.findMany({ orderBy: { createdAt: 'asc' } });
  const states = async () => (await rows()).map(({ channelId, state }) => `${channelId} ${state}`).toSorted();

  test('[NO-30] a message leaves at once, with a link that acknowledges it, and stands in the log', async () => {
    await channel('group', 'dingtalk', robot);
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'red'));
    await robot.until(1);
    const body = JSON.parse(robot.received[0]?.body ?? '');
    const link = new URL(body.actionCard.btns[0].actionURL);
    expect(link.origin + link.pathname).toBe('https://live.example/ack');
    const token = createAcknowledgeTokens({ key, clock: time.clock }).read(link.searchParams.get('token') ?? '');
    expect(token).toMatchObject({
      kind: 'valid',
      claims: { actor: `link:${id('group')}`, alerts: [['live-1', id('a')]] },
    });
    const [delivery] = await eventually(
      () => notifier.deliveriesOf(id('a')),
      (found) => found[0]?.state === 'sent',
    );
    expect(delivery).toEqual({
      deliveryId: expect.any(String),
      channelId: id('group'),
      personId: null,
      alertIds: [id('a')],
      state: 'sent',
      attempts: 1,
      atMs: nowMs,
      error: null,
    });
  });

  test('[NO-31] above the limit messages wait and leave as one digest; nothing is dropped', async () => {
    await channel('group', 'dingtalk', robot);
    const notifier = start();
    for (let each = 0; each < 60; each += 1) notifier.notify(messageFor(id(`a${each}`), 'orange'));
    await robot.until(16);
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.some((ms) => ms > 50_000),
    );
    // 20 a minute, of which 4 are kept for red.
    expect(robot.received).toHaveLength(16);
    time.advance(60_000);
    await robot.until(17);
    await eventually(states, (all) => all.length === 60 && all.every((each) => each.endsWith('sent')));
    expect(robot.received).toHaveLength(17);
    const digest = JSON.parse(robot.received[16]?.body ?? '').actionCard;
    expect(digest.title).toContain('44 条告警');
    expect(digest.text).toContain('另有 34 条');
  });

  test('[NO-32] red overtakes what waits and has its own room', async () => {
    await channel('group', 'dingtalk', robot);
    const notifier = start();
    for (let each = 0; each < 30; each += 1) notifier.notify(messageFor(id(`a${each}`), 'yellow'));
    await robot.until(16);
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.some((ms) => ms > 50_000),
    );
    notifier.notify(messageFor(id('red'), 'red'));
    await robot.until(17);
    const card = JSON.parse(robot.received[16]?.body ?? '').actionCard;
    expect(card.title).toBe('🔴■ 红色告警 RED · 龙井');
    expect(time.clock.now()).toBe(nowMs);
  });

  test('[NO-33] two nodes and a restart share one limit', async () => {
    await channel('group', 'dingtalk', robot);
    const [one, two] = [start(), start()];
    // More for each node than both may send: however the two interleave, both come to wait.
    for (let each = 0; each < 20; each += 1) {
      one.notify(messageFor(id(`a${each}`), 'orange'));
      two.notify(messageFor(id(`b${each}`), 'orange'));
    }
    await robot.until(16);
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.filter((ms) => ms > 50_000).length === 2,
    );
    expect(robot.received).toHaveLength(16);
    await Promise.all([one.stop(), two.stop()]);
    time.advance(1_000);
    start();
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.some((ms) => ms > 50_000),
    );
    expect(robot.received).toHaveLength(16);
    time.advance(60_000);
    await robot.until(17);
    await eventually(states, (all) => all.length === 40 && all.every((each) => each.endsWith('sent')));
  });

  test('[NO-34] a channel that fails holds up no other; attempts grow apart and end', async () => {
    robot.answer({ status: 500 });
    await channel('broken', 'dingtalk', robot);
    await channel('works', 'webhook', other);
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'red'));
    await other.until(1);
    const pauses: number[] = [];
    for (let attempt = 1; attempt < 8; attempt += 1) {
      await robot.until(attempt);
      const [ms = 0] = await eventually(
        () => time.pauses().filter((each) => each < 65_000),
        (found) => found.length > 0,
      );
      pauses.push(ms);
      time.advance(ms);
    }
    await robot.until(8);
    await eventually(states, (all) => all.includes(`${id('broken')} failed`));
    expect(pauses).toEqual([750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000]);
    expect(robot.received).toHaveLength(8);
    expect(other.received).toHaveLength(1);
    const failed = (await rows()).find(({ channelId }) => channelId === id('broken'));
    expect(failed).toMatchObject({ state: 'failed', attempts: 8, error: 'HTTP 500' });
  });

  test('[NO-34] a throttled channel is left alone by every node until then, others go on', async () => {
    robot.answer({ body: '{"errcode":130101,"errmsg":"send too fast"}' });
    await channel('group', 'dingtalk', robot);
    const [one, two] = [start(), start()];
    one.notify(messageFor(id('a'), 'orange'));
    await robot.until(1);
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.some((ms) => ms > 590_000),
    );
    robot.answer(ok);
    two.notify(messageFor(id('b'), 'red'));
    await eventually(
      () => time.pauses(),
      (pauses) => pauses.filter((ms) => ms > 590_000).length === 2,
    );
    time.advance(590_000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(robot.received).toHaveLength(1);
    time.advance(11_000);
    await robot.until(3);
    await eventually(states, (all) => all.every((each) => each.endsWith('sent')));
  });

  test('[NO-35] a person is reached on the first channel that works; the other channels stay quiet', async () => {
    robot.answer({ body: '{"errcode":300001,"errmsg":"token is not exist"}' });
    await channel('first', 'dingtalk', robot);
    await channel('second', 'webhook', other);
    await channel('third', 'webhook', other);
    const amy = await person('amy', 'first', 'second', 'third');
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'orange', { people: [amy] }));
    await other.until(1);
    await eventually(states, (all) => all.includes(`${id('second')} sent`));
    expect(await states()).toEqual([`${id('first')} failed`, `${id('second')} sent`]);
    expect((await rows()).map(({ personId }) => personId)).toEqual([id('amy'), id('amy')]);
    expect(other.received).toHaveLength(1);
  });

  test('[NO-35] nobody waits out a long throttle or many failures where there is another channel', async () => {
    robot.answer({ body: '{"errcode":130101,"errmsg":"send too fast"}' });
    await channel('first', 'dingtalk', robot);
    await channel('second', 'webhook', other);
    const amy = await person('amy', 'first', 'second');
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'red', { people: [amy] }));
    await other.until(1);
    expect(time.clock.now()).toBe(nowMs);
    expect(robot.received).toHaveLength(1);
  });

  test('[NO-36] a core item goes to all channels of a person at once, each by itself', async () => {
    robot.answer({ status: 500 });
    await channel('first', 'dingtalk', robot);
    await channel('second', 'webhook', other);
    const amy = await person('amy', 'first', 'second');
    start().notify(messageFor(id('a'), 'red', { people: [amy], everyChannel: true }));
    await Promise.all([robot.until(1), other.until(1)]);
    await eventually(states, (all) => all.includes(`${id('second')} sent`));
    expect(other.received).toHaveLength(1);
  });

  test('[NO-37] tier and switch of a channel decide; with nobody to reach, every channel that may is told', async () => {
    await channel('red only', 'dingtalk', robot, { minTier: 'red' });
    await channel('off', 'dingtalk', robot, { enabled: false });
    await channel('group', 'webhook', other);
    const amy = await person('amy', 'red only');
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'orange', { people: [amy] }));
    await other.until(1);
    await eventually(states, (all) => all.includes(`${id('group')} sent`));
    expect(robot.received).toEqual([]);
    notifier.notify(messageFor(id('b'), 'red', { people: [amy] }));
    await robot.until(1);
    await eventually(states, (all) => all.includes(`${id('red only')} sent`));
    expect(other.received).toHaveLength(1);
  });

  test('[NO-37] a robot that two people share is told once', async () => {
    await channel('group', 'dingtalk', robot);
    const people = [await person('amy', 'group'), await person('bo', 'group')];
    start().notify(messageFor(id('a'), 'red', { people }));
    await eventually(states, (all) => all.length > 0 && all.every((each) => each.endsWith('sent')));
    expect(robot.received).toHaveLength(1);
  });

  test('[NO-38] what was waiting at a stop is sent after the start, by whichever node comes', async () => {
    robot.answer({ status: 503 });
    await channel('group', 'dingtalk', robot);
    const first = start();
    first.notify(messageFor(id('a'), 'red'));
    await robot.until(1);
    await eventually(rows, (found) => found[0]?.attempts === 1);
    await first.stop();
    expect((await rows())[0]).toMatchObject({ state: 'waiting', error: 'HTTP 503' });
    robot.answer(ok);
    start();
    await robot.until(2);
    await eventually(states, (all) => all.join() === `${id('group')} sent`);
    expect(JSON.parse(robot.received[1]?.body ?? '').actionCard.title).toContain('龙井');
  });

  test('[NO-38] messages of a node that died are adopted when its lease has ended, not before', async () => {
    await channel('group', 'webhook', other);
    const { prisma } = database();
    const line = { ...lineOf(), alertId: id('a') };
    const at = new Date(nowMs);
    const row = {
      channelId: id('group'),
      alertIds: [id('a')],
      tier: 'red',
      worker: 'dead',
      createdAt: at,
      changedAt: at,
    };
    const message = { recipient: '', otherwise: [], line };
    await prisma.delivery.create({
      data: { id: id('d'), ...row, message, leaseUntil: new Date(nowMs + 20_000) },
    });
    const early = start();
    await early.deliveriesOf(id('a'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(other.received).toHaveLength(0);
    await early.stop();
    time.advance(21_000);
    start();
    await other.until(1);
    await eventually(states, (all) => all.join() === `${id('group')} sent`);
  });

  test('[NO-39] the test button sends for real, says what is wrong, and counts towards the limit', async () => {
    await channel('group', 'dingtalk', robot);
    const notifier = start();
    expect(await notifier.testChannel(id('group'))).toEqual({ delivered: true, error: null });
    expect(robot.received[0]?.body).toContain('测试消息');
    expect(robot.received[0]?.body).not.toContain('/ack');
    robot.answer({ body: '{"errcode":310000,"errmsg":"sign not match"}' });
    time.advance(1);
    expect(await notifier.testChannel(id('group'))).toMatchObject({
      delivered: false,
      error: expect.stringContaining('310000'),
    });
    expect(await notifier.testChannel('nowhere')).toBeNull();
    expect(await notifier.deliveriesOfChannel(id('group'))).toMatchObject([{ state: 'failed' }, { state: 'sent' }]);
    robot.answer(ok);
    for (let each = 0; each < 18; each += 1) await notifier.testChannel(id('group'));
    expect(await notifier.testChannel(id('group'))).toEqual({
      delivered: false,
      error: expect.stringContaining('60 s'),
    });
    expect(robot.received).toHaveLength(20);
  });

  test('[NO-34] HTTP 410 switches a webhook off', async () => {
    robot.answer({ status: 410 });
    await channel('hook', 'webhook', robot);
    const notifier = start();
    notifier.notify(messageFor(id('a'), 'red'));
    await eventually(states, (all) => all.includes(`${id('hook')} failed`));
    expect(await directory.findChannel(id('hook'))).toMatchObject({ enabled: false });
  });

  test('[NO-40] who is on call is known in order and follows a change at once', async () => {
    const [amy, bo] = [await person('amy'), await person('bo')];
    const notifier = start();
    await directory.putOnCall(id('live'), [bo.personId, amy.personId]);
    expect((await notifier.onCall(id('live'))).map(({ name }) => name)).toEqual(['bo', 'amy']);
    await directory.putOnCall(id('live'), [amy.personId]);
    expect((await notifier.onCall(id('live'))).map(({ name }) => name)).toEqual(['amy']);
    expect(await notifier.onCall('another')).toEqual([]);
    await Promise.all([1, 2, 3, 4].map(() => directory.putOnCall(id('live'), [amy.personId, bo.personId])));
    expect(await notifier.onCall(id('live'))).toHaveLength(2);
  });
});

const lineOf = () => ({
  alertId: '',
  livestreamId: 'live-1',
  skuId: 'tea',
  tier: 'red',
  basis: 'sold_out',
  itemTitle: { zh: '龙井', en: 'Tea' },
  livestreamTitle: { zh: '直播', en: 'Show' },
  facts: {},
  reasons: [],
  raisedAtMs: nowMs,
});
