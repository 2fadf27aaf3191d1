import type { GuardedOutcome } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, retry, type SendOutcome, throttled } from '../outcome.ts';

export type SendTarget = {
  readonly settings: Readonly<Record<string, string>>;
  /** Phone number or mail address, for kinds that have one; else empty. */
  readonly recipient: string;
};

/** One kind of channel: puts a notice into the provider's format, sends it once, and says what the provider's answer means. Never rejects. */
export type Sender = (notice: Notice, target: SendTarget, signal: AbortSignal) => Promise<SendOutcome>;

export const jsonHeaders = { 'content-type': 'application/json; charset=utf-8' } as const;

/** What holds for every HTTP provider; null: a 2xx whose body decides. */
export function httpOutcome(outcome: GuardedOutcome): SendOutcome | null {
  if (outcome.kind === 'forbidden') return refused(`this address may not be called: ${outcome.reason}`);
  if (outcome.kind === 'unreachable') return retry(outcome.reason);
  const { status, headers } = outcome;
  if (status >= 200 && status < 300) return null;
  if (status === 429 || (status === 503 && headers['retry-after'] !== undefined)) {
    return throttled(retryAfterMs(headers['retry-after']), `HTTP ${status}`);
  }
  if (status >= 300 && status < 400) return refused(`HTTP ${status}: redirects are not followed`);
  return status >= 500 || status === 408 || status === 425 ? retry(`HTTP ${status}`) : refused(`HTTP ${status}`);
}

const minuteMs = 60_000;

/** Seconds only: a date would need the provider's clock. 1 s … 1 h, a minute where nothing usable was said. */
function retryAfterMs(value: string | undefined): number {
  return value !== undefined && /^\d{1,6}$/.test(value)
    ? Math.min(60 * minuteMs, Math.max(1_000, Number(value) * 1_000))
    : minuteMs;
}

/** `code` and `message` of a robot's JSON answer; null where it is none. */
export function codeOf(text: string, names: { code: readonly string[]; message: readonly string[] }) {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof body !== 'object' || body === null) return null;
  const fields = new Map(Object.entries(body));
  const first = (keys: readonly string[]): unknown =>
    keys.map((key) => fields.get(key)).find((value) => value !== undefined);
  const code = first(names.code);
  if (typeof code !== 'number' && typeof code !== 'string') return null;
  const message = first(names.message);
  return { code, message: typeof message === 'string' ? message.slice(0, 200) : '' };
}
