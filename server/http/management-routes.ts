import type * as z from 'zod/mini';
import type { Grant } from '../../contract/access.ts';
import { availableOf, type StockLevel, statusOf } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { AuditAnswer, routes, SkuStockAnswer } from '../../contract/routes.ts';
import type { Clock } from '../lib/clock.ts';
import type { LivestreamCatalogue, Managed, ManageRefusal, SkuStock } from '../livestreams/livestream-catalogue.ts';
import { driftOf } from '../orders/drift-check.ts';
import type { LedgerAudit, OrderLedger } from '../orders/order-ledger.ts';
import type { GateReading, StockEngine } from '../stock/stock-engine.ts';
import { HttpError, type RouteHandlers } from './request.ts';

type ManagementRoute = {
  [Name in keyof typeof routes]: (typeof routes)[Name]['tag'] extends 'livestreams' | 'items' | 'stock' ? Name : never;
}[keyof typeof routes];

export type ManagementDeps = {
  readonly catalogue: LivestreamCatalogue;
  readonly engine: Pick<StockEngine, 'read'>;
  readonly ledger: Pick<OrderLedger, 'audit'>;
  readonly clock: Clock;
  /**
   * Puts committed items at the gate. Never rejects: the change is committed, and the tail repeats what the gate missed (A3, A5).
   * Awaited, so that the answer comes after viewers have been told whenever the gate can be reached.
   */
  readonly takeOver: (livestreamId: string, gate: NonNullable<Managed['gate']>) => Promise<void>;
};

/** Handlers of every route that manages livestreams, items and stock. */
export function managementHandlers(deps: ManagementDeps): Pick<RouteHandlers, ManagementRoute> {
  return {
    ...livestreamHandlers(deps),
    ...itemHandlers(deps),
    ...stockHandlers(deps.catalogue),
    ...readHandlers(deps),
  };
}

type LevelsAnswer = z.input<(typeof routes)['getLevels']['answer']>;
type Handlers<Names extends ManagementRoute> = Pick<RouteHandlers, Names>;

function livestreamHandlers(
  deps: ManagementDeps,
): Handlers<
  | 'listLivestreams'
  | 'createLivestream'
  | 'getLivestream'
  | 'scheduleLivestream'
  | 'startLivestream'
  | 'endLivestream'
  | 'pinItem'
> {
  const { catalogue } = deps;
  return {
    listLivestreams: async () => ({ livestreams: [...(await catalogue.list(['scheduled', 'live']))] }),
    createLivestream: async ({ body, grant }) => finish(deps, await catalogue.create(body, actorOf(grant))),
    async getLivestream({ params }) {
      const livestream = await catalogue.info(params.livestreamId);
      if (livestream === null) throw new HttpError('route_not_found');
      return { livestream };
    },
    scheduleLivestream: async ({ params, body, grant }) =>
      finish(deps, await catalogue.schedule(params.livestreamId, body.scheduledAtMs, actorOf(grant))),
    startLivestream: async ({ params, grant }) =>
      finish(deps, await catalogue.start(params.livestreamId, actorOf(grant))),
    endLivestream: async ({ params, grant }) => finish(deps, await catalogue.end(params.livestreamId, actorOf(grant))),
    pinItem: async ({ params, body, grant }) =>
      finish(deps, await catalogue.pin(params.livestreamId, body.skuId, actorOf(grant))),
  };
}

function itemHandlers(
  deps: ManagementDeps,
): Handlers<'addItem' | 'changeItem' | 'changeSale' | 'allotItem' | 'getItemPools' | 'moveUnits'> {
  const { catalogue } = deps;
  return {
    addItem: async ({ params, body, grant }) =>
      finish(deps, await catalogue.addItem(params.livestreamId, body, actorOf(grant))),
    changeItem: async ({ params, body, grant }) =>
      finish(deps, await catalogue.changeItem(params.livestreamId, params.skuId, body, actorOf(grant))),
    changeSale: async ({ params, body, grant }) =>
      finish(deps, await catalogue.changeSale(params.livestreamId, params.skuId, body, actorOf(grant))),
    allotItem: async ({ params: { livestreamId, skuId }, body: { allotted, reason }, grant }) =>
      finish(deps, await catalogue.allotItem(livestreamId, skuId, allotted, actorOf(grant), reason)),
    getItemPools: async ({ params }) => ({
      pools: permitted(await catalogue.poolsOf(params.livestreamId, params.skuId)).pools,
    }),
    async moveUnits({ params, body, grant }) {
      const outcome = permitted(await catalogue.moveUnits(params.livestreamId, params.skuId, body, actorOf(grant)));
      return { ...(await finish(deps, outcome)), transfer: outcome.transfer };
    },
  };
}

function stockHandlers(
  catalogue: LivestreamCatalogue,
): Handlers<
  | 'putProduct'
  | 'putSku'
  | 'getSkuStock'
  | 'putWarehouse'
  | 'setWarehouseStock'
  | 'putChannel'
  | 'allotChannel'
  | 'sellInChannel'
> {
  return {
    async putProduct({ body }) {
      await catalogue.putProduct(body);
      return { productId: body.productId };
    },
    async putSku({ body }) {
      permitted(await catalogue.putSku(body));
      return { skuId: body.skuId };
    },
    async getSkuStock({ params }) {
      const stock = await catalogue.stockOfSku(params.skuId);
      if (stock === null) throw new HttpError('route_not_found');
      return { stock: stockAnswer(stock) };
    },
    async putWarehouse({ body }) {
      await catalogue.putWarehouse(body);
      return { warehouseId: body.warehouseId };
    },
    async setWarehouseStock({ params, body: { onHand, reserved, reason }, grant }) {
      const change = { ...params, onHand, reserved };
      return { stock: stockAnswer(permitted(await catalogue.setWarehouseStock(change, actorOf(grant), reason)).stock) };
    },
    async putChannel({ body }) {
      await catalogue.putChannel(body);
      return { channelId: body.channelId };
    },
    async allotChannel({ params: { channelId, skuId }, body: { allotted, reason }, grant }) {
      const outcome = await catalogue.allotChannel(channelId, skuId, allotted, actorOf(grant), reason);
      return { stock: stockAnswer(permitted(outcome).stock) };
    },
    async sellInChannel({ params, body }) {
      const outcome = permitted(await catalogue.sellInChannel(params.channelId, body));
      if (outcome.kind === 'sold_out' || outcome.kind === 'insufficient') {
        throw new HttpError(outcome.kind, { skuId: body.skuId });
      }
      return { outcome: outcome.kind, available: outcome.available };
    },
  };
}

function readHandlers({ catalogue, engine, ledger, clock }: ManagementDeps): Handlers<'getLevels' | 'getAudit'> {
  return {
    async getLevels({ params: { livestreamId } }) {
      const reading = await engine.read(livestreamId);
      if (reading !== null) return levelsAtGate(reading);
      const livestream = await catalogue.info(livestreamId);
      if (livestream === null) throw new HttpError('route_not_found');
      const audit = await ledger.audit(livestreamId);
      // A draft has no gate yet and an archived livestream none any more: a retry would never help, and the ledger has the numbers.
      const needsGate = livestream.state === 'scheduled' || livestream.state === 'live';
      if (audit === null || needsGate) throw new HttpError('rebuilding');
      return levelsInLedger(livestream, audit, clock.now());
    },
    async getAudit({ params: { livestreamId } }) {
      const audit = await ledger.audit(livestreamId);
      if (audit === null) throw new HttpError('route_not_found');
      return auditAnswer(livestreamId, await engine.read(livestreamId), audit, clock.now());
    },
  };
}

function levelsAtGate({ epoch, version, items }: GateReading): LevelsAnswer {
  return { epoch, version, levels: items.map(levelOf) };
}

/** Version 0: older than anything a gate has said or will say in this epoch. */
function levelsInLedger(livestream: LivestreamInfo, audit: LedgerAudit, nowMs: number): LevelsAnswer {
  const terms = new Map(livestream.items.map((item) => [item.skuId, item]));
  const levels = audit.items.map(({ skuId, allotted, held, sold }) => {
    const available = availableOf({ allotted, held, sold });
    const { sale, opensAtMs } = terms.get(skuId) ?? { sale: 'not_open' as const, opensAtMs: 0 };
    return { skuId, version: 0, available, held, sold, status: statusOf({ sale, opensAtMs, available }, nowMs) };
  });
  return { epoch: audit.epoch, version: 0, levels };
}

const levelOf = ({ skuId, version, available, held, sold, status }: StockLevel): StockLevel => ({
  skuId,
  version,
  available,
  held,
  sold,
  status,
});

/**
 * Gate and ledger side by side. `drift` sums the units by which held, sold and allotted differ per item, and by which the ledger's own
 * counts differ from its orders. The ledger is read first and the gate a moment later: orders in flight (pending at the gate, or committed
 * between the two readings) differ for that moment only, so a difference means something only if it stays. Without a gate only the ledger's own sums count.
 */
function auditAnswer(
  livestreamId: string,
  reading: GateReading | null,
  ledger: LedgerAudit,
  nowMs: number,
): z.input<typeof AuditAnswer> {
  const atGate = new Map(reading?.items.map((item) => [item.skuId, item]));
  return {
    livestreamId,
    atMs: nowMs,
    epoch: reading?.epoch ?? ledger.epoch,
    version: reading?.version ?? 0,
    drift: reading === null ? driftInLedger(ledger) : driftOf(reading, ledger),
    items: ledger.items.map(({ skuId, allotted, held, sold, returned, heldByOrders, soldByOrders }) => {
      const gate = atGate.get(skuId);
      return {
        skuId,
        allotted,
        gate:
          gate === undefined
            ? null
            : {
                allotted: gate.allotted,
                held: gate.held,
                sold: gate.sold,
                available: gate.available,
                version: gate.version,
              },
        ledger: { held, sold, returned, heldByOrders, soldByOrders },
      };
    }),
  };
}

const driftInLedger = ({ items }: LedgerAudit): number =>
  items.reduce(
    (sum, { held, sold, heldByOrders, soldByOrders }) =>
      sum + Math.abs(held - heldByOrders) + Math.abs(sold - soldByOrders),
    0,
  );

/** A refusal becomes an error of its code, with the sentence that says what is in the way. */
function permitted<Outcome extends { readonly kind: string }>(
  outcome: Outcome | ManageRefusal,
): Exclude<Outcome, ManageRefusal> {
  if (isRefusal(outcome)) throw new HttpError(outcome.code, { message: outcome.message });
  return outcome as Exclude<Outcome, ManageRefusal>;
}

const isRefusal = (outcome: { readonly kind: string }): outcome is ManageRefusal => outcome.kind === 'refused';

/** What is committed goes to the gate before the answer. */
async function finish({ takeOver }: ManagementDeps, outcome: Managed | ManageRefusal) {
  const { livestream, gate } = permitted(outcome);
  if (gate !== null) await takeOver(livestream.livestreamId, gate);
  return { livestream };
}

/** Who did it, as stock entries name them: `operator@<livestreamId>`, `admin`, `service`. */
function actorOf(grant: Grant | null): string {
  if (grant === null) throw new HttpError('unauthorized');
  return grant.livestreamId === null ? grant.role : `${grant.role}@${grant.livestreamId}`;
}

function stockAnswer(stock: SkuStock): z.input<typeof SkuStockAnswer> {
  return {
    ...stock,
    warehouses: [...stock.warehouses],
    livestreams: [...stock.livestreams],
    channels: [...stock.channels],
  };
}
