import { expect, test } from 'vitest';
import { createLog, withoutTokens } from './log.ts';

const overlayToken = `ovl_${'A'.repeat(43)}`;
const token = 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoidmlld2VyIn0.Zm9yZ2Vk-signature_1';

test('[AC-14] no token, cookie or secret reaches a log line, wherever it stands', () => {
  const lines: string[] = [];
  const log = createLog({ logLevel: 'trace' }, { write: (line: string) => void lines.push(line) });
  const headers = {
    authorization: `Bearer ${token}`,
    cookie: `stockcast_viewer=${token}`,
    'set-cookie': [token],
    host: 'x',
  };
  log.info(
    { req: { headers }, token, orderToken: 'o-1~abc', deep: { er: { secret: 'whsec_abc' } } },
    'all known fields',
  );
  log.warn({ url: `/viewer/?livestream=demo#token=${token}`, page: '/pay/?order=o-1~abcdef&x=1' }, `opened ${token}`);
  log.error({ err: new Error(`refused Bearer ${token}`) }, 'in an error');
  log.error({ auth: [overlayToken], err: new Error(`not found: ${overlayToken}`) }, `opened ${overlayToken}`);
  const driver = Object.assign(new Error('refused'), { code: '57P01', client: { password: 'hunter2' } });
  log.error({ err: new Error('not stored', { cause: driver }) }, 'what libraries hang on errors');
  const text = lines.join('');
  expect(lines).toHaveLength(5);
  expect(text).not.toContain('hunter2');
  expect(JSON.parse(lines[4] ?? '').err).toMatchObject({
    message: 'not stored',
    cause: { message: 'refused', code: '57P01' },
  });
  expect(text).not.toContain('eyJ');
  expect(text).not.toContain('AAAA');
  expect(text).not.toContain('whsec_abc');
  expect(text).not.toContain('o-1~abc');
  expect(text).toContain('[redacted]');
  expect(text).toContain('livestream=demo');
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
});

test('[AC-14] what is no token stays as it is', () => {
  const line = '{"livestreamId":"demo","orderId":"o-1","code":"unauthorized"}';
  expect(withoutTokens(line)).toBe(line);
});

test('[AC-14] a level that is not asked for writes nothing', () => {
  const lines: string[] = [];
  const log = createLog({ logLevel: 'warn' }, { write: (line: string) => void lines.push(line) });
  log.info('quiet');
  log.warn('loud');
  expect(lines).toHaveLength(1);
});
