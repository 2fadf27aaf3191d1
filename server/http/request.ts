import type { Request, RequestHandler, Response } from 'express';
import type * as z from 'zod/mini';
import type { Grant } from '../../contract/access.ts';
import { type ErrorCode, type WireError, wireError } from '../../contract/errors.ts';
import type { Route, routes } from '../../contract/routes.ts';
import { permits } from '../auth/access-control.ts';

/** Thrown at the rim only; the one error handler turns it into `{error}` with the status of its code. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly error: WireError;
  constructor(code: ErrorCode, extra: Partial<Omit<WireError, 'code' | 'action'>> = {}) {
    super(code);
    this.error = wireError(code, extra);
  }
}

type Params<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & Params<Rest>
  : Path extends `${string}:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;

export type RouteInput<R extends Route> = {
  readonly params: Params<R['path']>;
  readonly body: R extends { body: infer B extends z.ZodMiniType } ? z.output<B> : undefined;
  readonly query: R extends { query: infer Q extends z.ZodMiniType } ? z.output<Q> : undefined;
  /** The grant that permitted the request; for `open` and `signed` routes null. */
  readonly grant: Grant | null;
  readonly grants: readonly Grant[];
  readonly req: Request;
  readonly res: Response;
};

/** A handler returns the answer's body, typed by the route; the binder sends it with the route's status. */
export type RouteHandler<R extends Route> = (input: RouteInput<R>) => Promise<z.input<R['answer']>>;

export type RouteHandlers = { readonly [Name in keyof typeof routes]: RouteHandler<(typeof routes)[Name]> };

/** Parses what a schema describes, or throws `bad_request` that names every mistake. */
export function parseWith<Schema extends z.ZodMiniType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, 20)
    .map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  throw new HttpError('bad_request', { issues });
}

/** Turns one route of the contract and its handler into Express middleware: access, parse, handle, answer. */
export function bind<R extends Route>(route: R, handler: RouteHandler<R>): RequestHandler {
  return async (req, res) => {
    const grants: readonly Grant[] = res.locals['grants'] ?? [];
    const grant = grantFor(route, grants, req);
    const input = {
      params: req.params,
      body: route.body === undefined ? undefined : parseWith(route.body, req.body),
      query: route.query === undefined ? undefined : parseWith(route.query, req.query),
      grant,
      grants,
      req,
      res,
    } as unknown as RouteInput<R>;
    const answer = await handler(input);
    res.status(route.status).json(answer);
  };
}

function grantFor(route: Route, grants: readonly Grant[], req: Request): Grant | null {
  if (route.access === 'open' || route.access === 'signed') return null;
  const livestreamId = req.params['livestreamId'];
  const grant = permits(grants, route.access, typeof livestreamId === 'string' ? livestreamId : null);
  if (grant === null) throw new HttpError(grants.length === 0 ? 'unauthorized' : 'forbidden');
  return grant;
}
