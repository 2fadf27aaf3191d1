import { Prisma } from '../../generated/prisma/client.ts';
import type { Lease } from '../../server/db/lease.ts';

/** A lease that is held as long as `state.held` says so: for nodes of a test, which are held all of them when two at once must do no harm. */
export function heldLease(state: { readonly held: boolean } = { held: true }): Lease {
  return {
    isHeld: () => state.held,
    fence: () => (state.held ? Prisma.sql`TRUE` : Prisma.sql`FALSE`),
    assign: () => undefined,
  };
}
