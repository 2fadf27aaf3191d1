import * as z from 'zod/mini';
import { errorTable, type WireError, wireError } from '../../contract/errors.ts';
import { isDatabaseAway } from '../db/driver-error.ts';
import { LedgerRefused, LedgerUnknown } from '../orders/order-ledger.ts';
import { GateUnavailable } from '../stock/stock-engine.ts';
import { HttpError } from './request.ts';

/** Headers of every JSON answer, the same from Express and from the fast path. Nothing here is a page, and nothing may be stored. */
export const jsonHeaders: Readonly<Record<string, string>> = Object.freeze({
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

/** A shop's own pages may read answers; they bring a token in a header, never our cookies, so credentials stay forbidden. */
export function corsHeaders(
  origin: string | undefined,
  allowedOrigins: readonly string[],
): Readonly<Record<string, string>> {
  if (allowedOrigins.length === 0) return {};
  if (origin === undefined || !allowedOrigins.includes(origin)) return { vary: 'Origin' };
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'x-request-id, retry-after',
  };
}

/** How an error goes over HTTP: its status, `Retry-After` where waiting helps, and `{error}`. */
export function errorAnswer(error: WireError, requestId: string) {
  const retryAfter =
    error.minBackoffMs === undefined ? {} : { 'retry-after': String(Math.ceil(error.minBackoffMs / 1_000)) };
  return { status: errorTable[error.code].status, headers: retryAfter, body: { error: { ...error, requestId } } };
}

/** The wire's form of whatever was thrown; null: a bug of ours, which is `internal` for the client and a log line for us. */
export function knownError(thrown: unknown): WireError | null {
  if (thrown instanceof HttpError) return thrown.error;
  if (isAway(thrown)) return wireError('unavailable');
  if (thrown instanceof z.core.$ZodError) return wireError('bad_request', { issues: issuesOf(thrown) });
  if (!(thrown instanceof Error) || !('status' in thrown) || typeof thrown.status !== 'number') return null;
  if (thrown.status < 400 || thrown.status > 499) return null;
  // Express and its body parser name what was wrong in `type`.
  const type = 'type' in thrown ? String(thrown.type) : '';
  if (type === 'entity.too.large') return wireError('payload_too_large');
  if (type.endsWith('.unsupported')) return wireError('unsupported_media_type');
  return wireError('bad_request', { issues: [{ path: '', message: readable[type] ?? 'the request is malformed' }] });
}

/** Gate or database cannot be asked: nobody's mistake, readiness and the periodic work tell the log, and the client comes again. */
const isAway = (thrown: unknown): boolean =>
  thrown instanceof GateUnavailable || thrown instanceof LedgerUnknown || isDatabaseAway(causeOf(thrown));

const causeOf = (thrown: unknown): unknown => (thrown instanceof LedgerRefused ? thrown.cause : thrown);

const readable: Readonly<Record<string, string>> = {
  'entity.parse.failed': 'the body is not valid JSON',
  'request.aborted': 'the body ended early',
  'request.size.invalid': 'Content-Length and body differ',
};

/** What is wrong and where, at most 20. */
function issuesOf(error: z.core.$ZodError): { path: string; message: string }[] {
  return error.issues.slice(0, 20).map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
}
