import { openDatabase } from '../../server/db/database.ts';
import { MemoryStockEngine } from '../../server/stock/memory-engine.ts';
import { ManualClock, startStack } from './stack.ts';
import { describeWhatBreaks } from './what-breaks.ts';

/** The embedded shape: in-process gate and PGlite. */
describeWhatBreaks('in-process gate, embedded database', async () => {
  const clock = new ManualClock();
  const settings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };
  const engine = new MemoryStockEngine({ clock, settings });
  const database = await openDatabase({ databaseUrl: null, dataDir: null });
  const stack = await startStack({ engine, database, clock });
  // A process that has lost its memory has a new, empty gate.
  const flushGate = () => engine.archive('night');
  return { ...stack, flushGate };
});
