import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { GuardedRequest } from '../guarded-request.ts';
import { refused, retry, type SendOutcome, sent, throttled } from '../outcome.ts';
import type { PhoneProvider } from './phone-provider.ts';
import { codeOf, httpOutcome } from './sender.ts';

export type AliyunKeys = { readonly accessKeyId: string; readonly accessKeySecret: string };

type AliyunCall = {
  readonly endpoint: string;
  readonly action: string;
  readonly query: Readonly<Record<string, string>>;
};

const version = '2017-05-25';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
/** RFC 3986: stricter than the language's own, which leaves five characters alone. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);

const canonicalQuery = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');

/** Aliyun OpenAPI, signature version 3 (ACS3-HMAC-SHA256), for calls whose parameters are all in the query. */
export function signAliyun(
  keys: AliyunKeys,
  call: {
    readonly host: string;
    readonly action: string;
    readonly version: string;
    readonly query: Readonly<Record<string, string>>;
    /** UTC, without milliseconds: 2023-10-26T10:22:32Z. */
    readonly date: string;
    readonly nonce: string;
  },
): { readonly path: string; readonly headers: Record<string, string> } {
  const bodyHash = sha256('');
  const headers: Record<string, string> = {
    host: call.host,
    'x-acs-action': call.action,
    'x-acs-content-sha256': bodyHash,
    'x-acs-date': call.date,
    'x-acs-signature-nonce': call.nonce,
    'x-acs-version': call.version,
  };
  const names = Object.keys(headers).toSorted();
  const query = canonicalQuery(call.query);
  const signedNames = names.join(';');
  const canonical = names.map((name) => `${name}:${headers[name] ?? ''}\n`).join('');
  const request = ['POST', '/', query, canonical, signedNames, bodyHash].join('\n');
  const signature = createHmac('sha256', keys.accessKeySecret)
    .update(`ACS3-HMAC-SHA256\n${sha256(request)}`)
    .digest('hex');
  const authorization = `ACS3-HMAC-SHA256 Credential=${keys.accessKeyId},SignedHeaders=${signedNames},Signature=${signature}`;
  return { path: `/?${query}`, headers: { ...headers, authorization } };
}

/** Text messages by Dysmsapi SendSms, calls by Dyvmsapi SingleCallByTts. `endpoints` other than Aliyun's own are for private clouds and tests. */
export function createAliyunPhone(deps: {
  readonly keys: AliyunKeys;
  readonly request: GuardedRequest;
  readonly clock: Clock;
  readonly endpoints?: { readonly sms: string; readonly voice: string };
}): PhoneProvider {
  const { sms, voice } = deps.endpoints ?? {
    sms: 'https://dysmsapi.aliyuncs.com',
    voice: 'https://dyvmsapi.aliyuncs.com',
  };
  const post = async (call: AliyunCall, signal: AbortSignal): Promise<SendOutcome> => {
    const date = new Date(deps.clock.now()).toISOString().replace(/\.\d{3}Z$/, 'Z');
    const nonce = randomBytes(16).toString('hex');
    const { host } = new URL(call.endpoint);
    const { path, headers } = signAliyun(deps.keys, { ...call, host, version, date, nonce });
    const url = `${call.endpoint}${path}`;
    const outcome = await deps.request.send(url, { method: 'POST', headers, body: '', signal });
    // Errors come as 4xx and 5xx with the reason in the body, refusals of the carrier as 200.
    const meaning = outcome.kind === 'answered' ? meaningOf(outcome.text) : null;
    return meaning ?? httpOutcome(outcome) ?? retry('an answer that is no JSON of Aliyun');
  };
  return {
    async sendText({ phone, signName, template, values, outId }, signal) {
      const query = {
        PhoneNumbers: phone,
        SignName: signName,
        TemplateCode: template,
        TemplateParam: JSON.stringify(values),
        OutId: outId,
      };
      return post({ endpoint: sms, action: 'SendSms', query }, signal);
    },
    async call({ phone, template, values, shownNumber, outId }, signal) {
      const parameters = JSON.stringify(values);
      if (parameters.length >= 250) return refused('the call says too much: Aliyun takes less than 250 characters');
      const query = {
        CalledNumber: phone,
        TtsCode: template,
        TtsParam: parameters,
        PlayTimes: '2',
        OutId: outId,
        ...(shownNumber === '' ? {} : { CalledShowNumber: shownNumber }),
      };
      return post({ endpoint: voice, action: 'SingleCallByTts', query }, signal);
    },
  };
}

const spans: readonly (readonly [RegExp, number])[] = [
  [/天级|day/i, 6 * 3_600_000],
  [/小时级|hour/i, 3_600_000],
];

/** Business limits name their span in the text (“触发小时级流控”); a minute where they do not. */
const spanOf = (message: string): number => spans.find(([pattern]) => pattern.test(message))?.[1] ?? 60_000;

function meaningOf(text: string): SendOutcome | null {
  const answer = codeOf(text, { code: ['Code'], message: ['Message'] });
  if (answer === null) return null;
  const code = String(answer.code);
  const reason = `Aliyun ${code}: ${answer.message}`;
  if (code === 'OK') return sent;
  if (code === 'isv.BUSINESS_LIMIT_CONTROL') return throttled(spanOf(answer.message), reason);
  if (/^(Throttling|isv\.FLOW_LIMIT|isv\.OVER_FLOW)/i.test(code)) return throttled(60_000, reason);
  const passing = /^(isp\.SYSTEM_ERROR|isp\.UNKNOWN|isp\.GATEWAY|InternalError|ServiceUnavailable|SignatureNonceUsed)/i;
  return passing.test(code) ? retry(reason) : refused(reason);
}
