import { setTimeout as wait } from 'node:timers/promises';
import express, { type Request, type Router } from 'express';
import { type RefundCallback, RefundRequested } from '../../contract/orders.ts';
import { API_PREFIX } from '../../contract/routes.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { signWebhook, verifyWebhook } from '../lib/standard-webhooks.ts';
import { HttpError, parseWith } from './request.ts';

/** A real provider takes days; a demo is looked at for minutes. */
const transferMs = 1_500;
const attempts = 5;
const underWayMax = 500;

/**
 * The demo's payment provider, other side: takes signed refunds at `/refunds`, once each, and reports by a signed callback that the money
 * is back. To be mounted at `/pay/api`.
 */
export function createSimulatedRefund(deps: {
  readonly webhookSecret: string;
  readonly serverUrl: () => string;
  readonly log: Pick<Log, 'warn'>;
  readonly clock: Clock;
}): { readonly router: Router; stop(): Promise<void> } {
  const stopping = new AbortController();
  const underWay = new Map<string, Promise<void>>();

  const router = express.Router();
  router.post('/refunds', express.raw({ type: () => true, limit: 16_384 }), (req, res) => {
    const { data } = parseWith(RefundRequested, signedJson(deps, req));
    // The same request again: it is on its way already.
    if (!underWay.has(data.refundId)) {
      if (underWay.size >= underWayMax) throw new HttpError('overloaded');
      const told = tell(deps, data.refundId, stopping.signal).finally(() => underWay.delete(data.refundId));
      underWay.set(data.refundId, told);
    }
    res.status(202).json({ refundId: data.refundId });
  });
  return {
    router,
    async stop() {
      stopping.abort();
      await Promise.allSettled(underWay.values());
    },
  };
}

type Deps = Parameters<typeof createSimulatedRefund>[0];

function signedJson({ webhookSecret, clock }: Deps, req: Request): unknown {
  const bytes: Buffer = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
  if (verifyWebhook(webhookSecret, req.headers, bytes, clock.now()).kind === 'invalid')
    throw new HttpError('unauthorized');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new HttpError('bad_request', { issues: [{ path: '', message: 'the body is not valid JSON' }] });
  }
}

/** Never rejects. */
async function tell(deps: Deps, refundId: string, signal: AbortSignal): Promise<void> {
  const callback: RefundCallback = {
    type: 'payment.refunded',
    timestamp: new Date(deps.clock.now()).toISOString(),
    data: { refundId },
  };
  const body = JSON.stringify(callback);
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    try {
      await wait(transferMs * attempt, undefined, { signal });
      const timestampSeconds = Math.floor(deps.clock.now() / 1_000);
      const answer = await fetch(`${deps.serverUrl()}${API_PREFIX}/payments/refunds/callback`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...signWebhook(deps.webhookSecret, { id: `msg_${refundId}`, timestampSeconds, body }),
        },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
      });
      if (answer.ok) return;
      deps.log.warn({ refundId, status: answer.status }, 'the refund callback was not accepted');
    } catch (error) {
      if (signal.aborted) return;
      deps.log.warn({ refundId, err: error }, 'the refund callback was not answered');
    }
  }
}
