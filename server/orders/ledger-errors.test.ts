import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Pool } from 'pg';
import { expect, test } from 'vitest';
import { ledgerErrorOf } from './ledger-errors.ts';
import { LedgerRefused } from './order-ledger.ts';

test('[OL-28] a statement whose connection could not be made in time was never sent: a known failure', async () => {
  const sockets: Socket[] = [];
  // Takes connections and never says a word, as a paused server does.
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined))).listen(
    0,
    '127.0.0.1',
  );
  await once(silent, 'listening');
  const address = silent.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const pool = new Pool({ host: '127.0.0.1', port, user: 'nobody', max: 1, connectionTimeoutMillis: 300 });
  pool.on('error', () => undefined);
  try {
    // The first is making the connection, the second waits for it.
    const failed = await Promise.allSettled([pool.query('SELECT 1'), pool.query('SELECT 2')]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    for (const one of failed) {
      if (one.status === 'rejected') expect(ledgerErrorOf(one.reason)).toBeInstanceOf(LedgerRefused);
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    await pool.end();
    silent.close();
  }
});
