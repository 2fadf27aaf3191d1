import { describe, expect, test } from 'vitest';
import { errorCodes, errorTable, wireError } from '../../contract/errors.ts';
import { mayHaveEffect, nextStep } from './order-retry.ts';

const first = { attempt: 0, openAttempts: 0, elapsedMs: 0, random: 1 };

describe('retry of orders', () => {
  test('[VW-11] every error that the contract calls retryable is retried, after its own pause at least', () => {
    const retryable = errorCodes.filter((code) => errorTable[code].action === 'retry');
    expect(retryable.length).toBeGreaterThan(3);
    for (const code of retryable) {
      const step = nextStep({ ...first, openAttempts: 1, error: wireError(code) });
      expect(step.kind).toBe('retry');
      if (step.kind === 'retry') expect(step.afterMs).toBeGreaterThanOrEqual(errorTable[code].minBackoffMs ?? 0);
    }
  });

  test('[VW-11] after ten seconds the order is undecided, not failed', () => {
    const error = wireError('unavailable');
    expect(nextStep({ ...first, error, attempt: 4, openAttempts: 5, elapsedMs: 9_500 }).kind).toBe('undecided');
  });

  test('[VW-10] a definite refusal ends the attempt, also after attempts without an answer', () => {
    for (const code of ['sold_out', 'limit_buyer', 'stopped', 'idempotency_mismatch'] as const) {
      expect(nextStep({ ...first, error: wireError(code), openAttempts: 2 }).kind).toBe('refuse');
    }
  });

  test('[VW-10] a lost session says nothing about attempts whose effect is unknown', () => {
    const error = wireError('unauthorized');
    expect(nextStep({ ...first, error }).kind).toBe('refuse');
    expect(nextStep({ ...first, error, openAttempts: 1 }).kind).toBe('undecided');
    expect(mayHaveEffect(error)).toBe(false);
  });

  test('[VW-11] a code of a newer server is retried and kept', () => {
    const error = { ...wireError('unavailable'), code: 'brand_new' as 'unavailable' };
    expect(nextStep({ ...first, error, openAttempts: 1 }).kind).toBe('retry');
  });
});
