import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, retry, type SendOutcome, sent, throttled } from '../outcome.ts';
import { linkTexts, paragraphs, plainText, titleOf } from '../texts.ts';
import type { Sender } from './sender.ts';

const timeoutMs = 10_000;

/** Mail over SMTP. The server's name is resolved and checked first, and the connection goes to the address that was checked. */
export function createEmail(deps: { readonly request: GuardedRequest }): Sender {
  return async (notice, { settings, recipient }, signal) => {
    if (recipient === '') return refused('nobody to write to: neither the person nor the channel has a mail address');
    const hostname = settings['host'] ?? '';
    let address: string | null;
    try {
      address = await deps.request.resolve(hostname);
    } catch (error) {
      return retry(sentenceOf(error));
    }
    if (address === null) return refused(`this mail server may not be called: ${hostname} is not a public address`);
    const transport = createTransport(transportOf(settings, hostname, address));
    const close = (): void => transport.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      await transport.sendMail(mailOf(notice, settings, recipient));
      return sent;
    } catch (error) {
      return meaningOf(error);
    } finally {
      signal.removeEventListener('abort', close);
      transport.close();
    }
  };
}

function transportOf(settings: Readonly<Record<string, string>>, hostname: string, address: string) {
  const port = Number(settings['port'] ?? '465');
  const user = settings['user'] ?? '';
  return {
    host: address,
    port,
    secure: port === 465,
    // A password never travels in the clear; without one, servers inside a company may be plain.
    requireTLS: user !== '' && port !== 465,
    ...(isIP(hostname) === 0 ? { tls: { servername: hostname } } : {}),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    ...(user === '' ? {} : { auth: { user, pass: settings['password'] ?? '' } }),
  };
}

export function mailOf(notice: Notice, settings: Readonly<Record<string, string>>, recipient: string) {
  const from = settings['from'] ?? '';
  const domain = /@([^>\s]+)/.exec(from)?.[1] ?? 'stockcast.invalid';
  const [first] = notice.lines;
  const thread = first === undefined ? [] : [`<alert-${first.alertId}@${domain}>`];
  return {
    from,
    to: recipient,
    subject: titleOf(notice),
    text: plainText(notice),
    html: htmlOf(notice),
    // The same for every attempt, so that a mail program shows a repeated message once.
    messageId: `<${notice.noticeId}@${domain}>`,
    references: thread,
    priority: notice.tier === 'red' ? ('high' as const) : ('normal' as const),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function htmlOf(notice: Notice): string {
  const button = (text: string, url: string) =>
    `<a href="${escape(url)}" style="display:inline-block;padding:10px 16px;margin:0 8px 8px 0;border:1px solid #333;border-radius:6px;color:#111;text-decoration:none">${escape(text)}</a>`;
  const acknowledge = notice.acknowledgeUrl === null ? '' : button(linkTexts.acknowledge, notice.acknowledgeUrl);
  return [
    '<div style="font:16px/1.6 system-ui,sans-serif;color:#111">',
    `<h1 style="font-size:18px">${escape(titleOf(notice))}</h1>`,
    ...paragraphs(notice).map((paragraph) => `<p style="margin:4px 0">${escape(paragraph)}</p>`),
    `<p style="margin-top:16px">${acknowledge}${button(linkTexts.console, notice.consoleUrl)}</p>`,
    notice.acknowledgeUrl === null ? '' : `<p style="color:#555">${escape(linkTexts.expires)}</p>`,
    '</div>',
  ].join('\n');
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (found) => `&#${found.codePointAt(0) ?? 63};`);

const busyMs = 60_000;

/** A mail server's codes: 4xx come back later, 5xx never help. */
function meaningOf(error: unknown): SendOutcome {
  const reason = sentenceOf(error);
  const { code, responseCode } = fieldsOf(error);
  if (code === 'EAUTH') return refused(`the mail server does not accept user and password: ${reason}`);
  if (code === 'ETLS') return refused(`the mail server offers no encryption, so the password was not sent: ${reason}`);
  if (responseCode === 421 || responseCode === 450 || responseCode === 452) return throttled(busyMs, reason);
  return responseCode !== undefined && responseCode >= 500 ? refused(reason) : retry(reason);
}

function fieldsOf(error: unknown): { code?: string; responseCode?: number } {
  if (!(error instanceof Error)) return {};
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const answered = 'responseCode' in error && typeof error.responseCode === 'number';
  return answered ? { ...code, responseCode: Number(error.responseCode) } : code;
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 200);
