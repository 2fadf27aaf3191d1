import { setTimeout as wait } from 'node:timers/promises';
import type { PlaceOrder } from '../../contract/orders.ts';
import type { OpenDatabase } from '../../server/db/database.ts';
import type { Clock } from '../../server/lib/clock.ts';
import { createPrismaCatalogue } from '../../server/livestreams/prisma-catalogue.ts';
import { createMetrics } from '../../server/metrics/metrics.ts';
import { Admission, admissionDefaults } from '../../server/orders/admission.ts';
import { checkDrift } from '../../server/orders/drift-check.ts';
import { sweepExpired } from '../../server/orders/expiry-sweep.ts';
import { GateFollower } from '../../server/orders/gate-follower.ts';
import { GateKeeper } from '../../server/orders/gate-keeper.ts';
import { GateOrderService } from '../../server/orders/gate-order-service.ts';
import { GroupCommit } from '../../server/orders/group-commit.ts';
import { archiveWhenEmpty } from '../../server/orders/order-jobs.ts';
import type { LedgerOrder, NewOrder } from '../../server/orders/order-ledger.ts';
import { createPrismaLedger } from '../../server/orders/prisma-ledger.ts';
import { ReserveBatcher } from '../../server/orders/reserve-batcher.ts';
import { makeRid } from '../../server/orders/rid.ts';
import { LedgerTail } from '../../server/orders/tail.ts';
import type { ItemDefinition, StockEngine } from '../../server/stock/stock-engine.ts';

/** What a test lets go wrong between the parts; everything is healthy unless a test sets it. */
export type Faults = {
  /** Runs before the append is sent to the ledger; may wait, or throw as if it had failed. */
  beforeAppend: ((order: NewOrder) => Promise<void>) | null;
  /** Runs after the ledger has committed; may throw, as if the reply was lost. */
  afterAppend: ((order: NewOrder) => Promise<void>) | null;
  /** Runs after the gate has decided; may throw, as if its reply was lost. */
  afterReserve: (() => void) | null;
  /** The gate does not hear of what follows a commit: the node died right there. */
  dropFollow: boolean;
  /** Changes of pools and terms do not reach the gate. */
  dropPutItems: boolean;
  /** The ledger is known to be away, or to take nothing. */
  ledgerAway: boolean;
  /** Every buyer was too fast and has to wait for so long. */
  buyersWaitMs: number;
};

export const livestreamId = 'night';
/** The gate's clock in these tests; the ledger keeps to PostgreSQL's. */
export class ManualClock implements Clock {
  #nowMs = Date.now();
  now(): number {
    return this.#nowMs;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

export type Stack = Awaited<ReturnType<typeof startStack>>;

/** The order path of one node on real parts, wired as in compose.ts, with faults between the parts and its jobs run by hand. */
export async function startStack({
  engine,
  database,
  clock,
}: {
  engine: StockEngine;
  database: OpenDatabase;
  clock: ManualClock;
}) {
  const faults: Faults = {
    beforeAppend: null,
    afterAppend: null,
    afterReserve: null,
    dropFollow: false,
    dropPutItems: false,
    ledgerAway: false,
    buyersWaitMs: 0,
  };
  const metrics = createMetrics();
  const ledger = createPrismaLedger({ prisma: database.prisma });
  const catalogue = createPrismaCatalogue({ prisma: database.prisma, clock: { now: () => Date.now() } });
  const inFlightMax = 6_000;
  const errors: unknown[] = [];
  const changed: LedgerOrder[] = [];
  const driftAsked: string[] = [];

  const gate: StockEngine = Object.assign(Object.create(engine) as StockEngine, {
    reserve: async (...args: Parameters<StockEngine['reserve']>) => {
      const outcomes = await engine.reserve(...args);
      faults.afterReserve?.();
      return outcomes;
    },
    confirm: (...args: Parameters<StockEngine['confirm']>) =>
      faults.dropFollow ? Promise.resolve() : engine.confirm(...args),
    settle: (...args: Parameters<StockEngine['settle']>) =>
      faults.dropFollow ? Promise.resolve() : engine.settle(...args),
    release: (...args: Parameters<StockEngine['release']>) =>
      faults.dropFollow ? Promise.resolve() : engine.release(...args),
    putItems: (...args: Parameters<StockEngine['putItems']>) =>
      faults.dropPutItems ? Promise.resolve() : engine.putItems(...args),
  });
  for (const verb of ['read', 'peek', 'holds', 'overdue', 'begin', 'load', 'prune', 'archive', 'follow'] as const) {
    Object.assign(gate, { [verb]: (engine[verb] as (...args: unknown[]) => unknown).bind(engine) });
  }

  const commit = new GroupCommit({ ledger, metrics, queueLengthMax: 10_000 });
  const append = async (order: NewOrder) => {
    await faults.beforeAppend?.(order);
    const outcome = await commit.append(order);
    await faults.afterAppend?.(order);
    return outcome;
  };
  const follower = new GateFollower({ engine: gate, onError: (error) => errors.push(error) });
  const keeper = new GateKeeper({
    engine: gate,
    ledger,
    ought: async (id) => (await catalogue.active()).some((one) => one.livestreamId === id),
    metrics,
    keyTtlMs: 3_600_000,
    report: { rebuilt: () => {}, failed: ({ error }) => void errors.push(error) },
    clock: { now: () => Date.now() },
  });
  const ledgerTail = new LedgerTail({ engine: gate, ledger, follower, keeper, clock });
  const service = new GateOrderService({
    gate: new ReserveBatcher({ engine: gate, metrics, queueLengthMax: 10_000 }),
    ledger,
    append,
    follower,
    keeper,
    holdTtlMsOf: async () => 600_000,
    payUrlOf: ({ orderId }) => `/pay/?order=${orderId}`,
    checkDrift: (id) => driftAsked.push(id),
    makeRid: () => makeRid(Date.now()),
    wait: (ms) => wait(ms),
    clock,
    onOrderChanged: (order) => changed.push(order),
    takeOver: (id, items) => gate.putItems(id, items, 0).catch((error: unknown) => void errors.push(error)),
    onRefunded: () => {},
    metrics,
    admission: new Admission({ ...admissionDefaults, targetMs: Number.POSITIVE_INFINITY, inFlightMax }, clock),
    buyerRate: { take: () => faults.buyersWaitMs },
    ledgerTakes: () => !faults.ledgerAway,
    chance: () => 0.5,
  });

  const buyer = (buyerId: string, deviceId: string | null = null) => ({ buyerId, deviceId });
  const oneOf = (skuId: string, quantity = 1): PlaceOrder['lines'] => [{ skuId, quantity }];
  let keys = 0;
  const nextKey = () => `key-${String((keys += 1)).padStart(8, '0')}`;

  return {
    faults,
    inFlightMax,
    engine: gate,
    ledger,
    catalogue,
    service,
    follower,
    keeper,
    prisma: database.prisma,
    clock,
    errors,
    changed,
    /** Payments that the provider is asked to send back. */
    refundsAsked: async (livestreamId: string): Promise<readonly string[]> =>
      (await database.prisma.refundRequest.findMany({ where: { livestreamId } })).map((row) => row.paymentId),
    driftAsked,
    nextKey,
    /** An order of one SKU by one buyer; every part may be given. */
    buy: (order: { by?: string; sku?: string; quantity?: number; key?: string; device?: string } = {}) =>
      service.place(livestreamId, buyer(order.by ?? `buyer-${(keys += 1)}`, order.device ?? null), {
        idempotencyKey: order.key ?? nextKey(),
        lines: oneOf(order.sku ?? 'tea', order.quantity ?? 1),
      }),
    pay: (orderId: string, amountMinor: number, paymentId = `pay-${orderId}`) =>
      service.pay({ paymentId, orderId, amountMinor, currency: 'CNY' }),
    tail: async () => {
      await ledgerTail.follow(livestreamId);
      await follower.drain();
    },
    sweep: async () => {
      await sweepExpired({
        ledger,
        follower,
        onOrderChanged: (order) => changed.push(order),
        metrics,
        clock: { now: () => Date.now() },
      });
      await follower.drain();
    },
    archive: () => archiveWhenEmpty({ ledger, engine: gate, catalogue, onArchived: () => {} }, livestreamId),
    takeOver: (change: { items: readonly ItemDefinition[]; infoRev: number }) =>
      gate.putItems(livestreamId, change.items, change.infoRev),
    drift: () =>
      checkDrift({ engine: gate, ledger, keeper, metrics, wait: async () => {}, report: () => {} }, livestreamId),
    /** Lets an unpaid order become due by PostgreSQL's clock. */
    makeDue: (orderId: string) =>
      database.prisma.$executeRaw`UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = ${orderId}`,
    level: async (skuId = 'tea') => {
      const reading = await engine.read(livestreamId);
      const item = reading?.items.find((one) => one.skuId === skuId);
      if (item === undefined) throw new Error(`no level of ${skuId}`);
      const { available, held, sold, allotted } = item;
      return { available, held, sold, allotted };
    },
    /** Gate and ledger agree, and the ledger's counters are what its orders say (I1, I3). */
    audit: async () => {
      const [ledgerSide, gateSide] = await Promise.all([ledger.audit(livestreamId), engine.read(livestreamId)]);
      if (ledgerSide === null || gateSide === null) throw new Error('nothing to compare');
      return ledgerSide.items.map((item) => {
        const gateItem = gateSide.items.find(({ skuId }) => skuId === item.skuId);
        return {
          skuId: item.skuId,
          same:
            gateItem !== undefined &&
            gateItem.held === item.held &&
            gateItem.sold === item.sold &&
            gateItem.allotted === item.allotted &&
            item.held === item.heldByOrders &&
            item.sold === item.soldByOrders &&
            item.held + item.sold <= item.allotted,
        };
      });
    },
    stop: async () => {
      await follower.drain();
      await engine.close();
    },
  };
}

/** Forgets everything, so that tests may share a database: opening one takes seconds. */
export async function emptyDatabase({ prisma }: OpenDatabase): Promise<void> {
  await prisma.$transaction([
    // The ledger's entries are append-only by a trigger; only a table's owner can do this.
    prisma.$executeRaw`ALTER TABLE stock_entries DISABLE TRIGGER USER`,
    prisma.$executeRaw`TRUNCATE products, warehouses, channels, livestreams, orders, refund_requests, stock_entries CASCADE`,
    prisma.$executeRaw`ALTER TABLE stock_entries ENABLE TRIGGER USER`,
  ]);
}

/** A livestream `night` on sale: `tea` with `units`, `mug` with 5, both 10.00 CNY. */
export async function openNight(
  stack: Stack,
  units: number,
  item: Partial<Parameters<Stack['catalogue']['addItem']>[1]> = {},
): Promise<void> {
  const { catalogue, keeper } = stack;
  await catalogue.putProduct({ productId: 'p', title: { zh: '茶', en: 'Tea' }, imageUrl: null });
  await catalogue.putWarehouse({ warehouseId: 'wh', name: { zh: '仓', en: 'Warehouse' } });
  await catalogue.create(
    { livestreamId, title: { zh: '夜场', en: 'Night' }, holdTtlMs: 600_000, anonymousViewers: true },
    'test',
  );
  for (const [skuId, allotted] of [
    ['tea', units],
    ['mug', 5],
  ] as const) {
    await catalogue.putSku({ skuId, productId: 'p', spec: [] });
    await catalogue.setWarehouseStock(
      { warehouseId: 'wh', skuId, onHand: 100_000, reserved: 0 },
      'test',
      'opening stock',
    );
    const added = await catalogue.addItem(
      livestreamId,
      {
        skuId,
        unitPriceMinor: 1_000,
        currency: 'CNY',
        limits: { perOrder: null, perBuyer: null, perDevice: null },
        salePolicy: { kind: 'deduct_on_order' },
        display: { kind: 'exact' },
        ...(skuId === 'tea' ? item : {}),
        allotted,
      },
      'test',
    );
    if (added.kind === 'refused') throw new Error(added.message.en);
  }
  await catalogue.start(livestreamId, 'test');
  for (const skuId of ['tea', 'mug'])
    await catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test');
  const kept = await keeper.ensureOpen(livestreamId, 'missing');
  if (kept !== 'open') throw new Error(`the gate is ${kept}`);
}
