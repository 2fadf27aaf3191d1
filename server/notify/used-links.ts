import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';

/** Which acknowledge links were used, on all nodes together. */
export type UsedLinks = {
  /** True for the first caller with this id, false for every later one. */
  use(id: string, expiresAtMs: number): Promise<boolean>;
  /** What the link was used for did not happen: it works again. */
  giveBack(id: string): Promise<void>;
  isUsed(id: string): Promise<boolean>;
};

export function createUsedLinks(deps: {
  readonly prisma: Pick<PrismaClient, 'usedAcknowledgeLink'>;
  readonly clock: Clock;
}): UsedLinks {
  const { prisma, clock } = deps;
  return {
    async use(id, expiresAtMs) {
      // What has expired is refused by its signature's claims; the rows behind it are not needed any more.
      await prisma.usedAcknowledgeLink.deleteMany({ where: { expiresAt: { lt: new Date(clock.now() - 60_000) } } });
      const made = await prisma.usedAcknowledgeLink.createMany({
        data: [{ id, expiresAt: new Date(expiresAtMs) }],
        skipDuplicates: true,
      });
      return made.count === 1;
    },
    async giveBack(id) {
      await prisma.usedAcknowledgeLink.deleteMany({ where: { id } });
    },
    async isUsed(id) {
      return (await prisma.usedAcknowledgeLink.count({ where: { id } })) > 0;
    },
  };
}
