import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type Request, type Router } from 'express';
import type { Metrics } from '../metrics/metrics.ts';
import type { Readiness } from './readiness.ts';
import { HttpError } from './request.ts';

/** `/healthz` the process answers · `/readyz` send requests here · `/metrics` for Prometheus. */
export function operationsRoutes(deps: {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  /** The text of `/metrics`, where it is more than this process's own. */
  readonly metricsText?: (() => Promise<string>) | undefined;
  readonly metricsToken: string | null;
}): Router {
  const { readiness, metrics, metricsToken, metricsText = () => metrics.registry.metrics() } = deps;
  const router = express.Router();
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'alive' });
  });
  router.get('/readyz', async (_req, res) => {
    const report = await readiness.check();
    res.status(report.ready ? 200 : 503).json(report);
  });
  router.get('/metrics', async (req, res) => {
    if (!mayReadMetrics(req, metricsToken)) throw new HttpError('unauthorized', { message: closed });
    res.type(metrics.registry.contentType).send(await metricsText());
  });
  return router;
}

const closed = {
  zh: '非本机读取 /metrics 需要 METRICS_TOKEN（Authorization: Bearer）',
  en: 'From other machines /metrics needs METRICS_TOKEN in Authorization: Bearer.',
};

function mayReadMetrics(req: Request, token: string | null): boolean {
  return isLocal(req) || (token !== null && isEqual(req.headers.authorization ?? '', `Bearer ${token}`));
}

const localAddress = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const localHost = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/**
 * A caller on this machine itself. A proxy on this machine connects from loopback too, so any forwarding header closes the door, and so
 * does a foreign name in `Host`: a page elsewhere may point its own name at 127.0.0.1.
 */
function isLocal({ socket, headers }: Request): boolean {
  if (!localAddress.test(socket.remoteAddress ?? '') || !localHost.test(headers.host ?? '')) return false;
  return ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via'].every((name) => !(name in headers));
}

/** Takes as long for a wrong token as for the right one. */
function isEqual(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
