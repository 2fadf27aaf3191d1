import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openDatabase } from '../../server/db/database.ts';
import { CannotStart } from '../../server/lib/cannot-start.ts';
import { systemClock } from '../../server/lib/clock.ts';
import { openGate } from '../../server/open-gate.ts';

const log = pino({ level: 'silent' });
/** Nobody listens there. */
const nowhere = '127.0.0.1:1';

test('[HT-25] a PostgreSQL that cannot be reached ends the start with a sentence, without the password', async () => {
  const error = await openDatabase({ databaseUrl: `postgresql://shop:hunter2@${nowhere}/x`, dataDir: null }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CannotStart);
  expect(String(error)).toMatch(/PostgreSQL cannot be used: .*127\.0\.0\.1:1.*DATABASE_URL/);
  expect(String(error)).not.toContain('hunter2');
});

test('[HT-25] a Redis that cannot be reached ends the start with a sentence, without the password', async () => {
  const settings = { pendingLeaseMs: 2_500, keyTtlMs: 60_000 };
  const opening = openGate({ redisUrl: `redis://:hunter2@${nowhere}`, clock: systemClock, settings, log });
  const error = await opening.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CannotStart);
  expect(String(error)).toMatch(/Redis is away: .*127\.0\.0\.1:1.*REDIS_URL/);
  expect(String(error)).not.toContain('hunter2');
});
