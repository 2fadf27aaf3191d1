export type DriverError = {
  /** The driver adapter's name for it, as `DatabaseNotReachable`. */
  readonly kind: string | null;
  /** PostgreSQL's five letters; null: the error is not an answer of the server. */
  readonly sqlState: string | null;
};

/** What stands behind an error of Prisma: raw statements and the client's own queries report it in the same place. */
export function driverErrorOf(error: unknown): DriverError {
  const meta = (error as { meta?: { driverAdapterError?: { cause?: Record<string, unknown> } } } | null)?.meta;
  const { kind, originalCode } = meta?.driverAdapterError?.cause ?? {};
  return {
    kind: typeof kind === 'string' ? kind : null,
    sqlState: typeof originalCode === 'string' && /^[0-9A-Z]{5}$/.test(originalCode) ? originalCode : null,
  };
}

/** The driver's own words where it has no code: no free connection in time, no answer in time, the connection broke. */
const silences = /timeout exceeded when trying to connect|Query read timeout|Connection terminated/;
const kindsOfAbsence: ReadonlySet<string> = new Set([
  'DatabaseNotReachable',
  'TlsConnectionError',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
]);
/** Prisma's: not reachable, too slow, closed, and no transaction could be started. */
const codesOfAbsence: ReadonlySet<unknown> = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028']);

/** The database cannot be asked now, or takes too long: the same question may be answered later. Anything else is a mistake of somebody. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { kind, sqlState } = driverErrorOf(error);
  // Lost connections, shutting down or starting, no room, a statement that took too long.
  if (sqlState !== null) return /^(08|57P0|53300|57014)/.test(sqlState);
  if (kind !== null && kindsOfAbsence.has(kind)) return true;
  return ('code' in error && codesOfAbsence.has(error.code)) || silences.test(error.message);
}
