import { expect, test } from 'vitest';
import { judgeServer } from './redis-requirements.ts';

const info = (fields: Readonly<Record<string, string>>): string =>
  Object.entries({
    redis_version: '7.0.15',
    cluster_enabled: '0',
    maxmemory: '0',
    maxmemory_policy: 'noeviction',
    ...fields,
  })
    .map(([name, value]) => `${name}:${value}`)
    .join('\r\n');

test('[RD-3] versions: 6.2 for a server, 7.0 for a cluster', () => {
  expect(judgeServer(info({ redis_version: '6.2.14' }), 'single', true)).toEqual({ kind: 'suitable' });
  expect(judgeServer(info({ redis_version: '6.0.20' }), 'single', true)).toMatchObject({ kind: 'unsuitable' });
  expect(judgeServer(info({ redis_version: '6.0.20' }), 'sentinel', false)).toEqual({
    kind: 'unsuitable',
    sentence: expect.stringMatching(/Redis 6\.0\.20 is too old.*6\.2/),
  });
  const cluster = { cluster_enabled: '1' };
  expect(judgeServer(info({ ...cluster, redis_version: '6.2.14' }), 'cluster', false)).toMatchObject({
    kind: 'unsuitable',
    sentence: expect.stringContaining('a cluster needs 7.0'),
  });
  expect(judgeServer(info({ ...cluster, redis_version: '7.2.4' }), 'cluster', true)).toEqual({ kind: 'suitable' });
  expect(judgeServer(info({ redis_version: '10.0.0' }), 'single', true)).toEqual({ kind: 'suitable' });
});

test('[RD-3] one server of a cluster, named as if it were all of it, is refused with the URL that would be right', () => {
  expect(judgeServer(info({ cluster_enabled: '1' }), 'single', false)).toMatchObject({
    kind: 'unsuitable',
    sentence: expect.stringContaining('redis+cluster://'),
  });
});

test('[RD-3] a policy that evicts keys of livestreams is refused in production and warned about elsewhere', () => {
  const evicting = info({ maxmemory: '1000000', maxmemory_policy: 'allkeys-lru' });
  expect(judgeServer(evicting, 'single', true)).toMatchObject({ kind: 'unsuitable' });
  expect(judgeServer(evicting, 'single', false)).toEqual({
    kind: 'doubtful',
    sentence: expect.stringMatching(/allkeys-lru.*noeviction/),
  });
  // It evicts nothing: there is no limit, or only keys with an expiry, of which the gate has none.
  expect(judgeServer(info({ maxmemory_policy: 'allkeys-lru' }), 'single', true)).toEqual({ kind: 'suitable' });
  const volatile = info({ maxmemory: '1000000', maxmemory_policy: 'volatile-lru' });
  expect(judgeServer(volatile, 'single', true)).toEqual({ kind: 'suitable' });
});
