import { type ClientConfig, Pool } from 'pg';

/** `away`: it does not answer · `read_only`: it answers and takes nothing, as a standby does, or a server whose disk is full. */
export type DatabaseState = 'ok' | 'away' | 'read_only';

export type Pulse = {
  readonly state: DatabaseState;
  stop(): Promise<void>;
};

const everyMs = 500;
const answerWithinMs = 700;
/** Two: a machine that was busy for a moment is not a database that is away. A connection that is refused says so at once. */
const silencesMax = 2;

/**
 * Asks the server twice a second, on a connection of its own, whether it answers and takes writes: whoever needs it knows within 2.5 s
 * that it is away, without waiting for an answer, and within a second that it is back.
 */
export function startPulse(connection: ClientConfig, onChange: (state: DatabaseState, error: unknown) => void): Pulse {
  const pool = new Pool({
    ...connection,
    application_name: 'stockcast pulse',
    max: 1,
    connectionTimeoutMillis: answerWithinMs,
    query_timeout: answerWithinMs,
    statement_timeout: answerWithinMs,
  });
  // The next question finds out.
  pool.on('error', () => undefined);
  let state: DatabaseState = 'ok';
  let silences = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const become = (next: DatabaseState, error: unknown) => {
    if (next === state || stopped) return;
    state = next;
    onChange(next, error);
  };
  const ask = async (): Promise<void> => {
    try {
      const { rows } = await pool.query<{ transaction_read_only: string }>('SHOW transaction_read_only');
      silences = 0;
      become(rows[0]?.transaction_read_only === 'on' ? 'read_only' : 'ok', null);
    } catch (error) {
      silences += isSilence(error) ? 1 : silencesMax;
      if (silences >= silencesMax) become('away', error);
    }
  };
  const askAgain = async (): Promise<void> => {
    await ask();
    if (stopped) return;
    timer = setTimeout(repeat, silences > 0 ? 100 : everyMs);
    timer.unref();
  };
  let asking: Promise<void> = Promise.resolve();
  const repeat = (): void => {
    asking = askAgain();
  };
  repeat();
  return {
    get state() {
      return state;
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await asking;
      await pool.end();
    },
  };
}

/** No word rather than a no: too slow, or a connection that broke and may be had anew. */
const isSilence = (error: unknown): boolean =>
  error instanceof Error && /timeout|Connection terminated|ECONNRESET/i.test(error.message);
