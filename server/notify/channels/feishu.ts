import { createHmac } from 'node:crypto';
import type { AlertTier } from '../../../contract/alerts.ts';
import type { Clock } from '../../lib/clock.ts';
import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, retry, type SendOutcome, sent, throttled } from '../outcome.ts';
import { cutBytes, linkTexts, paragraphs, titleOf } from '../texts.ts';
import { codeOf, httpOutcome, jsonHeaders, type Sender } from './sender.ts';

/** Documented limit 20 KB of body. */
const textBytesMax = 12_000;

/** Feishu's custom bot: timestamp and secret are the KEY and the message is empty; seconds; in the body. */
export function signFeishu(secret: string, timestampSeconds: number): string {
  return createHmac('sha256', `${timestampSeconds}\n${secret}`).update('').digest('base64');
}

export function createFeishu(deps: { readonly request: GuardedRequest; readonly clock: Clock }): Sender {
  return async (notice, { settings }, signal) => {
    const body = { ...signatureOf(settings['secret'] ?? '', deps.clock.now()), ...feishuBody(notice, settings) };
    const url = settings['url'] ?? '';
    const outcome = await deps.request.send(url, {
      method: 'POST',
      headers: jsonHeaders,
      body: JSON.stringify(body),
      signal,
    });
    // Some of its refusals come as HTTP 400 with the code in the body; the body says more than the status.
    const meaning = outcome.kind === 'answered' && outcome.status < 500 ? meaningOf(outcome.text) : null;
    return meaning ?? httpOutcome(outcome) ?? retry('an answer that is no JSON of Feishu');
  };
}

function signatureOf(secret: string, nowMs: number) {
  const seconds = Math.floor(nowMs / 1_000);
  return secret === '' ? {} : { timestamp: String(seconds), sign: signFeishu(secret, seconds) };
}

const headerColours: Record<AlertTier, string> = { yellow: 'yellow', orange: 'orange', red: 'red' };

const button = (text: string, url: string, type: 'primary' | 'default') => ({
  tag: 'button',
  text: { tag: 'plain_text', content: text },
  type,
  url,
});

export function feishuBody(notice: Notice, settings: Readonly<Record<string, string>>) {
  const keyword = settings['keyword'] ?? '';
  const mention = notice.tier === 'red' && settings['atAll'] === 'true' ? ['<at id=all></at>'] : [];
  const content = cutBytes([...paragraphs(notice), ...(keyword === '' ? [] : [keyword])].join('\n'), textBytesMax);
  const actions = [
    ...(notice.acknowledgeUrl === null ? [] : [button(linkTexts.acknowledge, notice.acknowledgeUrl, 'primary')]),
    button(linkTexts.console, notice.consoleUrl, 'default'),
  ];
  return {
    msg_type: 'interactive',
    card: {
      config: { wide_screen_mode: true },
      header: { template: headerColours[notice.tier], title: { tag: 'plain_text', content: titleOf(notice) } },
      elements: [
        { tag: 'div', text: { tag: 'lark_md', content: [content, ...mention].join('\n') } },
        { tag: 'action', actions },
      ],
    },
  };
}

/** Throttled within the minute or the second: a pause off the full minute, where everybody's timers fire. */
const pauseMs = 17_000;

function meaningOf(text: string): SendOutcome | null {
  const answer = codeOf(text, { code: ['code', 'StatusCode'], message: ['msg', 'StatusMessage'] });
  if (answer === null) return null;
  const reason = `Feishu ${answer.code}: ${answer.message}`;
  switch (Number(answer.code)) {
    case 0:
      return sent;
    case 11232:
    case 99991400:
      return throttled(pauseMs, reason);
    case 9499:
      // One code for a malformed body and for too many requests; the text tells them apart.
      return /too many/i.test(answer.message) ? throttled(pauseMs, reason) : refused(reason);
    case 2200:
      return retry(reason);
    case 19021:
      return refused(`${reason}. Check the bot's signing secret and this server's clock`);
    case 19022:
      return refused(`${reason}. This server's address is not on the bot's list`);
    case 19024:
      return refused(`${reason}. Put one of the bot's keywords into the channel's setting "keyword"`);
    default:
      return refused(reason);
  }
}
