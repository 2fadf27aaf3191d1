import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Role } from '../../contract/access.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { heldLease } from '../../tests/services/held-lease.ts';
import { deriveKey } from '../auth/keys.ts';
import { parseConfig } from '../config/config.ts';
import { openTestShop } from '../livestreams/test-shop.ts';
import { createAcknowledgeTokens } from '../notify/acknowledge-token.ts';
import { createSettingsCheck } from '../notify/channel-settings.ts';
import { createNotifier, type RunningNotifier } from '../notify/create-notifier.ts';
import { createGuardedRequest } from '../notify/guarded-request.ts';
import { type Provider, silentLog, startProvider, testSeal } from '../notify/notify-test-kit.ts';
import { createPeopleDirectory } from '../notify/people-directory.ts';
import { createSenders } from '../notify/senders.ts';
import { createUsedLinks } from '../notify/used-links.ts';
import { resolveVapidKeys, type VapidKeys } from '../notify/vapid-keys.ts';
import { bodyOf, codeOf, send, sendJson, startTestServer, type TestServer, testSecret } from './http-test-kit.ts';
import { peopleHandlers } from './people-routes.ts';

const whsec = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

describeWithDatabases('people and channels over HTTP', ({ database }) => {
  const clock = { now: () => Date.now() };
  let server: TestServer;
  let notifier: RunningNotifier;
  let shop: ReturnType<typeof openTestShop>;
  let robot: Provider;
  let vapid: VapidKeys;

  beforeAll(async () => {
    const { prisma } = database();
    shop = openTestShop(database());
    robot = await startProvider({ body: '{"errcode":0}' });
    const privateHosts = ['127.0.0.1'];
    const request = createGuardedRequest({ privateHosts });
    const directory = createPeopleDirectory({ prisma, clock, seal: testSeal, onUnreadable: () => {} });
    vapid = await resolveVapidKeys(parseConfig({ DATA_DIR: newFolder() }));
    const tokens = createAcknowledgeTokens({ key: deriveKey(testSecret, 'acknowledge-link'), clock });
    notifier = createNotifier({
      prisma,
      directory,
      senders: createSenders({ request, clock, aliyun: null, vapid, subscriptions: directory }),
      tokens,
      baseUrl: () => 'https://live.example',
      clock,
      log: silentLog,
      pause: (_ms, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
      chance: () => 0.5,
      lease: heldLease(),
    });
    const handlers = peopleHandlers({
      directory,
      notifier,
      checkSettings: createSettingsCheck({ request, privateHosts }),
      vapidPublicKey: vapid.publicKey,
      hasLivestream: async (livestreamId) => (await shop.catalogue.info(livestreamId)) !== null,
    });
    server = await startTestServer({ handlers });
  });
  afterAll(async () => {
    await notifier.stop();
    await Promise.all([server.stop(), robot.stop()]);
  });

  const api = (path: string) => `${server.url}/api/v1${path}`;
  const as = async (role: Role, livestreamId: string | null = null) => ({
    authorization: `Bearer ${await server.issue({ role, livestreamId })}`,
  });
  const post = async (path: string, body: unknown, role: Role = 'admin') => sendJson(api(path), body, await as(role));
  const put = async (path: string, body: unknown, headers: Record<string, string>) =>
    send(api(path), {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const dingtalk = (more: Record<string, string> = {}) => ({
    channelId: 'group',
    kind: 'dingtalk',
    name: '运营群',
    minTier: 'orange',
    settings: { url: `${robot.url}/robot/send?access_token=0123456789abcdef`, secret: 'SEC0123456789abcdef', ...more },
  });

  test('[NO-60] secrets are written and never come back; a masked one that is saved again stays', async () => {
    const made = await post('/notification-channels', dingtalk());
    expect(made.status).toBe(200);
    const listed = await send(api('/notification-channels'), { headers: await as('admin') });
    for (const answer of [made, listed]) {
      expect(answer.text).not.toContain('0123456789abcdef');
      expect(answer.text).not.toContain('access_token');
    }
    const { settings } = bodyOf(made).channel;
    expect(settings).toEqual({ url: '••••••••cdef', secret: '••••••••cdef' });
    const again = await post('/notification-channels', {
      ...dingtalk(),
      name: '新名字',
      settings: { ...settings, keyword: '库存' },
    });
    expect(bodyOf(again).channel).toMatchObject({ name: '新名字', settings: { keyword: '库存' } });
    const row = await database().prisma.notificationChannel.findUniqueOrThrow({ where: { id: 'group' } });
    const stored = row.settings as Record<string, string>;
    expect(JSON.stringify(stored)).not.toContain('0123456789abcdef');
    expect(testSeal.open('notification-channel/group/secret', stored['secret'] ?? '')?.secret).toBe(
      'SEC0123456789abcdef',
    );
    expect(testSeal.open('notification-channel/group/url', stored['url'] ?? '')?.secret).toContain('0123456789abcdef');
    const changed = await post('/notification-channels', {
      ...dingtalk(),
      settings: { ...settings, secret: 'SECanother0123456789' },
    });
    expect(bodyOf(changed).channel.settings.secret).toBe('••••••••6789');
  });

  test.each([
    ['dingtalk', {}, 'settings.url', 'is needed'],
    ['dingtalk', { url: 'https://oapi.dingtalk.com/robot/send' }, 'settings.url', 'access_token'],
    ['dingtalk', { url: 'https://evil.example/robot/send?access_token=x' }, 'settings.url', 'oapi.dingtalk.com'],
    ['dingtalk', { url: 'http://oapi.dingtalk.com/robot/send?access_token=x' }, 'settings.url', 'https'],
    ['feishu', { url: 'https://open.feishu.cn/elsewhere' }, 'settings.url', '/open-apis/bot/v2/hook/'],
    ['wecom', { url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send' }, 'settings.url', 'key'],
    ['webhook', { url: 'https://10.0.0.8/hook', secret: whsec }, 'settings.url', 'not a public address'],
    ['webhook', { url: 'https://hooks.shop.example/', secret: 'short' }, 'settings.secret', 'whsec_'],
    ['email', { host: 'smtp.shop.example', from: 'not an address' }, 'settings.from', 'sender'],
    ['email', { host: 'smtp.shop.example', from: 'a@b.example', to: 'x,y' }, 'settings.to', 'mail addresses'],
    ['sms', { template: 'SMS_1' }, 'settings.signName', 'is needed'],
    ['voice', { template: 'TTS_1', phone: 'call me' }, 'settings.phone', 'phone number'],
    ['web_push', { url: 'x' }, 'settings', 'Unrecognized'],
  ])('[NO-61] settings of %s %o are refused with the field and the reason', async (kind, settings, path, reason) => {
    const answer = await post('/notification-channels', { channelId: 'wrong', kind, name: 'x', settings });
    expect(codeOf(answer)).toBe('bad_request');
    const issues: { path: string; message: string }[] = bodyOf(answer).error.issues;
    expect(
      issues.some((issue) => issue.path === path && issue.message.includes(reason)),
      answer.text,
    ).toBe(true);
  });

  test('[NO-61] a channel keeps its kind', async () => {
    await post('/notification-channels', { ...dingtalk(), channelId: 'kept' });
    const answer = await post('/notification-channels', {
      channelId: 'kept',
      kind: 'web_push',
      name: 'x',
      settings: {},
    });
    expect(codeOf(answer)).toBe('bad_request');
  });

  test('[NO-62] the test button sends, and the log shows it', async () => {
    await post('/notification-channels', { ...dingtalk(), channelId: 'tested' });
    const before = robot.received.length;
    const tested = await post('/notification-channels/tested/test', {});
    expect(bodyOf(tested)).toEqual({ delivered: true, error: null });
    expect(robot.received).toHaveLength(before + 1);
    const log = await send(api('/notification-channels/tested/deliveries'), { headers: await as('admin') });
    expect(bodyOf(log).deliveries).toMatchObject([{ channelId: 'tested', state: 'sent', attempts: 1 }]);
    expect(codeOf(await post('/notification-channels/nowhere/test', {}))).toBe('route_not_found');
  });

  test('[NO-63] people, the order on call and suppliers are kept, and what does not exist is named', async () => {
    await post('/notification-channels', { ...dingtalk(), channelId: 'people' });
    const amy = { personId: 'amy', name: '小艾', phone: '13800138000', email: null, channelIds: ['people'] };
    expect(bodyOf(await post('/people', amy)).person).toEqual(amy);
    const bo = { personId: 'bo', name: 'Bo' };
    expect(bodyOf(await post('/people', bo)).person).toEqual({ ...bo, phone: null, email: null, channelIds: [] });
    const wrong = await post('/people', { ...amy, channelIds: ['nowhere'] });
    expect([codeOf(wrong), bodyOf(wrong).error.message.en]).toEqual(['not_found', expect.stringContaining('nowhere')]);
    expect(bodyOf(await send(api('/people'), { headers: await as('admin') })).people).toHaveLength(2);

    const skuId = await shop.sku('call-tea', 10);
    const livestreamId = await shop.livestream('call');
    await shop.add(livestreamId, skuId, 5);
    const supplier = { supplierId: 's1', name: '茶厂', contact: '13900139000', productIds: [shop.idOf('product')] };
    expect(bodyOf(await post('/suppliers', supplier)).supplier).toEqual(supplier);
    expect(codeOf(await post('/suppliers', { ...supplier, productIds: ['nothing'] }))).toBe('not_found');

    const operator = await as('operator', livestreamId);
    const onCall = `/livestreams/${livestreamId}/on-call`;
    const set = await put(onCall, { personIds: ['bo', 'amy'] }, operator);
    expect(bodyOf(set).people.map((each: { name: string }) => each.name)).toEqual(['Bo', '小艾']);
    expect(bodyOf(await send(api(onCall), { headers: operator }))).toMatchObject({
      people: [{ personId: 'bo' }, { personId: 'amy' }],
      suppliers: [supplier],
    });
    expect(codeOf(await put(onCall, { personIds: ['nobody'] }, operator))).toBe('not_found');
    expect(codeOf(await put('/livestreams/nowhere/on-call', { personIds: [] }, await as('admin')))).toBe(
      'route_not_found',
    );
    expect(codeOf(await send(api('/people'), { headers: operator }))).toBe('forbidden');
    expect(codeOf(await send(api(onCall), { headers: await as('operator', 'another') }))).toBe('forbidden');
  });

  test('[NO-64] a browser registers for its livestream, once, and finds the public key', async () => {
    const livestreamId = await shop.livestream('push');
    const key = await send(api('/push/key'));
    expect(bodyOf(key).publicKey).toBe(vapid.publicKey);
    const operator = await as('operator', livestreamId);
    const subscription = (name: string) => ({
      endpoint: `https://push.example/${name}`,
      keys: { p256dh: 'BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA', auth: 'tBHItJI5svbpez7KI4CCXg' },
    });
    const path = api(`/livestreams/${livestreamId}/push`);
    const first = await sendJson(path, subscription('1'), operator);
    expect([first.status, bodyOf(first).subscriptions]).toEqual([201, 1]);
    expect(bodyOf(await sendJson(path, subscription('1'), operator)).subscriptions).toBe(1);
    expect(bodyOf(await sendJson(path, subscription('2'), operator)).subscriptions).toBe(2);
    const channels = bodyOf(await send(api('/notification-channels'), { headers: await as('admin') })).channels;
    expect(channels.find((each: { kind: string }) => each.kind === 'web_push')).toMatchObject({
      channelId: 'web-push',
      enabled: true,
    });
  });

  test('[NO-50] of two nodes that use a link at the same time, one does', async () => {
    const links = createUsedLinks({ prisma: database().prisma, clock });
    const until = Date.now() + 60_000;
    const uses = await Promise.all([1, 2, 3, 4, 5, 6].map(() => links.use('link-1', until)));
    expect(uses.filter(Boolean)).toHaveLength(1);
    expect(await links.isUsed('link-1')).toBe(true);
    await links.giveBack('link-1');
    expect(await links.use('link-1', until)).toBe(true);
  });
});

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), 'stockcast-vapid-')), 'data');

test('[NO-65] keys of Web Push are made once, for their owner only; configured ones win; a damaged file is refused', async () => {
  const dataDir = newFolder();
  const config = parseConfig({ DATA_DIR: dataDir });
  const all = await Promise.all([1, 2, 3, 4].map(() => resolveVapidKeys(config)));
  expect(new Set(all.map(({ privateKey }) => privateKey)).size).toBe(1);
  expect(statSync(join(dataDir, 'vapid.json')).mode & 0o777).toBe(0o600);
  const [first] = all;
  const set = parseConfig({
    DATA_DIR: newFolder(),
    VAPID_PUBLIC_KEY: first?.publicKey,
    VAPID_PRIVATE_KEY: first?.privateKey,
    VAPID_SUBJECT: 'mailto:ops@shop.example',
  });
  expect(await resolveVapidKeys(set)).toEqual({ ...first, subject: 'mailto:ops@shop.example' });
  writeFileSync(join(dataDir, 'vapid.json'), '{}');
  await expect(resolveVapidKeys(config)).rejects.toThrow('damaged');
});

test('[NO-65] half a pair of settings is refused', () => {
  expect(() => parseConfig({ ALIYUN_ACCESS_KEY_ID: 'x' })).toThrow('ALIYUN_ACCESS_KEY_SECRET: needed beside');
  expect(() => parseConfig({ VAPID_PRIVATE_KEY: 'x'.repeat(43) })).toThrow('VAPID_PUBLIC_KEY: needed beside');
  expect(parseConfig({ NOTIFY_ALLOW_PRIVATE_HOSTS: ' Hooks.corp.example , 10.0.0.8' }).notifyPrivateHosts).toEqual([
    'hooks.corp.example',
    '10.0.0.8',
  ]);
});
