import { driverErrorOf } from '../db/driver-error.ts';
import { LedgerRefused, LedgerUnknown } from './order-ledger.ts';

/** The database answered the statement with an error and has undone it. In a group, one order may be the reason for all of them. */
export class StatementRefused extends LedgerRefused {
  readonly sqlState: string;
  constructor(sqlState: string, message: string, cause: unknown) {
    super(message, { cause });
    this.sqlState = sqlState;
  }
}

/**
 * What a failed statement means for its transaction (O4, O5). Certain that it did not commit: it was never sent (no connection), or the
 * server answered with an error, which always undoes the transaction. Everything else is unknown: the connection broke or went
 * silent, or the server was shutting down (classes 08, 57P0x, XX), perhaps after the commit and before its answer.
 */
export function ledgerErrorOf(error: unknown): LedgerRefused | LedgerUnknown {
  if (error instanceof LedgerRefused || error instanceof LedgerUnknown) return error;
  const message = error instanceof Error ? error.message.trim() : String(error);
  const { kind, sqlState } = driverErrorOf(error);
  const neverSent =
    kind === 'DatabaseNotReachable' ||
    kind === 'TlsConnectionError' ||
    message === 'timeout exceeded when trying to connect' ||
    message === 'Connection terminated due to connection timeout';
  if (neverSent) return new LedgerRefused(`The database cannot be reached: ${message}`, { cause: error });
  if (sqlState === null || /^(08|57P0[1245]|XX)/.test(sqlState)) {
    return new LedgerUnknown(`Nobody knows whether this was committed: ${message}`, { cause: error });
  }
  // Connection refused by the server itself: starting up, no room, wrong password, no such database.
  if (/^(57P03|53300|28|3D000)/.test(sqlState)) return new LedgerRefused(message, { cause: error });
  return new StatementRefused(sqlState, message, error);
}

/** A neighbour's doing: deadlock, write conflict, lock timeout, and the last defence of the counters. The same again may succeed. */
export const isContention = (error: unknown): boolean =>
  error instanceof StatementRefused && ['40P01', '40001', '55P03', '23514'].includes(error.sqlState);
