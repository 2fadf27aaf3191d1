import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice, NoticeLine } from '../notice.ts';
import { refused, retry, type SendOutcome, sent, throttled } from '../outcome.ts';
import {
  clean,
  cutBytes,
  cutCharacters,
  linkTexts,
  numbersOf,
  paragraphs,
  plainText,
  tierWord,
  titleOf,
} from '../texts.ts';
import { listOf } from './dingtalk.ts';
import { codeOf, httpOutcome, jsonHeaders, type Sender } from './sender.ts';

/** Documented limits of the group robot, in bytes. */
const markdownBytesMax = 4_096;
const textBytesMax = 2_048;

export function createWecom(deps: { readonly request: GuardedRequest }): Sender {
  return async (notice, { settings }, signal) => {
    const body = JSON.stringify(wecomBody(notice, settings));
    const url = settings['url'] ?? '';
    const outcome = await deps.request.send(url, { method: 'POST', headers: jsonHeaders, body, signal });
    return httpOutcome(outcome) ?? (outcome.kind === 'answered' ? meaningOf(outcome.text) : retry('no answer'));
  };
}

/** One alert: a card with links to press. A digest: Markdown. Where red has to mention somebody: text, the only kind that surely does. */
export function wecomBody(notice: Notice, settings: Readonly<Record<string, string>>) {
  const mobiles = notice.tier === 'red' ? listOf(settings['mentionMobiles']) : [];
  if (mobiles.length > 0) {
    return { msgtype: 'text', text: { content: fitText(notice), mentioned_mobile_list: mobiles } };
  }
  const [only] = notice.lines;
  return only !== undefined && notice.lines.length === 1 && notice.more === 0
    ? cardOf(notice, only)
    : { msgtype: 'markdown', markdown: { content: markdownOf(notice) } };
}

/** Lengths are the documentation's advice; longer texts are cut by the client. */
function cardOf(notice: Notice, line: NoticeLine) {
  const numbers = numbersOf(line);
  const reasons = line.reasons.map((reason) => reason.zh).join('；');
  const jumps = [
    ...(notice.acknowledgeUrl === null ? [] : [{ type: 1, title: linkTexts.acknowledge, url: notice.acknowledgeUrl }]),
    { type: 1, title: linkTexts.console, url: notice.consoleUrl },
  ];
  const facts = [
    { keyname: '商品', value: cutCharacters(clean(line.itemTitle.zh), 26) },
    { keyname: '等级', value: `${tierWord(line.tier)} ${line.tier.toUpperCase()}` },
    { keyname: '直播', value: cutCharacters(clean(line.livestreamTitle.zh), 26) },
    { keyname: 'Item', value: cutCharacters(clean(line.itemTitle.en), 26) },
  ];
  return {
    msgtype: 'template_card',
    template_card: {
      card_type: 'text_notice',
      main_title: { title: cutCharacters(titleOf(notice), 36), desc: cutCharacters(clean(numbers.zh), 60) },
      sub_title_text: cutCharacters(clean([reasons, numbers.en].filter((part) => part !== '').join(' · ')), 110),
      horizontal_content_list: facts,
      jump_list: jumps,
      card_action: { type: 1, url: notice.consoleUrl },
    },
  };
}

function markdownOf(notice: Notice): string {
  const links = [
    ...(notice.acknowledgeUrl === null ? [] : [`[${linkTexts.acknowledge}](${notice.acknowledgeUrl})`]),
    `[${linkTexts.console}](${notice.consoleUrl})`,
  ].join(' · ');
  const room = markdownBytesMax - Buffer.byteLength(links) - 2;
  return `${cutBytes([`### ${titleOf(notice)}`, ...paragraphs(notice).map((line) => `> ${line}`)].join('\n'), room)}\n\n${links}`;
}

/** The links come whole: what is cut is the text before them. */
function fitText(notice: Notice): string {
  const whole = plainText(notice);
  if (Buffer.byteLength(whole) <= textBytesMax) return whole;
  const links = [
    ...(notice.acknowledgeUrl === null ? [] : [`${linkTexts.acknowledge}: ${notice.acknowledgeUrl}`]),
    `${linkTexts.console}: ${notice.consoleUrl}`,
  ].join('\n');
  const text = [titleOf(notice), ...paragraphs(notice)].join('\n');
  return `${cutBytes(text, textBytesMax - Buffer.byteLength(links) - 1)}\n${links}`;
}

const minuteMs = 60_000;

function meaningOf(text: string): SendOutcome {
  const answer = codeOf(text, { code: ['errcode'], message: ['errmsg'] });
  if (answer === null) return retry('an answer that is no JSON of WeCom');
  const reason = `WeCom ${answer.code}: ${answer.message}`;
  switch (Number(answer.code)) {
    case 0:
      return sent;
    case 45009:
      return throttled(minuteMs, reason);
    case -1:
    case 45033:
      return retry(reason);
    case 93000:
      return refused(`${reason}. The robot's key is wrong, or the robot was removed from its group`);
    default:
      return refused(reason);
  }
}
