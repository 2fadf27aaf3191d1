import { randomFillSync } from 'node:crypto';

/** A call to the system costs 6 µs, however many bytes it brings: 256 ids share one. */
const pool = Buffer.allocUnsafe(4_096);
let used = pool.length;

function pooledBytes(count: number): Buffer {
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += count;
  return pool.subarray(used - count, used);
}

/**
 * Makes the id of one attempt: a UUID of version 7 (RFC 9562), so that newer rows stand together in the ledger's index.
 * `now` in ms; `random` gives bytes and is a parameter for the simulation.
 */
export function makeRid(now: number, random: (bytes: number) => Buffer = pooledBytes): string {
  const bytes = random(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
