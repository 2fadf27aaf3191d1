import type { DefiniteRefusal } from '../../contract/errors.ts';
import type { ItemTerms, Line, ReserveOutcome, Takes } from './stock-engine.ts';

export type GateRefusal = Extract<ReserveOutcome, { kind: DefiniteRefusal }>;

/** What an order asks, its lines already added up. */
export type OrderToDecide = {
  readonly lines: readonly Line[];
  readonly deviceId: string | null;
  /** A4: takes units at once, whatever the sale's state, window, policy and limit per order say now. */
  readonly reacquires: boolean;
  /** A4: the older attempt is still at the gate, so its counts move and are not checked again. */
  readonly countsMove: boolean;
};

/** What the gate knows of one item, for one buyer and device. */
export type ItemForOrder = {
  readonly terms: ItemTerms;
  readonly available: number;
  readonly countedForBuyer: number;
  readonly countedForDevice: number;
};

type Check = (line: Line, item: ItemForOrder, order: OrderToDecide, nowMs: number) => GateRefusal | null;

/** One check per refusal, in order of precedence: the first that refuses any line is the answer, among equals the first line. */
const checks: readonly Check[] = [
  ({ skuId }, { terms }, order, nowMs) => {
    if (order.reacquires || terms.sale === 'stopped') return null;
    const open = terms.sale === 'open' && nowMs >= terms.opensAtMs;
    return open ? null : { kind: 'not_open', skuId };
  },
  ({ skuId }, { terms }, order) => (!order.reacquires && terms.sale === 'stopped' ? { kind: 'stopped', skuId } : null),
  ({ skuId, quantity }, { terms, countedForBuyer }, order) => {
    const { perOrder, perBuyer } = terms.limits;
    if (!order.reacquires && perOrder !== null && quantity > perOrder) {
      return { kind: 'limit_buyer', skuId, limit: perOrder, counted: 0 };
    }
    if (order.countsMove || perBuyer === null || countedForBuyer + quantity <= perBuyer) return null;
    return { kind: 'limit_buyer', skuId, limit: perBuyer, counted: countedForBuyer };
  },
  ({ skuId, quantity }, { terms, countedForDevice }, order) => {
    const { perDevice } = terms.limits;
    if (order.countsMove || order.deviceId === null || perDevice === null) return null;
    if (countedForDevice + quantity <= perDevice) return null;
    return { kind: 'limit_device', skuId, limit: perDevice, counted: countedForDevice };
  },
  ({ skuId }, { available }) => (available === 0 ? { kind: 'sold_out', skuId } : null),
  ({ skuId, quantity }, { available }) => (available < quantity ? { kind: 'insufficient', skuId } : null),
];

/**
 * The one rule about who gets a unit, for the reference model; `redis-engine/lua/reserve.lua` says the same and is compared with it.
 * Changes nothing. `itemOf` answers undefined for a SKU that this livestream does not sell.
 */
export function decideOrder(
  order: OrderToDecide,
  itemOf: (skuId: string) => ItemForOrder | undefined,
  nowMs: number,
): GateRefusal | { readonly kind: 'takes'; readonly takes: Takes } {
  const known: { line: Line; item: ItemForOrder }[] = [];
  for (const line of order.lines) {
    const item = itemOf(line.skuId);
    if (item === undefined) return { kind: 'not_found', skuId: line.skuId };
    known.push({ line, item });
  }
  for (const check of checks) {
    for (const { line, item } of known) {
      const refusal = check(line, item, order, nowMs);
      if (refusal !== null) return refusal;
    }
  }
  const takesAtOnce = order.reacquires || known.some(({ item }) => holdsOnOrder(item));
  return { kind: 'takes', takes: takesAtOnce ? 'hold' : 'pay' };
}

/** A6: what the policy says at this moment is stamped on the order; a later switch does not touch it. */
function holdsOnOrder({ terms: { salePolicy }, available }: ItemForOrder): boolean {
  if (salePolicy.kind === 'hold_below') return available <= salePolicy.threshold;
  return salePolicy.kind === 'deduct_on_order';
}

/** Equal SKUs become one line, at the place of the first. */
export function addUp(lines: readonly Line[]): readonly Line[] {
  const quantities = new Map<string, number>();
  for (const { skuId, quantity } of lines) quantities.set(skuId, (quantities.get(skuId) ?? 0) + quantity);
  return [...quantities].map(([skuId, quantity]) => ({ skuId, quantity }));
}
