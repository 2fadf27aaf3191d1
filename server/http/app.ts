import compression from 'compression';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Router } from 'express';
import { wireError } from '../../contract/errors.ts';
import { API_PREFIX } from '../../contract/routes.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { corsHeaders, errorAnswer, jsonHeaders, knownError } from './api-answer.ts';
import { apiDocuments } from './api-documents.ts';
import { type ApiDeps, createApiRouter } from './api-router.ts';
import { operationsRoutes } from './operations-routes.ts';
import { noReferrer, pageHeaders, pageRoutes } from './pages.ts';
import type { Readiness } from './readiness.ts';
import { HttpError } from './request.ts';

export type HttpDeps = Omit<ApiDeps, 'publicUrl'> & {
  readonly config: Pick<Config, 'publicUrl' | 'allowedOrigins' | 'trustProxy' | 'metricsToken'>;
  readonly readiness: Readiness;
  readonly log: Log;
  readonly nextRequestId: () => string;
  readonly metricsText?: (() => Promise<string>) | undefined;
  /** Built pages (`dist/public`) and the demo's pictures (`public/assets/demo`). */
  readonly folders: { readonly pages: string; readonly demoAssets: string };
  /** What only a demo has: the simulated payment, the replay. Answers JSON. */
  readonly extras?: readonly { readonly path: string; readonly router: Router }[];
};

/** Everything over HTTP except the hot POST of an order, which `order-fast-path.ts` answers before Express sees it. */
export function createHttpApp(deps: HttpDeps): Express {
  const { config, log, extras = [] } = deps;
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', config.trustProxy);
  app.set('etag', false);
  app.use(requestIds(deps), closeWhenDraining(deps.readiness));

  const json = jsonAnswers(config.allowedOrigins);
  app.use(['/healthz', '/readyz', '/metrics'], json);
  app.use(operationsRoutes({ ...deps, metricsToken: config.metricsToken }));

  for (const { path, router } of extras) app.use(path, json, router);
  const documents = apiDocuments({ publicUrl: config.publicUrl });
  app.use('/api', json);
  app.use(API_PREFIX, compression({ threshold: 2_048, filter: onlyReads }), documents.json);
  app.use(API_PREFIX, createApiRouter({ ...deps, publicUrl: config.publicUrl }));
  app.use('/api', () => {
    throw new HttpError('route_not_found');
  });

  app.use(pageHeaders(config));
  app.use('/anchor', noReferrer);
  app.use('/docs', documents.pages);
  app.use(pageRoutes(deps.folders, config.allowedOrigins));
  app.use(json, () => {
    throw new HttpError('route_not_found');
  });
  app.use(answerErrors(log));
  return app;
}

const requestIdPattern = /^[\w.-]{1,64}$/;

/** A proxy that we trust may have named the request already; nobody else names requests in our logs. */
function requestIds({ nextRequestId, config }: HttpDeps): RequestHandler {
  return (req, res, next) => {
    const given = config.trustProxy > 0 ? req.get('x-request-id') : undefined;
    const requestId = given !== undefined && requestIdPattern.test(given) ? given : nextRequestId();
    res.locals['requestId'] = requestId;
    res.setHeader('x-request-id', requestId);
    next();
  };
}

function jsonAnswers(allowedOrigins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    const cors = corsHeaders(req.headers.origin, allowedOrigins);
    res.set(jsonHeaders).set(cors);
    const isPreflight = req.method === 'OPTIONS' && 'access-control-request-method' in req.headers;
    if (!isPreflight || !('access-control-allow-origin' in cors)) {
      next();
      return;
    }
    res.set({
      'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': '600',
    });
    res.status(204).end();
  };
}

/** Answers that hold secrets are all to POST; compressing them beside chosen input could give them away by their length. */
const onlyReads: compression.CompressionFilter = (req, res) => req.method === 'GET' && compression.filter(req, res);

/** Clients on kept-alive connections find another node with their next request. */
function closeWhenDraining(readiness: Readiness): RequestHandler {
  return (_req, res, next) => {
    if (readiness.draining) res.setHeader('connection', 'close');
    next();
  };
}

/** The one place where an exception becomes an answer. */
function answerErrors(log: Log): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return (thrown: unknown, req, res, next) => {
    const requestId = String(res.locals['requestId']);
    const known = knownError(thrown);
    const at = { requestId, method: req.method, path: req.originalUrl.split('?', 1)[0] };
    if (known === null) log.error({ ...at, err: thrown }, 'a request failed');
    else log.debug({ ...at, code: known.code }, 'refused');
    if (res.headersSent) {
      next(thrown);
      return;
    }
    const { status, headers, body } = errorAnswer(known ?? wireError('internal'), requestId);
    res.set(jsonHeaders).set(headers).status(status).json(body);
  };
}
