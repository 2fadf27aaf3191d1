import express, { type NextFunction, type Request, type RequestHandler, type Response, type Router } from 'express';
import { type Route, routes } from '../../contract/routes.ts';
import type { TokenAccessControl } from '../auth/token-access-control.ts';
import type { Clock } from '../lib/clock.ts';
import { verifyWebhook } from '../lib/standard-webhooks.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { bind, grantFor, HttpError, type RouteHandler, type RouteHandlers } from './request.ts';
import { provenanceOf } from './same-origin.ts';

export type ApiDeps = {
  readonly handlers: RouteHandlers;
  readonly access: TokenAccessControl;
  readonly metrics: Metrics;
  readonly paymentWebhookSecret: string;
  readonly publicUrl: string | null;
  readonly clock: Clock;
};

/** Bytes of a request body; an order is the hot one and small. */
export const bodyLimit = 64 * 1_024;
export const orderBodyLimit = 16 * 1_024;

/** Every route of the contract, in the order: who is it → may they → does the request come from where it says → body → handler. */
export function createApiRouter(deps: ApiDeps): Router {
  const router = express.Router();
  for (const name of Object.keys(routes) as (keyof typeof routes)[]) {
    const route: Route = routes[name];
    router[route.method](
      route.path,
      measured(name, deps.metrics),
      authorize(route, deps),
      ...bodyOf(route, deps),
      // The table pairs each route with its own handler's type; a loop over it cannot say so.
      bind(route, deps.handlers[name] as RouteHandler<Route>),
    );
  }
  return router;
}

/** Refused before its body is read: a stranger costs as little as possible. */
function authorize(route: Route, { access, publicUrl }: ApiDeps): RequestHandler {
  return async (req, res, next) => {
    const grants = await access.grantsOf(req.headers);
    res.locals['grants'] = grants;
    grantFor(route, grants, req);
    if (route.method !== 'get' && route.access !== 'signed') {
      const provenance = provenanceOf(req, publicUrl);
      const byCookie = route.access !== 'open' && access.usesCookie(req.headers);
      if (byCookie ? provenance !== 'same_origin' : route.access === 'open' && provenance === 'elsewhere') {
        throw crossSite();
      }
    }
    next();
  };
}

/** A change by cookie that no page of ours has asked for. */
export const crossSite = (): HttpError =>
  new HttpError('forbidden', {
    message: {
      zh: '使用 Cookie 的修改请求必须来自本站页面；其他来源请使用 Authorization 令牌',
      en: 'A change authenticated by cookie must come from our own pages; send the token in Authorization instead.',
    },
  });

function bodyOf(route: Route, deps: ApiDeps): RequestHandler[] {
  if (route.body === undefined) return [];
  if (route.access === 'signed') {
    return [onlyJson, express.raw({ type: () => true, limit: bodyLimit }), signedBody(deps)];
  }
  const limit = route === routes.placeOrder ? orderBodyLimit : bodyLimit;
  return [onlyJson, express.json({ type: 'application/json', limit })];
}

function onlyJson(req: Request, _res: Response, next: NextFunction): void {
  const { 'content-length': length, 'transfer-encoding': encoding, 'content-type': type } = req.headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0');
  if (hasBody && !isJson(type)) throw new HttpError('unsupported_media_type');
  next();
}

/** `application/json`, with or without parameters. */
export const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/json *(;|$)/i.test(contentType);

/** The signature is over the bytes, so it is checked before anything looks into them. */
function signedBody({ paymentWebhookSecret, clock }: ApiDeps): RequestHandler {
  return (req, _res, next) => {
    const bytes: Buffer = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    const outcome = verifyWebhook(paymentWebhookSecret, req.headers, bytes, clock.now());
    if (outcome.kind === 'invalid') throw new HttpError('unauthorized', { message: signatureMessages[outcome.reason] });
    try {
      req.body = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw new HttpError('bad_request', { issues: [{ path: '', message: 'the body is not valid JSON' }] });
    }
    next();
  };
}

const outsideWindow = {
  zh: '回调时间戳与服务器相差超过 5 分钟',
  en: 'webhook-timestamp is more than 5 minutes away from the server.',
};
const signatureMessages = {
  missing_headers: {
    zh: '缺少 webhook-id、webhook-timestamp 或 webhook-signature',
    en: 'webhook-id, webhook-timestamp and webhook-signature are needed.',
  },
  bad_timestamp: { zh: 'webhook-timestamp 应为秒级时间戳', en: 'webhook-timestamp is not a number of seconds.' },
  too_old: outsideWindow,
  too_new: outsideWindow,
  no_match: { zh: '回调签名不符', en: 'No signature matches the body.' },
} as const;

function measured(name: string, metrics: Metrics): RequestHandler {
  return (_req, res, next) => {
    const stop = metrics.httpSeconds.startTimer({ route: name });
    res.once('close', () => stop({ status: String(res.statusCode) }));
    next();
  };
}
