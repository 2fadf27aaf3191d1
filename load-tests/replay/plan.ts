import type { ItemInfo } from '../../contract/livestreams.ts';
import { type Random, seededRandom } from '../lib/random.ts';
import { matchRefunds, type RefundMatch } from './refunds.ts';
import { schedule, type Timed } from './schedule.ts';
import type { Sale, Selection } from './selection.ts';

/** What the buyer does with an accepted order: pays after this share of the hold, cancels, or lets it expire. */
export type Fate = { readonly kind: 'pay' | 'cancel'; readonly afterShare: number } | { readonly kind: 'expire' };

export type PlannedOrder = {
  readonly kind: 'order';
  readonly sale: Sale;
  readonly skuId: string;
  readonly quantity: number;
  readonly buyerId: string;
  readonly idempotencyKey: string;
  readonly via: 'http' | 'socket';
  readonly fate: Fate;
};
export type PlannedRefund = { readonly kind: 'refund'; readonly sale: Sale };
export type Planned = PlannedOrder | PlannedRefund;

export type Plan = {
  readonly events: readonly Timed<Planned>[];
  readonly orderCount: number;
  readonly matched: number;
  readonly unmatched: readonly (RefundMatch & { kind: 'unmatched' })[];
};

export type PlanSettings = {
  /** Makes buyers and keys of this run its own. */
  readonly runId: string;
  readonly seed: number;
  readonly speed: number;
  readonly via: 'http' | 'socket' | 'mixed';
  /** Shares of accepted orders, 0…1; the rest expires. */
  readonly pay: number;
  readonly cancel: number;
  /** Which item an order of this SKU goes to, and with how many units: the demo maps a real day on items of its own. */
  readonly itemOf: (sale: Sale, random: Random) => { skuId: string; quantity: number } | null;
};

/**
 * Decides everything that chance decides before the first order is sent: the same file, options and seed give the same plan. A sale
 * that the file takes back later was paid in reality, so it is always paid here; its refund is due at its own moment.
 */
export function makePlan(selection: Selection, settings: PlanSettings): Plan {
  const random = seededRandom(settings.seed);
  const refunds = matchRefunds(selection.sales, selection.cancellations);
  const refunded = new Set(refunds.flatMap((one) => (one.kind === 'matched' ? [one.sale] : [])));
  const orders = selection.sales.flatMap((sale): (PlannedOrder & Moment)[] => {
    const item = settings.itemOf(sale, random);
    const [viaChance, fateChance, afterShare] = [random(), random(), random()];
    if (item === null) return [];
    const via = settings.via === 'mixed' ? (viaChance < 0.5 ? 'http' : 'socket') : settings.via;
    const fate = refunded.has(sale) ? { kind: 'pay' as const, afterShare } : fateOf(fateChance, afterShare, settings);
    const buyerId = `${settings.runId}-b${sale.lineNumber}`;
    const idempotencyKey = `${settings.runId}-k${sale.lineNumber}`;
    return [{ kind: 'order', sale, ...item, buyerId, idempotencyKey, via, fate, ...momentOf(sale) }];
  });
  const planned = new Set(orders.map(({ sale }) => sale));
  const takenBack = refunds.flatMap((one): (PlannedRefund & Moment)[] =>
    one.kind === 'matched' && planned.has(one.sale)
      ? [{ kind: 'refund', sale: one.sale, ...momentOf(one.cancellation) }]
      : [],
  );
  return {
    events: schedule<(PlannedOrder | PlannedRefund) & Moment>([...orders, ...takenBack], {
      speed: settings.speed,
      random,
    }),
    orderCount: orders.length,
    matched: takenBack.length,
    unmatched: refunds.filter((one) => one.kind === 'unmatched'),
  };
}

type Moment = { readonly atMs: number; readonly lineNumber: number };
const momentOf = ({ atMs, lineNumber }: Moment): Moment => ({ atMs, lineNumber });

function fateOf(chance: number, afterShare: number, { pay, cancel }: PlanSettings): Fate {
  if (chance < pay) return { kind: 'pay', afterShare };
  if (chance < pay + cancel) return { kind: 'cancel', afterShare };
  return { kind: 'expire' };
}

/** Items of the file's own SKUs, in the file's quantities. */
export function ownItems(selection: Selection): PlanSettings['itemOf'] {
  const idOf = new Map(selection.skus.map(({ sku, skuId }) => [sku, skuId]));
  return (sale) => {
    const skuId = idOf.get(sale.sku);
    return skuId === undefined ? null : { skuId, quantity: sale.quantity };
  };
}

/**
 * The demo: the most wanted SKU of the day becomes the livestream's first item, and so on, round and round, so that a few items get the
 * orders of many SKUs and the first ones most of them. Viewers of a livestream buy 1 to 3 units, never more than the line had or than one
 * buyer may have.
 */
export function itemsByRank(
  selection: Selection,
  items: readonly Pick<ItemInfo, 'skuId' | 'limits'>[],
): PlanSettings['itemOf'] {
  const rankOf = new Map(selection.skus.map(({ sku }, rank) => [sku, rank]));
  return (sale, random) => {
    const wanted = 1 + Math.floor(random() * 3);
    const rank = rankOf.get(sale.sku);
    const item = rank === undefined ? undefined : items[rank % items.length];
    if (item === undefined) return null;
    const { perOrder, perBuyer, perDevice } = item.limits;
    const limits = [perOrder, perBuyer, perDevice].filter((limit) => limit !== null);
    return { skuId: item.skuId, quantity: Math.min(sale.quantity, wanted, ...limits) };
  };
}
