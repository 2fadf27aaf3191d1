import type { ErrorCode, WireError } from '../../contract/errors.ts';
import { backOffMs } from './back-off.ts';

/** Longest time that an order is retried by itself before the buyer is asked. */
export const retryForMs = 10_000;

/**
 * What an error says about the order. definite: there is none under this key, and never will be · retry: not known yet, the same key must
 * be sent again · unrelated: the request was not looked at, so earlier attempts stay as they are.
 */
const meaningOf: Record<ErrorCode, 'definite' | 'retry' | 'unrelated'> = {
  rebuilding: 'retry',
  in_progress: 'retry',
  rate_limited: 'retry',
  overloaded: 'retry',
  unavailable: 'retry',
  internal: 'retry',
  idempotency_mismatch: 'definite',
  not_found: 'definite',
  not_open: 'definite',
  stopped: 'definite',
  limit_buyer: 'definite',
  limit_device: 'definite',
  risk_blocked: 'definite',
  sold_out: 'definite',
  insufficient: 'definite',
  bad_request: 'definite',
  conflict: 'definite',
  route_not_found: 'definite',
  payload_too_large: 'definite',
  unsupported_media_type: 'definite',
  unauthorized: 'unrelated',
  forbidden: 'unrelated',
  protocol_mismatch: 'unrelated',
};

/** retry: after `afterMs` · refuse: tell the buyer, forget the key · undecided: tell the buyer, keep the key. */
export type NextStep =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'undecided' };

/** What follows a failed attempt. `openAttempts`: attempts so far whose effect is unknown, this one included. */
export function nextStep(state: {
  error: WireError;
  attempt: number;
  openAttempts: number;
  elapsedMs: number;
  random: number;
}): NextStep {
  const { error, attempt, openAttempts, elapsedMs, random } = state;
  const meaning = meaningOf[error.code] ?? 'retry';
  if (meaning === 'definite') return { kind: 'refuse' };
  if (meaning === 'unrelated') return { kind: openAttempts > 0 ? 'undecided' : 'refuse' };
  const afterMs = Math.max(error.minBackoffMs ?? 0, backOffMs({ firstMs: 300, maxMs: 2_500 }, attempt, random));
  return elapsedMs + afterMs > retryForMs ? { kind: 'undecided' } : { kind: 'retry', afterMs };
}

/** True if an attempt that ended so may have had an effect. */
export const mayHaveEffect = (error: WireError): boolean => (meaningOf[error.code] ?? 'retry') === 'retry';
