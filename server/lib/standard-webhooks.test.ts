import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { signWebhook, toleranceMs, verifyWebhook } from './standard-webhooks.ts';

const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const body =
  '{"type":"inventory.stock.changed","timestamp":"2023-11-14T22:13:20Z","data":{"sku":"SKU-1","available":3}}';
const message = { id: 'msg_test', timestampSeconds: 1_700_000_000, body };
const nowMs = message.timestampSeconds * 1_000;

test('[HT-14] a signature is the one that the specification gives for this message', () => {
  expect(signWebhook(secret, message)).toEqual({
    'webhook-id': 'msg_test',
    'webhook-timestamp': '1700000000',
    'webhook-signature': 'v1,vD5s1XVhBSGdaR/nm5fbg+B1sFQxqaHtd8+8AKMTZmQ=',
  });
  expect(verifyWebhook(secret, signWebhook(secret, message), body, nowMs)).toEqual({ kind: 'valid', id: 'msg_test' });
});

test('[HT-14] the published library verifies what we sign, and we verify what it signs', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.stringMatching(/^msg_[a-z0-9]{1,20}$/),
      fc.uint8Array({ minLength: 24, maxLength: 64 }),
      (payload, id, bytes) => {
        const key = `whsec_${Buffer.from(bytes).toString('base64')}`;
        const timestampSeconds = Math.floor(Date.now() / 1_000);
        const library = new Webhook(key);
        const ours = signWebhook(key, { id, timestampSeconds, body: payload });
        expect(() => library.verify(payload, ours, { jsonParse: false })).not.toThrow();
        const theirs = { ...ours, 'webhook-signature': library.sign(id, new Date(timestampSeconds * 1_000), payload) };
        expect(verifyWebhook(key, theirs, payload, Date.now()).kind).toBe('valid');
      },
    ),
    { numRuns: 50 },
  );
});

test('[HT-14] a message counts for five minutes, in both directions', () => {
  const headers = signWebhook(secret, message);
  const at = (ms: number) => verifyWebhook(secret, headers, body, ms);
  expect(at(nowMs + toleranceMs).kind).toBe('valid');
  expect(at(nowMs - toleranceMs).kind).toBe('valid');
  expect(at(nowMs + toleranceMs + 1)).toEqual({ kind: 'invalid', reason: 'too_old' });
  expect(at(nowMs - toleranceMs - 1)).toEqual({ kind: 'invalid', reason: 'too_new' });
});

test('[HT-14] during a change of the secret one of several signatures is enough', () => {
  const headers = signWebhook(secret, message);
  const old = signWebhook('whsec_b3RoZXIgc2VjcmV0IG9mIHRoZSBwcm92aWRlcg==', message)['webhook-signature'];
  const both = { ...headers, 'webhook-signature': `${old} v1a,abc ${headers['webhook-signature']}` };
  expect(verifyWebhook(secret, both, body, nowMs).kind).toBe('valid');
  const onlyOld = { ...headers, 'webhook-signature': old };
  expect(verifyWebhook(secret, onlyOld, body, nowMs)).toEqual({ kind: 'invalid', reason: 'no_match' });
});

test('[HT-14] one changed byte of body, id or time, or a header that is missing, is not valid', () => {
  const headers = signWebhook(secret, message);
  expect(verifyWebhook(secret, headers, `${body} `, nowMs)).toEqual({ kind: 'invalid', reason: 'no_match' });
  for (const change of [
    { 'webhook-id': 'msg_other' },
    { 'webhook-timestamp': '1700000001' },
    { 'webhook-signature': 'v1,' },
    { 'webhook-signature': '' },
    { 'webhook-signature': headers['webhook-signature']?.replace('v1,', 'v2,') },
  ]) {
    const outcome = verifyWebhook(secret, { ...headers, ...change }, body, nowMs);
    expect(outcome).toEqual({ kind: 'invalid', reason: 'no_match' });
  }
  expect(verifyWebhook(secret, { ...headers, 'webhook-timestamp': '1e9' }, body, nowMs)).toEqual({
    kind: 'invalid',
    reason: 'bad_timestamp',
  });
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    const outcome = verifyWebhook(secret, { ...headers, [name]: undefined }, body, nowMs);
    expect(outcome).toEqual({ kind: 'invalid', reason: 'missing_headers' });
  }
});
