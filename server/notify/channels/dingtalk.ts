import { createHmac } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, retry, type SendOutcome, sent, throttled } from '../outcome.ts';
import { cutBytes, linkTexts, paragraphs, titleOf } from '../texts.ts';
import { codeOf, httpOutcome, jsonHeaders, type Sender } from './sender.ts';

/** Documented limit 20,000 bytes of body; what is above is refused with 460101. */
const textBytesMax = 12_000;

/** DingTalk's custom robot: key and message are the reverse of Feishu's, milliseconds, URL-encoded, in the query. */
export function signDingtalk(secret: string, timestampMs: number): string {
  const digest = createHmac('sha256', secret).update(`${timestampMs}\n${secret}`).digest('base64');
  return encodeURIComponent(digest);
}

export function createDingtalk(deps: { readonly request: GuardedRequest; readonly clock: Clock }): Sender {
  return async (notice, { settings }, signal) => {
    const outcome = await deps.request.send(addressOf(settings, deps.clock.now()), {
      method: 'POST',
      headers: jsonHeaders,
      body: JSON.stringify(dingtalkBody(notice, settings)),
      signal,
    });
    return httpOutcome(outcome) ?? (outcome.kind === 'answered' ? meaningOf(outcome.text) : retry('no answer'));
  };
}

function addressOf(settings: Readonly<Record<string, string>>, nowMs: number): string {
  const url = settings['url'] ?? '';
  const secret = settings['secret'] ?? '';
  return secret === '' ? url : `${url}&timestamp=${nowMs}&sign=${signDingtalk(secret, nowMs)}`;
}

/** A card with buttons; Markdown instead where somebody has to be mentioned, which cards cannot. */
export function dingtalkBody(notice: Notice, settings: Readonly<Record<string, string>>) {
  const mobiles = notice.tier === 'red' ? listOf(settings['atMobiles']) : [];
  const everybody = notice.tier === 'red' && settings['atAll'] === 'true';
  const title = titleOf(notice);
  const keyword = settings['keyword'] ?? '';
  const lines = [`### ${title}`, ...paragraphs(notice), ...(keyword === '' ? [] : [keyword])];
  if (mobiles.length > 0 || everybody) {
    const links = [
      ...(notice.acknowledgeUrl === null ? [] : [`[${linkTexts.acknowledge}](${notice.acknowledgeUrl})`]),
      `[${linkTexts.console}](${notice.consoleUrl})`,
    ];
    // The number has to stand in the text too, else nobody is told.
    const mentions = mobiles.map((mobile) => `@${mobile}`).join(' ');
    const text = [cutBytes(lines.join('\n\n'), textBytesMax), links.join(' · '), mentions].join('\n\n');
    return { msgtype: 'markdown', markdown: { title, text }, at: { atMobiles: mobiles, isAtAll: everybody } };
  }
  const text = cutBytes(lines.join('\n\n'), textBytesMax);
  const toConsole = { title: linkTexts.console, actionURL: notice.consoleUrl };
  if (notice.acknowledgeUrl === null) {
    const actionCard = { title, text, singleTitle: toConsole.title, singleURL: toConsole.actionURL };
    return { msgtype: 'actionCard', actionCard };
  }
  const btns = [{ title: linkTexts.acknowledge, actionURL: notice.acknowledgeUrl }, toConsole];
  return { msgtype: 'actionCard', actionCard: { title, text, btnOrientation: '0', btns } };
}

export const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

const mutedMs = 10 * 60_000;

/** The robot answers 200 to everything and says in `errcode` what it made of it. */
function meaningOf(text: string): SendOutcome {
  const answer = codeOf(text, { code: ['errcode'], message: ['errmsg'] });
  if (answer === null) return retry('an answer that is no JSON of DingTalk');
  const reason = `DingTalk ${answer.code}: ${answer.message}`;
  switch (Number(answer.code)) {
    case 0:
      return sent;
    case 130101:
    case 90018:
    case 90030:
      // The 21st message within a minute mutes the robot for ten.
      return throttled(mutedMs, reason);
    case -1:
      return retry(reason);
    case 310000:
      return refused(`${reason}. Check the robot's security settings: secret, keyword or IP addresses`);
    default:
      return refused(reason);
  }
}
