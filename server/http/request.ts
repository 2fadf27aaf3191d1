import type { Request, RequestHandler, Response } from 'express';
import type * as z from 'zod/mini';
import type { Grant } from '../../contract/access.ts';
import { type ErrorCode, type WireError, wireError } from '../../contract/errors.ts';
import { Id } from '../../contract/primitives.ts';
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

/** A refusal that a service returned as a value, on its way to the error handler. */
export const refusedWith = (error: WireError): HttpError => new HttpError(error.code, error);

type Params<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & Params<Rest>
  : Path extends `${string}:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;

export type RouteInput<R extends Route> = {
  /** Each of them an `Id`. */
  readonly params: Params<R['path']>;
  readonly body: R extends { body: infer B extends z.ZodMiniType } ? z.output<B> : undefined;
  readonly query: R extends { query: infer Q extends z.ZodMiniType } ? z.output<Q> : undefined;
  /** The grant that permitted the request; for `open` and `signed` routes null. */
  readonly grant: Grant | null;
  readonly grants: readonly Grant[];
  readonly req: Request;
  /** Only for headers, and for `answerWith` a status other than the route's; the answer itself is what the handler returns. */
  readonly res: Response;
};

/** A handler returns the answer's body, typed by the route; the binder sends it with the route's status. */
export type RouteHandler<R extends Route> = (input: RouteInput<R>) => Promise<z.input<R['answer']>>;

export type RouteHandlers = { readonly [Name in keyof typeof routes]: RouteHandler<(typeof routes)[Name]> };

/** Who did it, for the ledger's `actor`: the role, and the person where the token names one. */
export function actorOf(grant: Grant | null): string {
  if (grant === null) return 'nobody';
  return grant.buyerId === null ? grant.role : `${grant.role}:${grant.buyerId}`;
}

/** Parses what a schema describes, or throws `bad_request` that names every mistake. `under`: where in the request it stood. */
export function parseWith<Schema extends z.ZodMiniType>(
  schema: Schema,
  input: unknown,
  under?: string,
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 20).map((issue) => ({
    path: [...(under === undefined ? [] : [under]), ...issue.path].join('.'),
    message: issue.message,
  }));
  throw new HttpError('bad_request', { issues });
}

/** This answer leaves with another status than its route's, as 200 instead of 201 for a duplicate. */
export function answerWith(res: Response, status: number): void {
  res.locals['status'] = status;
}

/**
 * Turns one route of the contract and its handler into Express middleware: access, parse, handle, answer. The answer passes the route's
 * schema on its way out, so that a field which the contract does not know (a ledger's column, say) cannot leave.
 */
export function bind<R extends Route>(route: R, handler: RouteHandler<R>): RequestHandler {
  return async (req, res) => {
    const grants: readonly Grant[] = res.locals['grants'] ?? [];
    const input = {
      grant: grantFor(route, grants, req),
      grants,
      params: paramsOf(req),
      body: route.body === undefined ? undefined : parseWith(route.body, req.body),
      query: route.query === undefined ? undefined : parseWith(route.query, req.query),
      req,
      res,
    } as unknown as RouteInput<R>;
    const answer = route.answer.safeParse(await handler(input));
    if (!answer.success) throw new Error(`The answer of ${route.path} breaks the contract`, { cause: answer.error });
    res.status(res.locals['status'] ?? route.status).json(answer.data);
  };
}

/** The grant that permits this route; null where none is asked for. Throws `unauthorized` without any grant, `forbidden` with others. */
export function grantFor(route: Route, grants: readonly Grant[], req: Request): Grant | null {
  if (route.access === 'open' || route.access === 'signed') return null;
  const livestreamId = req.params['livestreamId'];
  const grant = permits(grants, route.access, typeof livestreamId === 'string' ? livestreamId : null);
  if (grant === null) throw new HttpError(grants.length === 0 ? 'unauthorized' : 'forbidden');
  return grant;
}

function paramsOf(req: Request): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(req.params).map(([name, value]) => [name, parseWith(Id, value, name)]));
}
