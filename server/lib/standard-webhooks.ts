import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** A message older or newer than this is refused, so that a recorded one cannot be played again later. */
export const toleranceMs = 5 * 60_000;

/** Signatures of one header that are looked at: providers send two while they change their secret. */
const signaturesMax = 5;

export type SignedMessage = { readonly id: string; readonly timestampSeconds: number; readonly body: string | Buffer };

export type VerifyOutcome =
  | { readonly kind: 'valid'; readonly id: string }
  | {
      readonly kind: 'invalid';
      readonly reason: 'missing_headers' | 'bad_timestamp' | 'too_old' | 'too_new' | 'no_match';
    };

/** Headers of a message as Standard Webhooks has them: HMAC-SHA256 of `id.timestamp.body` under the base64 part of `whsec_…`. */
export function signWebhook(secret: string, message: SignedMessage): Record<string, string> {
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestampSeconds),
    'webhook-signature': `v1,${digestOf(secret, message).toString('base64')}`,
  };
}

/** Checks the bytes as they arrived: a body that was parsed and printed again has another signature. */
export function verifyWebhook(
  secret: string,
  headers: IncomingHttpHeaders,
  body: string | Buffer,
  nowMs: number,
): VerifyOutcome {
  const [id, timestamp, signatures] = [
    headers['webhook-id'],
    headers['webhook-timestamp'],
    headers['webhook-signature'],
  ];
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string' || id === '') {
    return { kind: 'invalid', reason: 'missing_headers' };
  }
  if (!/^\d{1,12}$/.test(timestamp)) return { kind: 'invalid', reason: 'bad_timestamp' };
  const timestampSeconds = Number(timestamp);
  const ageMs = nowMs - timestampSeconds * 1_000;
  if (ageMs > toleranceMs) return { kind: 'invalid', reason: 'too_old' };
  if (ageMs < -toleranceMs) return { kind: 'invalid', reason: 'too_new' };
  const expected = digestOf(secret, { id, timestampSeconds, body });
  const matches = signatures
    .split(' ')
    .slice(0, signaturesMax)
    .some((signature) => isSignature(signature, expected));
  return matches ? { kind: 'valid', id } : { kind: 'invalid', reason: 'no_match' };
}

function isSignature(signature: string, expected: Buffer): boolean {
  const [version, encoded] = signature.split(',', 2);
  if (version !== 'v1' || encoded === undefined) return false;
  const given = Buffer.from(encoded, 'base64');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function digestOf(secret: string, { id, timestampSeconds, body }: SignedMessage): Buffer {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body).digest();
}
