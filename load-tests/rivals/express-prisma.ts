import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { PrismaPg } from '@prisma/adapter-pg';
import express from 'express';
import * as z from 'zod';
import { PrismaClient } from '../../generated/prisma/client.ts';
import { runSubject } from '../subjects/subject.ts';

const Body = z.object({ skuId: z.string(), idempotencyKey: z.string(), buyerId: z.string() });

/**
 * Orders as most shops begin: Express, zod, and one Prisma `create` for each order with its line. It checks no limit and no token and
 * tells nobody; everything that is left out makes it faster. `variant` guarded: with the one thing without which it oversells, a
 * conditional decrement in the same transaction.
 */
await runSubject(async ({ livestreamId, databaseUrl, variant }) => {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl ?? '', max: 10 }) });
  const app = express();
  app.use(express.json());
  app.post('/orders', async (req, res) => {
    const { skuId, idempotencyKey, buyerId } = Body.parse(req.body);
    const data = {
      id: randomUUID(),
      key: `${buyerId}/${idempotencyKey}`,
      livestreamId,
      buyerId,
      state: 'held' as const,
      totalMinor: 100,
      currency: 'CNY',
      expiresAt: new Date(Date.now() + 86_400_000),
      lines: { create: [{ skuId, quantity: 1, unitPriceMinor: 100 }] },
    };
    const order =
      variant === 'guarded'
        ? await prisma.$transaction(async (transaction) => {
            const left = { skuId, warehouseId: livestreamId, onHand: { gte: 1 } };
            const taken = await transaction.warehouseStock.updateMany({
              where: left,
              data: { onHand: { decrement: 1 } },
            });
            if (taken.count !== 1) throw new Error('sold out');
            return transaction.order.create({ data });
          })
        : await prisma.order.create({ data });
    res.status(201).json({ outcome: 'accepted', order: { orderId: order.id, state: order.state } });
  });
  const httpServer = createServer(app);
  // Its clients stand still while ours have their turn.
  httpServer.keepAliveTimeout = 300_000;
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', 4_096, resolve));
  const address = httpServer.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    position: () => 0,
    take: () => {},
    sellOut: () => {},
    restock: () => {},
    stop: async () => {
      httpServer.closeAllConnections();
      httpServer.close();
      await prisma.$disconnect();
    },
  };
});
