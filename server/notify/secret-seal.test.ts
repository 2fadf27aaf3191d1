import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSecretSeal } from './secret-seal.ts';

const [old, next] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const sealedOnce = 'channel/robot/secret';

test('[NO-66] whatever is sealed opens again as it was, never looks the same twice, and shows nothing of the secret', () => {
  const seal = createSecretSeal([next]);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (secret) => {
      const [one, two] = [seal.seal(sealedOnce, secret), seal.seal(sealedOnce, secret)];
      expect(one).not.toBe(two);
      if (secret.length > 8) expect(one).not.toContain(secret);
      expect(seal.open(sealedOnce, one)).toEqual({ secret, isCurrent: true });
    }),
  );
});

test('[NO-66] a value that was altered, cut, or moved to another place does not open', () => {
  const seal = createSecretSeal([next]);
  const value = seal.seal(sealedOnce, 'SECabcdef');
  expect(seal.open('channel/other/secret', value)).toBeNull();
  const at = value.lastIndexOf(':') + 1;
  const bytes = Buffer.from(value.slice(at), 'base64url');
  for (const index of bytes.keys()) {
    const altered = Buffer.from(bytes);
    altered[index] = (altered[index] ?? 0) ^ 1;
    expect(seal.open(sealedOnce, value.slice(0, at) + altered.toString('base64url'))).toBeNull();
  }
  expect(seal.open(sealedOnce, value.slice(0, at + 10))).toBeNull();
  expect(seal.open(sealedOnce, value.slice(0, -4))).toBeNull();
});

test('[NO-67] an older key opens and is not current, an unknown one opens nothing, and a value from before sealing is itself', () => {
  const before = createSecretSeal([old]).seal(sealedOnce, 'p@ss');
  expect(createSecretSeal([next, old]).open(sealedOnce, before)).toEqual({ secret: 'p@ss', isCurrent: false });
  expect(createSecretSeal([next]).open(sealedOnce, before)).toBeNull();
  expect(createSecretSeal([next]).open(sealedOnce, 'plain')).toEqual({ secret: 'plain', isCurrent: false });
});
