import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGuardedRequest } from '../guarded-request.ts';
import { lineFor, never, noticeFor, nowMs, type Provider, startProvider } from '../notify-test-kit.ts';
import { createDingtalk, dingtalkBody, signDingtalk } from './dingtalk.ts';
import { createFeishu, feishuBody, signFeishu } from './feishu.ts';
import type { Sender } from './sender.ts';
import { createWecom, wecomBody } from './wecom.ts';

const request = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
const clock = { now: () => nowMs };
const one = noticeFor([lineFor('a1')]);
const digest = noticeFor([lineFor('a1'), lineFor('a2', 'orange')], { more: 3 });

let provider: Provider;
beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.stop());
beforeEach(() => provider.received.splice(0));

const send = (sender: Sender, settings: Record<string, string>, notice = one) =>
  sender(notice, { settings, recipient: '' }, never);
const lastJson = () => JSON.parse(provider.received.at(-1)?.body ?? 'null');

describe('DingTalk', () => {
  const dingtalk = createDingtalk({ request, clock });
  const settings = () => ({ url: `${provider.url}/robot/send?access_token=t0k`, secret: 'SECtestsecret' });

  test('[NO-1] the signature is the documented one: secret as key, milliseconds, URL-encoded', () => {
    expect(signDingtalk('SECtestsecret', 1_700_000_000_000)).toBe('7LVwF0dAF3%2F%2BMRRulbpE4y72Ogzykc6bS2nG4I99T4s%3D');
  });

  test('[NO-1] one alert is a card with an acknowledge button, signed in the query', async () => {
    provider.answer({ body: '{"errcode":0,"errmsg":"ok"}' });
    expect(await send(dingtalk, settings())).toEqual({ kind: 'sent' });
    const [got] = provider.received;
    expect(got?.method).toBe('POST');
    expect(got?.path).toBe(
      '/robot/send?access_token=t0k&timestamp=1700000000000&sign=7LVwF0dAF3%2F%2BMRRulbpE4y72Ogzykc6bS2nG4I99T4s%3D',
    );
    expect(got?.headers['content-type']).toBe('application/json; charset=utf-8');
    const { msgtype, actionCard } = lastJson();
    expect(msgtype).toBe('actionCard');
    expect(actionCard.title).toBe('🔴■ 红色告警 RED · 龙井');
    expect(actionCard.text).toContain('已消耗 600 / 预估 500 (120%)');
    expect(actionCard.text).toContain('600 of 500 consumed (120%)');
    expect(actionCard.text).toContain('超过预估的 120%');
    expect(actionCard.btnOrientation).toBe('0');
    expect(actionCard.btns).toEqual([
      { title: '确认 Acknowledge', actionURL: one.acknowledgeUrl },
      { title: '打开控制台 Console', actionURL: one.consoleUrl },
    ]);
  });

  test('[NO-1] red mentions people by Markdown, the numbers in text and in `at`; other tiers mention nobody', () => {
    const mention = { atMobiles: '13800138000, 13900139000' };
    const body = dingtalkBody(one, mention);
    expect(body).toMatchObject({
      msgtype: 'markdown',
      at: { atMobiles: ['13800138000', '13900139000'], isAtAll: false },
    });
    expect(JSON.stringify(body)).toContain('@13800138000 @13900139000');
    expect(JSON.stringify(body)).toContain(`[确认 Acknowledge](${one.acknowledgeUrl})`);
    expect(dingtalkBody(noticeFor([lineFor('a', 'orange')]), mention).msgtype).toBe('actionCard');
  });

  test('[NO-1] without anything to acknowledge there is one button; the keyword of the robot is in the text', () => {
    const body = dingtalkBody(noticeFor([lineFor('a1')], { acknowledgeUrl: null }), { keyword: '库存' });
    expect(body).toMatchObject({ actionCard: { singleTitle: '打开控制台 Console', singleURL: one.consoleUrl } });
    expect(JSON.stringify(body)).toContain('库存');
  });

  test.each([
    [
      '{"errcode":310000,"errmsg":"sign not match"}',
      { kind: 'refused', reason: expect.stringContaining('security settings') },
    ],
    ['{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}', { kind: 'throttled', forMs: 600_000 }],
    ['{"errcode":90030,"errmsg":"webhook over limit"}', { kind: 'throttled' }],
    [
      '{"errcode":300001,"errmsg":"token is not exist"}',
      { kind: 'refused', reason: 'DingTalk 300001: token is not exist' },
    ],
    ['{"errcode":460101,"errmsg":"body too large"}', { kind: 'refused' }],
    ['{"errcode":-1,"errmsg":"系统繁忙"}', { kind: 'retry' }],
    ['<html>gateway</html>', { kind: 'retry' }],
  ])('[NO-4] %s', async (body, outcome) => {
    provider.answer({ body });
    expect(await send(dingtalk, settings())).toMatchObject(outcome);
  });
});

describe('Feishu', () => {
  const feishu = createFeishu({ request, clock });
  const settings = () => ({ url: `${provider.url}/open-apis/bot/v2/hook/x`, secret: 'testsecret' });

  test('[NO-2] the signature is the documented one: key and message the other way round, seconds', () => {
    expect(signFeishu('testsecret', 1_700_000_000)).toBe('AOc8oJ7//5OlQlfWC3nRL0R+IkuzcD1FKcAyibRK9Q8=');
  });

  test('[NO-2] a card with coloured head and buttons, signed in the body', async () => {
    provider.answer({ body: '{"code":0,"msg":"success","data":{}}' });
    expect(await send(feishu, settings())).toEqual({ kind: 'sent' });
    expect(provider.received[0]?.path).toBe('/open-apis/bot/v2/hook/x');
    const body = lastJson();
    expect(body).toMatchObject({
      timestamp: '1700000000',
      sign: 'AOc8oJ7//5OlQlfWC3nRL0R+IkuzcD1FKcAyibRK9Q8=',
      msg_type: 'interactive',
      card: { header: { template: 'red', title: { tag: 'plain_text', content: '🔴■ 红色告警 RED · 龙井' } } },
    });
    const [text, action] = body.card.elements;
    expect(text.text.content).toContain('已消耗 600 / 预估 500 (120%)');
    expect(action.actions.map((each: { url: string }) => each.url)).toEqual([one.acknowledgeUrl, one.consoleUrl]);
    expect(action.actions[0]).toMatchObject({ tag: 'button', type: 'primary' });
  });

  test('[NO-2] without a secret nothing is signed', async () => {
    provider.answer({ body: '{"StatusCode":0,"StatusMessage":"success"}' });
    expect(await send(feishu, { url: settings().url })).toEqual({ kind: 'sent' });
    expect(Object.keys(lastJson())).toEqual(['msg_type', 'card']);
    expect(JSON.stringify(feishuBody(one, { atAll: 'true' }))).toContain('<at id=all></at>');
  });

  test.each([
    [
      200,
      '{"code":19021,"msg":"sign match fail"}',
      { kind: 'refused', reason: expect.stringContaining('signing secret') },
    ],
    [200, '{"code":19022,"msg":"Ip Not Allowed"}', { kind: 'refused' }],
    [
      200,
      '{"code":19024,"msg":"Key Words Not Found"}',
      { kind: 'refused', reason: expect.stringContaining('keyword') },
    ],
    [400, '{"code":9499,"msg":"Bad Request"}', { kind: 'refused' }],
    [200, '{"code":9499,"msg":"too many request"}', { kind: 'throttled' }],
    [200, '{"code":11232,"msg":"frequency limited"}', { kind: 'throttled', forMs: 17_000 }],
    [200, '{"code":2200,"msg":"internal"}', { kind: 'retry' }],
    [502, 'bad gateway', { kind: 'retry', reason: 'HTTP 502' }],
    [200, '', { kind: 'retry' }],
  ])('[NO-4] HTTP %i %s', async (status, body, outcome) => {
    provider.answer({ status, body });
    expect(await send(feishu, settings())).toMatchObject(outcome);
  });
});

describe('WeCom', () => {
  const wecom = createWecom({ request });
  const settings = () => ({ url: `${provider.url}/cgi-bin/webhook/send?key=k` });

  test('[NO-3] one alert is a card with links to press', async () => {
    provider.answer({ body: '{"errcode":0,"errmsg":"ok"}' });
    expect(await send(wecom, settings())).toEqual({ kind: 'sent' });
    expect(provider.received[0]?.path).toBe('/cgi-bin/webhook/send?key=k');
    const { msgtype, template_card: card } = lastJson();
    expect([msgtype, card.card_type]).toEqual(['template_card', 'text_notice']);
    expect(card.jump_list).toEqual([
      { type: 1, title: '确认 Acknowledge', url: one.acknowledgeUrl },
      { type: 1, title: '打开控制台 Console', url: one.consoleUrl },
    ]);
    expect(card.card_action).toEqual({ type: 1, url: one.consoleUrl });
    expect(card.horizontal_content_list.length).toBeLessThanOrEqual(6);
    expect(card.main_title.desc).toContain('600');
  });

  test('[NO-3] a digest is Markdown within 4,096 bytes, a mention is text within 2,048, and the links come whole', () => {
    const long = { zh: '很长的名字'.repeat(30), en: 'long '.repeat(30) };
    const lines = Array.from({ length: 10 }, (_, index) => lineFor(`a${index}`, 'red', { itemTitle: long }));
    const many = noticeFor(lines, { more: 90 });
    const markdown = wecomBody(many, {});
    expect(markdown.msgtype).toBe('markdown');
    const content = 'markdown' in markdown ? markdown.markdown.content : '';
    expect(Buffer.byteLength(content)).toBeLessThanOrEqual(4_096);
    expect(content).toContain(`[确认 Acknowledge](${one.acknowledgeUrl})`);
    const text = wecomBody(many, { mentionMobiles: '13800138000' });
    expect(text).toMatchObject({ msgtype: 'text', text: { mentioned_mobile_list: ['13800138000'] } });
    const words = 'text' in text ? text.text.content : '';
    expect(Buffer.byteLength(words)).toBeLessThanOrEqual(2_048);
    expect(words).toContain(one.acknowledgeUrl);
  });

  test.each([
    ['{"errcode":45009,"errmsg":"api freq out of limit"}', { kind: 'throttled', forMs: 60_000 }],
    ['{"errcode":93000,"errmsg":"invalid webhook url"}', { kind: 'refused', reason: expect.stringContaining('key') }],
    ['{"errcode":45033,"errmsg":"concurrent"}', { kind: 'retry' }],
    ['{"errcode":-1,"errmsg":"system busy"}', { kind: 'retry' }],
    ['{"errcode":40058,"errmsg":"invalid parameter"}', { kind: 'refused' }],
  ])('[NO-4] %s', async (body, outcome) => {
    provider.answer({ body });
    expect(await send(wecom, settings())).toMatchObject(outcome);
  });
});

test('[NO-5] a digest lists each alert by shape and word and counts what it does not list', () => {
  const text = JSON.stringify(dingtalkBody(digest, {}));
  expect(text).toContain('🔴■ 红色');
  expect(text).toContain('🟠◆ 橙色');
  expect(text).toContain('5 条告警');
  expect(text).toContain('另有 3 条');
});

test('[NO-6] a name cannot mention, link or format anything', () => {
  const evil = '<@all> [x](http://evil.example) **b** <at id=all></at> `c` @13800138000\n# head';
  const notice = noticeFor([lineFor('a1', 'red', { itemTitle: { zh: evil, en: evil } })]);
  for (const body of [dingtalkBody(notice, {}), feishuBody(notice, {}), wecomBody(notice, {}), wecomBody(digest, {})]) {
    const text = JSON.stringify(body);
    for (const part of ['<@', '<at', '](http://evil', '**b', '@138', '\\n# head']) expect(text).not.toContain(part);
  }
});

test.each([
  [429, {}, { kind: 'throttled', forMs: 60_000 }],
  [429, { 'retry-after': '7' }, { kind: 'throttled', forMs: 7_000 }],
  [503, { 'retry-after': '999999' }, { kind: 'throttled', forMs: 3_600_000 }],
  [503, {}, { kind: 'retry' }],
  [500, {}, { kind: 'retry' }],
  [404, {}, { kind: 'refused' }],
  [301, { location: 'https://elsewhere.example/' }, { kind: 'refused', reason: expect.stringContaining('redirects') }],
])('[NO-4] HTTP %i %o of a robot', async (status, headers, outcome) => {
  provider.answer({ status, headers: { ...headers } });
  const dingtalk = createDingtalk({ request, clock });
  expect(await send(dingtalk, { url: `${provider.url}/robot/send?access_token=t` })).toMatchObject(outcome);
});
