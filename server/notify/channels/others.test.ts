import { createDecipheriv, createECDH, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { importJWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import webPush from 'web-push';
import { signWebhook, verifyWebhook } from '../../lib/standard-webhooks.ts';
import { createGuardedRequest } from '../guarded-request.ts';
import { lineFor, never, noticeFor, nowMs, type Provider, startMailServer, startProvider } from '../notify-test-kit.ts';
import { createAliyunPhone, signAliyun } from './aliyun.ts';
import { createEmail } from './email.ts';
import { createSms, createVoice } from './phone.ts';
import { createWebPush, type Subscription, topicOf } from './web-push.ts';
import { createWebhook } from './webhook.ts';

const request = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
const clock = { now: () => nowMs };
const one = noticeFor([lineFor('a1')]);

let provider: Provider;
beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.stop());
beforeEach(() => {
  provider.received.splice(0);
  provider.answer({});
});

describe('webhook', () => {
  const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
  const older = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const webhook = createWebhook({ request, clock });
  const send = (settings: Record<string, string>) => webhook(one, { settings, recipient: '' }, never);

  test('[NO-7] the signature is the one of Standard Webhooks', () => {
    const body =
      '{"type":"inventory.stock.changed","timestamp":"2023-11-14T22:13:20Z","data":{"sku":"SKU-1","available":3}}';
    const headers = signWebhook(secret, { id: 'msg_test', timestampSeconds: 1_700_000_000, body });
    expect(headers['webhook-signature']).toBe('v1,vD5s1XVhBSGdaR/nm5fbg+B1sFQxqaHtd8+8AKMTZmQ=');
  });

  test('[NO-7] a message verifies with either secret while it is changed, and carries everything', async () => {
    expect(await send({ url: `${provider.url}/hook`, secret: `${secret} ${older}` })).toEqual({ kind: 'sent' });
    const [got] = provider.received;
    const { headers = {}, bytes = Buffer.alloc(0) } = got ?? {};
    for (const each of [secret, older]) {
      expect(verifyWebhook(each, headers, bytes, nowMs)).toEqual({ kind: 'valid', id: 'msg_notice-1' });
    }
    expect(verifyWebhook(`whsec_${Buffer.alloc(24, 9).toString('base64')}`, headers, bytes, nowMs).kind).toBe(
      'invalid',
    );
    expect(JSON.parse(got?.body ?? '')).toEqual({
      type: 'alert.notified',
      timestamp: '2023-11-14T22:13:20.000Z',
      data: { tier: 'red', alerts: one.lines, more: 0, consoleUrl: one.consoleUrl, acknowledgeUrl: one.acknowledgeUrl },
    });
  });

  test.each([
    [204, {}, { kind: 'sent' }],
    [410, {}, { kind: 'refused', reason: expect.stringContaining('410') }],
    [429, { 'retry-after': '3' }, { kind: 'throttled', forMs: 3_000 }],
    [500, {}, { kind: 'retry' }],
    [307, { location: 'http://169.254.169.254/' }, { kind: 'refused' }],
    [400, {}, { kind: 'refused' }],
  ])('[NO-4] HTTP %i %o of a webhook', async (status, headers, outcome) => {
    provider.answer({ status, headers: { ...headers } });
    expect(await send({ url: provider.url, secret })).toMatchObject(outcome);
  });

  test('[NO-20] an address inside is not called, whatever was saved', async () => {
    const strict = createWebhook({ request: createGuardedRequest({ privateHosts: [] }), clock });
    const url = provider.url.replace('http:', 'https:');
    expect(await strict(one, { settings: { url, secret }, recipient: '' }, never)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('may not be called'),
    });
    expect(provider.received).toEqual([]);
  });
});

describe('mail', () => {
  const email = createEmail({ request });
  const settingsOf = (port: string) => ({ host: '127.0.0.1', port, from: 'Alerts <alerts@shop.example>' });

  test('[NO-8] a mail has text and HTML, both links, a stable id, and says that a machine wrote it', async () => {
    const server = await startMailServer();
    const target = { settings: settingsOf(server.port), recipient: 'amy@shop.example' };
    expect(await email(one, target, never)).toEqual({ kind: 'sent' });
    const mail = (server.mails[0] ?? '').replace(/=\r\n/g, '');
    expect(mail).toContain('To: amy@shop.example');
    expect(mail).toContain('From: Alerts <alerts@shop.example>');
    expect(mail).toContain('Message-ID: <notice-1@shop.example>');
    expect(mail).toContain('References: <alert-a1@shop.example>');
    expect(mail).toContain('Auto-Submitted: auto-generated');
    expect(mail).toMatch(/X-Priority: 1/);
    expect(mail).toContain('multipart/alternative');
    const texts = [...mail.matchAll(/base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)/g)].map(([, part = '']) =>
      Buffer.from(part, 'base64').toString('utf8'),
    );
    const all = `${mail}${texts.join('\n')}`;
    expect(all).toContain('https://live.example/ack?token');
    await server.stop();
  });

  test.each([
    [{ RCPT: '550 no such user' }, { kind: 'refused', reason: expect.stringContaining('550') }],
    [{ '.': '451 try again' }, { kind: 'retry' }],
    [{ MAIL: '450 busy' }, { kind: 'throttled', forMs: 60_000 }],
    [{ '.': '554 spam' }, { kind: 'refused' }],
  ])('[NO-4] a mail server that says %o', async (replies, outcome) => {
    const server = await startMailServer({ ...replies });
    const target = { settings: settingsOf(server.port), recipient: 'amy@shop.example' };
    expect(await email(one, target, never)).toMatchObject(outcome);
    await server.stop();
    expect(server.mails).toEqual([]);
  });

  test('[NO-8] a password is not sent without encryption, and a server that is away is tried again', async () => {
    const server = await startMailServer({ STAR: '502 not here' });
    const settings = { ...settingsOf(server.port), user: 'amy', password: 'secret' };
    expect(await email(one, { settings, recipient: 'amy@shop.example' }, never)).toMatchObject({ kind: 'refused' });
    await server.stop();
    expect(await email(one, { settings, recipient: 'amy@shop.example' }, never)).toMatchObject({ kind: 'retry' });
    expect(await email(one, { settings, recipient: '' }, never)).toMatchObject({ kind: 'refused' });
  });

  test('[NO-20] a mail server inside is not called', async () => {
    const strict = createEmail({
      request: createGuardedRequest({ privateHosts: [], resolveAll: async () => [{ address: '10.0.0.1', family: 4 }] }),
    });
    const settings = { host: 'smtp.attacker.example', from: 'a@b.example' };
    expect(await strict(one, { settings, recipient: 'amy@shop.example' }, never)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('not a public address'),
    });
  });
});

describe('phones', () => {
  const keys = { accessKeyId: 'testid', accessKeySecret: 'testsecret' };
  const phone = () =>
    createAliyunPhone({ keys, request, clock, endpoints: { sms: provider.url, voice: provider.url } });
  const smsTarget = { settings: { signName: '直播云', template: 'SMS_1' }, recipient: '13800138000' };
  const voiceTarget = { settings: { template: 'TTS_1' }, recipient: '13800138000' };

  /** What Aliyun does with a request: computes the signature again from what arrived. */
  function signatureOf(path: string, headers: Readonly<Record<string, unknown>>): string {
    const hash = (text: string) => createHash('sha256').update(text).digest('hex');
    const [, names = ''] = /SignedHeaders=([^,]+),/.exec(String(headers['authorization'])) ?? [];
    const canonical = names.split(';').map((name) => `${name}:${String(headers[name])}\n`);
    const text = ['POST', '/', path.slice(2), canonical.join(''), names, hash('')].join('\n');
    return createHmac('sha256', keys.accessKeySecret)
      .update(`ACS3-HMAC-SHA256\n${hash(text)}`)
      .digest('hex');
  }

  test('[NO-9] the signature is that of the documented example', () => {
    const { headers } = signAliyun(
      { accessKeyId: 'YourAccessKeyId', accessKeySecret: 'YourAccessKeySecret' },
      {
        host: 'ecs.cn-shanghai.aliyuncs.com',
        action: 'RunInstances',
        version: '2014-05-26',
        query: { RegionId: 'cn-shanghai', ImageId: 'win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd' },
        date: '2023-10-26T10:22:32Z',
        nonce: '3156853299f313e23d1673dc12e1703d',
      },
    );
    expect(headers['authorization']).toBe(
      'ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;' +
        'x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0',
    );
  });

  test('[NO-9] a text message is one correctly signed SendSms, its values in the template and without a link', async () => {
    provider.answer({ body: '{"Code":"OK","Message":"OK","RequestId":"r","BizId":"b"}' });
    expect(await createSms(phone())(one, smsTarget, never)).toEqual({ kind: 'sent' });
    expect(provider.received).toHaveLength(1);
    const [got] = provider.received;
    const { path = '', headers = {} } = got ?? {};
    expect(headers).toMatchObject({
      'x-acs-action': 'SendSms',
      'x-acs-version': '2017-05-25',
      'x-acs-date': '2023-11-14T22:13:20Z',
    });
    expect(String(headers['authorization'])).toContain(`Credential=testid,`);
    expect(String(headers['authorization'])).toContain(`Signature=${signatureOf(path, headers)}`);
    const query = new URL(path, provider.url).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      PhoneNumbers: '13800138000',
      SignName: '直播云',
      TemplateCode: 'SMS_1',
    });
    const values = JSON.parse(query.get('TemplateParam') ?? '');
    expect(values).toEqual({
      level: '红色',
      item: '龙井',
      detail: '已消耗 600 / 预估 500 (120%)，可售 40 件',
      count: '1',
    });
    expect(JSON.stringify(values)).not.toContain('http');
  });

  test('[NO-9] a call is one signed SingleCallByTts with less than 250 characters', async () => {
    provider.answer({ body: '{"Code":"OK","Message":"OK","CallId":"c"}' });
    const long = noticeFor([lineFor('a1', 'red', { itemTitle: { zh: '名'.repeat(200), en: 'x' } })]);
    expect(await createVoice(phone())(long, voiceTarget, never)).toEqual({ kind: 'sent' });
    const { path = '', headers = {} } = provider.received[0] ?? {};
    expect(headers['x-acs-action']).toBe('SingleCallByTts');
    expect(String(headers['authorization'])).toContain(`Signature=${signatureOf(path, headers)}`);
    const query = new URL(path, provider.url).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({ CalledNumber: '13800138000', TtsCode: 'TTS_1', PlayTimes: '2' });
    expect((query.get('TtsParam') ?? '').length).toBeLessThan(250);
    expect(Buffer.byteLength(query.get('OutId') ?? '')).toBeLessThanOrEqual(15);
  });

  test.each([
    [
      200,
      '{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发分钟级流控Permits:1"}',
      { kind: 'throttled', forMs: 60_000 },
    ],
    [
      200,
      '{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发小时级流控Permits:5"}',
      { kind: 'throttled', forMs: 3_600_000 },
    ],
    [
      200,
      '{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发天级流控Permits:50"}',
      { kind: 'throttled', forMs: 21_600_000 },
    ],
    [200, '{"Code":"isv.MOBILE_NUMBER_ILLEGAL","Message":"号码格式错误"}', { kind: 'refused' }],
    [200, '{"Code":"isv.OUT_OF_SERVICE","Message":"业务停机"}', { kind: 'refused' }],
    [
      403,
      '{"Code":"Forbidden.RAM","Message":"no permission"}',
      { kind: 'refused', reason: 'Aliyun Forbidden.RAM: no permission' },
    ],
    [503, '{"Code":"ServiceUnavailable","Message":"busy"}', { kind: 'retry' }],
    [400, '{"Code":"Throttling.User","Message":"too fast"}', { kind: 'throttled' }],
    [200, '{"Code":"isp.SYSTEM_ERROR","Message":"x"}', { kind: 'retry' }],
    [502, '<html/>', { kind: 'retry' }],
  ])('[NO-4] HTTP %i %s', async (status, body, outcome) => {
    provider.answer({ status, body });
    expect(await createSms(phone())(one, smsTarget, never)).toMatchObject(outcome);
  });

  test('[NO-9] without a provider or a number it is said what is missing', async () => {
    expect(await createSms(null)(one, smsTarget, never)).toMatchObject({
      reason: expect.stringContaining('ALIYUN_ACCESS_KEY_ID'),
    });
    expect(await createVoice(phone())(one, { ...voiceTarget, recipient: '' }, never)).toMatchObject({
      kind: 'refused',
    });
    expect(provider.received).toEqual([]);
  });
});

describe('Web Push', () => {
  const vapid = { ...webPush.generateVAPIDKeys(), subject: 'https://live.example' };

  /** A browser: its keys, its subscription, and how it reads what a push service brings (RFC 8291, aes128gcm). */
  function createBrowser(path: string) {
    const ecdh = createECDH('prime256v1');
    const publicKey = ecdh.generateKeys();
    const auth = randomBytes(16);
    const subscription: Subscription = {
      endpoint: `${provider.url}${path}`,
      p256dh: publicKey.toString('base64url'),
      auth: auth.toString('base64url'),
    };
    const read = (body: Buffer): string => {
      const salt = body.subarray(0, 16);
      const keyLength = body.readUInt8(20);
      const serverKey = body.subarray(21, 21 + keyLength);
      const sealed = body.subarray(21 + keyLength);
      const info = Buffer.concat([Buffer.from('WebPush: info\0'), publicKey, serverKey]);
      const secret = Buffer.from(hkdfSync('sha256', ecdh.computeSecret(serverKey), auth, info, 32));
      const key = Buffer.from(hkdfSync('sha256', secret, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16));
      const nonce = Buffer.from(hkdfSync('sha256', secret, salt, Buffer.from('Content-Encoding: nonce\0'), 12));
      const decipher = createDecipheriv('aes-128-gcm', key, nonce).setAuthTag(sealed.subarray(-16));
      const plain = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
      return plain.subarray(0, plain.lastIndexOf(2)).toString('utf8');
    };
    return { subscription, read };
  }

  function register(...browsers: ReturnType<typeof createBrowser>[]) {
    const registered = new Map(browsers.map(({ subscription }) => [subscription.endpoint, subscription]));
    const subscriptions = {
      of: async () => [...registered.values()],
      remove: async (endpoint: string) => void registered.delete(endpoint),
    };
    return { registered, send: createWebPush({ request, subscriptions, vapid }) };
  }
  const target = { settings: {}, recipient: '' };

  test('[NO-10] only the browser can read the message; the push service gets TTL, urgency, topic and a signed origin', async () => {
    const browser = createBrowser('/push/1');
    provider.answer({ status: 201 });
    expect(await register(browser).send(one, target, never)).toEqual({ kind: 'sent' });
    const [got] = provider.received;
    expect(got?.body).not.toContain('龙井');
    const shown = JSON.parse(browser.read(got?.bytes ?? Buffer.alloc(0)));
    expect(shown).toMatchObject({
      title: '🔴■ 红色告警 RED · 龙井',
      tier: 'red',
      livestreamId: 'live-1',
      alertId: 'a1',
      url: one.consoleUrl,
      acknowledgeUrl: one.acknowledgeUrl,
    });
    expect(shown.body).toContain('已消耗 600');
    expect(got?.headers).toMatchObject({
      ttl: '1800',
      urgency: 'high',
      topic: topicOf(one),
      'content-encoding': 'aes128gcm',
    });
    expect(topicOf(one)).toMatch(/^[\w-]{1,32}$/);
    const [, token = '', key = ''] = /^vapid t=([^,]+), k=(.+)$/.exec(got?.headers.authorization ?? '') ?? [];
    expect(key).toBe(vapid.publicKey);
    const point = Buffer.from(key, 'base64url');
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
    const publicKey = await importJWK({ kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, 'ES256');
    const { payload } = await jwtVerify(token, publicKey, { audience: provider.url });
    expect(payload.sub).toBe('https://live.example');
  });

  test('[NO-10] urgency and time to live follow the tier; a message about the same alert has the same topic', async () => {
    const browser = createBrowser('/push/1');
    const { send } = register(browser);
    provider.answer({ status: 201 });
    await send(noticeFor([lineFor('a1', 'orange')], { noticeId: 'n2' }), target, never);
    await send(noticeFor([lineFor('a1', 'yellow')], { noticeId: 'n3' }), target, never);
    const seen = provider.received.map(({ headers }) => [headers['urgency'], headers['ttl'], headers['topic']]);
    expect(seen).toEqual([
      ['normal', '900', topicOf(one)],
      ['low', '600', topicOf(one)],
    ]);
    expect(topicOf(noticeFor([lineFor('a2')]))).not.toBe(topicOf(one));
  });

  test.each([404, 410])('[NO-10] HTTP %i: the subscription is forgotten, other browsers are told', async (status) => {
    const [gone, here] = [createBrowser('/push/gone'), createBrowser('/push/here')];
    const { registered, send } = register(gone, here);
    provider.answer({ status }, { status: 201 });
    const before = provider.received.length;
    expect((await send(one, target, never)).kind).toBe('sent');
    expect(provider.received.length - before).toBe(2);
    expect(registered.size).toBe(1);
    provider.answer({ status: 410 });
    expect(await send(noticeFor([lineFor('a1')], { noticeId: 'n2' }), target, never)).toMatchObject({
      kind: 'refused',
    });
    expect(registered.size).toBe(0);
    expect(await send(one, target, never)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('no browser'),
    });
  });

  test('[NO-10] a second attempt goes only to browsers that were not told; too large is given up', async () => {
    const browsers = [createBrowser('/push/1'), createBrowser('/push/2')];
    const { send } = register(...browsers);
    provider.answer({ status: 201 }, { status: 500 });
    expect(await send(one, target, never)).toMatchObject({ kind: 'retry' });
    provider.answer({ status: 201 });
    expect(await send(one, target, never)).toEqual({ kind: 'sent' });
    expect(provider.received).toHaveLength(3);
    provider.answer({ status: 413 });
    expect(await send(noticeFor([lineFor('a9')], { noticeId: 'n9' }), target, never)).toMatchObject({
      kind: 'refused',
    });
    provider.answer({ status: 429, headers: { 'retry-after': '5' } });
    expect(await send(noticeFor([lineFor('a9')], { noticeId: 'n8' }), target, never)).toMatchObject({ kind: 'retry' });
  });

  test('[NO-10] a long message stays within what push services take', async () => {
    const browser = createBrowser('/push/1');
    provider.answer({ status: 201 });
    const long = { zh: '很长的名字'.repeat(40), en: 'long '.repeat(40) };
    const lines = Array.from({ length: 10 }, (_, index) => lineFor(`a${index}`, 'red', { itemTitle: long }));
    const notice = noticeFor(lines, { acknowledgeUrl: `https://live.example/ack?token=${'x'.repeat(900)}` });
    expect(await register(browser).send(notice, target, never)).toEqual({ kind: 'sent' });
    expect(provider.received[0]?.bytes.length).toBeLessThan(4_096);
  });

  test('[NO-10] a subscription with keys that are none is forgotten', async () => {
    const broken = { subscription: { endpoint: `${provider.url}/x`, p256dh: 'AAAA', auth: 'AAAA' }, read: () => '' };
    const { registered, send } = register(broken);
    expect(await send(one, target, never)).toMatchObject({ kind: 'refused' });
    expect(registered.size).toBe(0);
  });
});
