import type { ItemInfo } from '../../contract/livestreams.ts';
import type { Order, OrderState } from '../../contract/orders.ts';
import { boundsOf } from './units-left.ts';

/** Units that count towards a limit: unpaid, paid and refunded ones, as the gate counts them; what its buyer never got does not. */
const counts: Record<OrderState, boolean> = {
  held: true,
  placed: true,
  paid: true,
  refund_due: false,
  refunded: true,
  expired: false,
  cancelled: false,
};

/** A stepper has an end even where nothing limits the purchase. */
const stepperMax = 99;

export function countedUnits(orders: readonly Order[], skuId: string): number {
  return orders
    .filter(({ state }) => counts[state])
    .flatMap(({ lines }) => lines)
    .reduce((sum, line) => sum + (line.skuId === skuId ? line.quantity : 0), 0);
}

/**
 * The greatest quantity that can be asked for now, 0 if the limit is used up. The gate decides in the end; this only keeps a buyer from
 * asking for what cannot be had.
 */
export function quantityMax(limits: ItemInfo['limits'], counted: number, shown: number | string): number {
  const left = [limits.perBuyer, limits.perDevice].flatMap((limit) => (limit === null ? [] : limit - counted));
  const [, most] = boundsOf(shown);
  return Math.max(0, Math.min(stepperMax, limits.perOrder ?? stepperMax, most, ...left));
}
