import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Grant } from '../../contract/access.ts';
import { type WireError, wireError } from '../../contract/errors.ts';
import { PlaceOrder } from '../../contract/orders.ts';
import { permits } from '../auth/access-control.ts';
import type { TokenAccessControl } from '../auth/token-access-control.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { OrderService } from '../orders/order-service.ts';
import { corsHeaders, errorAnswer, jsonHeaders, knownError } from './api-answer.ts';
import { crossSite, isJson, orderBodyLimit } from './api-router.ts';
import { buyerOf, placedBody, placedStatus } from './order-answer.ts';
import { readBody } from './read-body.ts';
import type { Readiness } from './readiness.ts';
import { HttpError, parseWith } from './request.ts';
import { provenanceOf } from './same-origin.ts';

export type FastPathDeps = {
  readonly orders: Pick<OrderService, 'place' | 'refusesNow'>;
  readonly access: TokenAccessControl;
  readonly metrics: Pick<Metrics, 'orderSeconds'>;
  readonly readiness: Pick<Readiness, 'draining'>;
  readonly config: Pick<Config, 'publicUrl' | 'allowedOrigins'>;
  readonly log: Log;
  readonly nextRequestId: () => string;
  /** How long a body may take to arrive. */
  readonly bodyTimeoutMs?: number;
};

/** Answers the request and returns true, or leaves it untouched and returns false. */
export type FastPath = (req: IncomingMessage, res: ServerResponse) => boolean;

/** Only the plain form of the address; whatever is spelt differently goes to Express, which knows all of HTTP's habits. */
const orderAddress = /^\/api\/v1\/livestreams\/([A-Za-z0-9_.-]{1,64})\/orders(?:\?|$)/;

/**
 * `POST /api/v1/livestreams/:livestreamId/orders` on the bare node:http server: Express costs 7 to 9 times as much per request
 * (measured: 219–392 µs against 31–58 µs). The same suite of tests runs against this and against the route in Express.
 */
export function createOrderFastPath(deps: FastPathDeps): FastPath {
  return (req, res) => {
    const livestreamId = req.method === 'POST' ? orderAddress.exec(req.url ?? '')?.[1] : undefined;
    if (livestreamId === undefined) return false;
    // Before the token, the body and the schema: what is shed must cost next to nothing.
    const shed = deps.orders.refusesNow();
    if (shed !== null) {
      sendError(deps, { req, res, requestId: deps.nextRequestId() }, shed);
      return true;
    }
    const stop = deps.metrics.orderSeconds.startTimer({ via: 'http' });
    void answerOrder(deps, livestreamId, req, res).finally(stop);
    return true;
  };
}

/** The server's request listener: the fast path first, all else to Express. */
export function createRequestListener(app: RequestListener, fastPath: FastPath): RequestListener {
  return (req, res) => {
    if (!fastPath(req, res)) app(req, res);
  };
}

async function answerOrder(
  deps: FastPathDeps,
  livestreamId: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const requestId = deps.nextRequestId();
  try {
    const grant = await permitOrder(deps, livestreamId, req);
    if (!isJson(req.headers['content-type']) && hasBody(req)) throw new HttpError('unsupported_media_type');
    const order = parseWith(PlaceOrder, await readBody(req, orderBodyLimit, deps.bodyTimeoutMs ?? 10_000));
    const outcome = await deps.orders.place(livestreamId, buyerOf(grant, order), order);
    if (outcome.kind === 'refused') sendError(deps, { req, res, requestId }, outcome.error);
    else
      send(
        deps,
        { req, res, requestId },
        { status: placedStatus[outcome.kind], headers: {}, body: placedBody(outcome) },
      );
  } catch (thrown) {
    const known = knownError(thrown);
    if (known === null) deps.log.error({ requestId, err: thrown }, 'an order request failed');
    sendError(deps, { req, res, requestId }, known ?? wireError('internal'));
  }
}

/** As `authorize` of the routes in Express, in the same order. */
async function permitOrder(deps: FastPathDeps, livestreamId: string, req: IncomingMessage): Promise<Grant> {
  const grants = await deps.access.grantsOf(req.headers);
  const grant = permits(grants, 'order', livestreamId);
  if (grant === null) throw new HttpError(grants.length === 0 ? 'unauthorized' : 'forbidden');
  if (deps.access.usesCookie(req.headers) && provenanceOf(req, deps.config.publicUrl) !== 'same_origin') {
    throw crossSite();
  }
  return grant;
}

/** Nothing is left of the body, or little that nobody has begun to read: Node reads it and forgets it, the connection stays usable. */
const endsSoon = (req: IncomingMessage): boolean =>
  req.complete ||
  !hasBody(req) ||
  (req.readableFlowing === null && Number(req.headers['content-length'] ?? Infinity) <= orderBodyLimit);

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

type Exchange = { readonly req: IncomingMessage; readonly res: ServerResponse; readonly requestId: string };
type Answer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: unknown };

function sendError(deps: FastPathDeps, exchange: Exchange, error: WireError): void {
  send(deps, exchange, errorAnswer(error, exchange.requestId));
}

function send({ config, readiness }: FastPathDeps, { req, res, requestId }: Exchange, answer: Answer): void {
  if (res.destroyed) return;
  const text = JSON.stringify(answer.body);
  // A body that will not be read to its end makes the connection useless for the next request.
  const close = readiness.draining || !endsSoon(req);
  res.writeHead(answer.status, {
    ...jsonHeaders,
    ...corsHeaders(req.headers.origin, config.allowedOrigins),
    ...answer.headers,
    'x-request-id': requestId,
    'content-length': Buffer.byteLength(text),
    ...(close ? { connection: 'close' } : {}),
  });
  res.end(text);
}
