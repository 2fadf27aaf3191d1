import type { RefundRequested } from '../../contract/orders.ts';
import type { Clock } from '../lib/clock.ts';
import { signWebhook } from '../lib/standard-webhooks.ts';
import type { AttemptOutcome, ClaimedRefund } from './refund-store.ts';

/** Pauses before each attempt, as Standard Webhooks suggests: at once, then for three days and a bit. */
export const refundPausesMs: readonly number[] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(
  (seconds) => seconds * 1_000,
);

const answerTimeoutMs = 20_000;
/** Of an answer that is no success: what operators read. */
const errorLengthMax = 200;
const retryAfterMaxMs = 86_400_000;

type Deps = {
  readonly secret: string;
  readonly clock: Clock;
  /** 0…1, for the jitter of a pause. */
  readonly chance: () => number;
  readonly pausesMs: readonly number[];
};

/**
 * One attempt: the provider hears `payment.refund_requested`, signed as Standard Webhooks. 2xx: it has taken the request over. 410: it
 * takes none. Everything else, redirects among it, is tried again until the pauses are used up. Never rejects.
 */
export async function sendRefund(
  deps: Deps,
  url: string,
  refund: ClaimedRefund,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { refundId, paymentId, orderId, livestreamId, amountMinor, currency, reason, createdAtMs, attempt } = refund;
  const message: RefundRequested = {
    type: 'payment.refund_requested',
    timestamp: new Date(createdAtMs).toISOString(),
    data: { refundId, paymentId, orderId, livestreamId, amountMinor, currency, reason },
  };
  const body = JSON.stringify(message);
  const timestampSeconds = Math.floor(deps.clock.now() / 1_000);
  const again = (error: string, leastMs = 0): AttemptOutcome => {
    const pauseMs = deps.pausesMs[attempt];
    if (pauseMs === undefined) return { kind: 'failed', error };
    // Up to a tenth later: requests that failed together do not come back together.
    return { kind: 'again', afterMs: Math.round(Math.max(pauseMs * (1 + deps.chance() / 10), leastMs)), error };
  };
  try {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'stockcast',
        ...signWebhook(deps.secret, { id: refundId, timestampSeconds, body }),
      },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
    });
    const { status } = answer;
    const said = await beginningOf(answer);
    if (answer.ok) return { kind: 'delivered' };
    const error = `HTTP ${status}${said === '' ? '' : `: ${said}`}`;
    return status === 410 ? { kind: 'failed', error } : again(error, retryAfterMsOf(answer));
  } catch (error) {
    return again(sentenceOf(error));
  }
}

/** Reads no more of an answer than is shown. */
async function beginningOf(answer: Response): Promise<string> {
  let text = '';
  if (answer.body === null) return text;
  const decoder = new TextDecoder();
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= errorLengthMax) break;
  }
  return text.replace(/\s+/g, ' ').trim().slice(0, errorLengthMax);
}

function retryAfterMsOf(answer: Response): number {
  const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1_000, retryAfterMaxMs) : 0;
}

/** The cause of a failed fetch says more than its message. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.slice(0, errorLengthMax);
}
