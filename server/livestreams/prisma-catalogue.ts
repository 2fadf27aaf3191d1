import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import { createItems } from './items.ts';
import type { LivestreamCatalogue } from './livestream-catalogue.ts';
import { createLivestreams } from './livestreams.ts';
import { createSupply } from './supply.ts';
import { createTransfers } from './transfers.ts';

/**
 * The catalogue over a real PostgreSQL server or over PGlite. Rules LS-n are in `docs/spec/livestreams.md`. Rejects only with what
 * the database throws; whatever a manager can get wrong is a refusal.
 */
export function createPrismaCatalogue({
  prisma,
  clock,
}: {
  readonly prisma: PrismaClient;
  readonly clock: Clock;
}): LivestreamCatalogue {
  return {
    ...createSupply(prisma),
    ...createItems(prisma),
    ...createTransfers(prisma),
    ...createLivestreams(prisma, clock),
  };
}
