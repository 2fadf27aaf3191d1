import { afterAll, beforeAll } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../server/db/database.ts';
import { MemoryStockEngine } from '../../server/stock/memory-engine.ts';
import { describeOrderRules } from './order-rules.ts';
import { emptyDatabase, livestreamId, ManualClock, startStack } from './stack.ts';
import { describeWhatBreaks } from './what-breaks.ts';

let database: OpenDatabase;
beforeAll(async () => {
  database = await openDatabase({ databaseUrl: null, dataDir: null });
});
afterAll(() => database.close());

/** The embedded shape: in-process gate and PGlite. */
const create = async () => {
  await emptyDatabase(database);
  const clock = new ManualClock();
  const engine = new MemoryStockEngine({ clock, settings: { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 } });
  const stack = await startStack({ engine, database, clock });
  // A process that has lost its memory has a new, empty gate.
  return { ...stack, flushGate: () => engine.archive(livestreamId) };
};

describeWhatBreaks('in-process gate, embedded database', create);
describeOrderRules('in-process gate, embedded database', create);
