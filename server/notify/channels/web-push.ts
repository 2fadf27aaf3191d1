import { createHash } from 'node:crypto';
import webPush from 'web-push';
import type { AlertTier } from '../../../contract/alerts.ts';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, retry, type SendOutcome, sent } from '../outcome.ts';
import { cutBytes, paragraphs, titleOf } from '../texts.ts';
import type { VapidKeys } from '../vapid-keys.ts';
import { httpOutcome, type Sender } from './sender.ts';

export type Subscription = { readonly endpoint: string; readonly p256dh: string; readonly auth: string };

export type Subscriptions = {
  of(livestreamIds: readonly string[]): Promise<readonly Subscription[]>;
  remove(endpoint: string): Promise<void>;
};

/** RFC 8030: how long a push service keeps it for a browser that is away, and how much battery it may cost. An old alert helps nobody. */
const byTier: Record<AlertTier, { ttlSeconds: number; urgency: 'low' | 'normal' | 'high' }> = {
  yellow: { ttlSeconds: 600, urgency: 'low' },
  orange: { ttlSeconds: 900, urgency: 'normal' },
  red: { ttlSeconds: 1_800, urgency: 'high' },
};

/** Push services take 4,096 bytes with their encryption's overhead; this leaves room for title and links. */
const bodyBytesMax = 1_200;
/** Browsers of one notice that are told at the same time. */
const atOnce = 8;

/** To every browser that is registered for the livestreams of the notice. One that is gone (404, 410) is forgotten. */
export function createWebPush(deps: {
  readonly request: GuardedRequest;
  readonly subscriptions: Subscriptions;
  readonly vapid: VapidKeys;
}): Sender {
  /** Who has this notice already, for its next attempt. */
  const told = new BoundedCache<Set<string>>(500);
  return async (notice, _target, signal) => {
    let registered: readonly Subscription[];
    try {
      registered = await deps.subscriptions.of([...new Set(notice.lines.map((line) => line.livestreamId))]);
    } catch (error) {
      return retry(`the registered browsers are not known now: ${String(error).slice(0, 100)}`);
    }
    if (registered.length === 0) return refused('no browser is registered for this livestream');
    const done = told.get(notice.noticeId) ?? new Set<string>();
    told.set(notice.noticeId, done);
    const waiting = registered.filter(({ endpoint }) => !done.has(endpoint));
    const outcomes: SendOutcome[] = [];
    for (let at = 0; at < waiting.length; at += atOnce) {
      const group = waiting.slice(at, at + atOnce);
      outcomes.push(
        ...(await Promise.all(
          group.map(async (subscription) => {
            const outcome = await push(deps, notice, subscription, signal);
            if (outcome.kind === 'sent' || outcome.kind === 'refused') done.add(subscription.endpoint);
            return outcome;
          }),
        )),
      );
    }
    return summary(outcomes);
  };
}

/** One browser that can still be told keeps the notice alive; it has failed only when nobody has it. */
function summary(outcomes: readonly SendOutcome[]): SendOutcome {
  const later = outcomes.find(({ kind }) => kind === 'retry') ?? outcomes.find(({ kind }) => kind === 'throttled');
  if (later?.kind === 'retry') return later;
  // A throttled service is one browser's, not everybody's: the channel goes on, this notice comes back.
  if (later?.kind === 'throttled') return retry(later.reason);
  const failed = outcomes.find(({ kind }) => kind === 'refused');
  return outcomes.some(({ kind }) => kind === 'sent') || failed === undefined ? sent : failed;
}

async function push(
  deps: Parameters<typeof createWebPush>[0],
  notice: Notice,
  subscription: Subscription,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const { endpoint, p256dh, auth } = subscription;
  let details: webPush.RequestDetails;
  try {
    const { ttlSeconds, urgency } = byTier[notice.tier];
    details = webPush.generateRequestDetails({ endpoint, keys: { p256dh, auth } }, payloadOf(notice), {
      vapidDetails: deps.vapid,
      TTL: ttlSeconds,
      urgency,
      topic: topicOf(notice),
    });
  } catch (error) {
    await deps.subscriptions.remove(endpoint).catch(() => undefined);
    return refused(`a subscription that is no use: ${String(error).slice(0, 150)}`);
  }
  const headers = headersOf(details.headers);
  const outcome = await deps.request.send(endpoint, { method: 'POST', headers, body: details.body ?? '', signal });
  if (outcome.kind === 'answered' && (outcome.status === 404 || outcome.status === 410)) {
    await deps.subscriptions.remove(endpoint).catch(() => undefined);
    return refused('this browser has ended its subscription');
  }
  return httpOutcome(outcome) ?? sent;
}

const headersOf = (headers: Readonly<Record<string, unknown>>): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'number' ? value : String(value)]),
  );

/** A newer message about the same alert replaces the one that a browser has not fetched yet. 32 characters of base64url at most. */
export function topicOf(notice: Notice): string {
  const ids = notice.lines.map((line) => line.alertId).toSorted();
  const subject = ids.length === 1 ? (ids[0] ?? '') : `digest ${notice.lines[0]?.livestreamId ?? ''}`;
  return createHash('sha256').update(subject).digest('base64url').slice(0, 32);
}

/** What the page's service worker shows: `tag` makes a newer one replace an older one on the screen too. */
export function payloadOf(notice: Notice): string {
  const [first] = notice.lines;
  return JSON.stringify({
    title: titleOf(notice),
    body: cutBytes(
      paragraphs(notice)
        .slice(notice.lines.length === 1 ? 1 : 0)
        .join('\n'),
      bodyBytesMax,
    ),
    tag: topicOf(notice),
    tier: notice.tier,
    livestreamId: first?.livestreamId ?? null,
    alertId: notice.lines.length === 1 ? (first?.alertId ?? null) : null,
    url: notice.consoleUrl,
    acknowledgeUrl: notice.acknowledgeUrl,
  });
}
