import { expect, test } from 'vitest';
import { errorCodes, errorTable, faultCodes, refusalCodes, WireError, wireError } from './errors.ts';

test('[PR-2] refusals have this order of precedence', () => {
  expect(refusalCodes).toEqual([
    'rebuilding',
    'in_progress',
    'duplicate',
    'idempotency_mismatch',
    'not_found',
    'not_open',
    'stopped',
    'limit_buyer',
    'limit_device',
    'risk_blocked',
    'sold_out',
    'insufficient',
  ]);
});

test('[PR-3] every code has a status, an advice and a sentence in two languages; `duplicate` is no error', () => {
  expect(Object.keys(errorTable).toSorted()).toEqual([...errorCodes].toSorted());
  expect(errorCodes).toEqual([...refusalCodes.filter((code) => code !== 'duplicate'), ...faultCodes]);
  expect(new Set(errorCodes).size).toBe(errorCodes.length);
  for (const code of errorCodes) {
    const { status, message } = errorTable[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(message.zh).toMatch(/\p{Script=Han}/u);
    expect(message.en).toMatch(/^[A-Z].*\.$/);
    expect(WireError.parse(wireError(code))).toEqual(wireError(code));
  }
});

test('[PR-3] who is told to retry is told how long to wait, and a server error is always worth a retry', () => {
  for (const code of errorCodes) {
    const { status, action, minBackoffMs } = errorTable[code];
    expect([code, action === 'retry']).toEqual([code, minBackoffMs !== undefined]);
    if (status >= 500) expect([code, action]).toEqual([code, 'retry']);
  }
});

test('[PR-3] extras join the error and never replace its code or advice', () => {
  expect(wireError('limit_buyer', { skuId: 'tea', limit: 2, counted: 2 })).toEqual({
    code: 'limit_buyer',
    action: 'fix',
    message: errorTable.limit_buyer.message,
    skuId: 'tea',
    limit: 2,
    counted: 2,
  });
});
