import type { Clock } from '../../lib/clock.ts';
import { signWebhook } from '../../lib/standard-webhooks.ts';
import type { GuardedRequest } from '../guarded-request.ts';
import type { Notice } from '../notice.ts';
import { refused, sent } from '../outcome.ts';
import { httpOutcome, jsonHeaders, type Sender } from './sender.ts';

/** A merchant's own address, signed as Standard Webhooks has it. While a secret is changed, `secret` holds both, separated by a space. */
export function createWebhook(deps: { readonly request: GuardedRequest; readonly clock: Clock }): Sender {
  return async (notice, { settings }, signal) => {
    const body = JSON.stringify(webhookBody(notice));
    const message = {
      id: `msg_${notice.noticeId}`,
      timestampSeconds: Math.floor(deps.clock.now() / 1_000),
      body,
    };
    const outcome = await deps.request.send(settings['url'] ?? '', {
      method: 'POST',
      headers: { ...jsonHeaders, ...signedBy((settings['secret'] ?? '').split(' '), message) },
      body,
      timeoutMs: 15_000,
      signal,
    });
    if (outcome.kind === 'answered' && outcome.status === 410) {
      return refused('HTTP 410: the receiver does not want these messages any more; the channel was switched off');
    }
    return httpOutcome(outcome) ?? sent;
  };
}

function signedBy(secrets: readonly string[], message: Parameters<typeof signWebhook>[1]): Record<string, string> {
  const signed = secrets.filter((secret) => secret !== '').map((secret) => signWebhook(secret, message));
  const signatures = signed.map((headers) => headers['webhook-signature']).join(' ');
  return { ...signed[0], 'webhook-signature': signatures };
}

export function webhookBody(notice: Notice) {
  return {
    type: 'alert.notified',
    timestamp: new Date(notice.atMs).toISOString(),
    data: {
      tier: notice.tier,
      alerts: notice.lines,
      more: notice.more,
      consoleUrl: notice.consoleUrl,
      acknowledgeUrl: notice.acknowledgeUrl,
    },
  };
}
