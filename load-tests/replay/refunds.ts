import type { Cancellation, Sale } from './selection.ts';

export type RefundMatch =
  | { readonly kind: 'matched'; readonly cancellation: Cancellation; readonly sale: Sale }
  | {
      readonly kind: 'unmatched';
      readonly cancellation: Cancellation;
      readonly reason: 'no_customer' | 'no_earlier_sale' | 'other_quantity';
    };

/**
 * Finds for every cancellation the earlier sale that it takes back: same customer, SKU and capped quantity, the latest that no other
 * cancellation has taken. Equal instants count in the file's order. Orders are refunded whole, so another quantity matches nothing.
 */
export function matchRefunds(sales: readonly Sale[], cancellations: readonly Cancellation[]): readonly RefundMatch[] {
  const open = new Map<string, Sale[]>();
  for (const sale of [...sales].sort(byTime)) {
    const key = keyOf(sale);
    const ofKey = open.get(key);
    if (ofKey === undefined) open.set(key, [sale]);
    else ofKey.push(sale);
  }
  return [...cancellations].sort(byTime).map((cancellation) => {
    if (cancellation.customer === '') return { kind: 'unmatched', cancellation, reason: 'no_customer' };
    const candidates = (open.get(keyOf(cancellation)) ?? []).filter((sale) => byTime(sale, cancellation) < 0);
    const sale = candidates.findLast(({ quantity }) => quantity === cancellation.quantity);
    if (sale === undefined)
      return { kind: 'unmatched', cancellation, reason: candidates.length > 0 ? 'other_quantity' : 'no_earlier_sale' };
    const left = (open.get(keyOf(sale)) ?? []).filter((one) => one !== sale);
    open.set(keyOf(sale), left);
    return { kind: 'matched', cancellation, sale };
  });
}

const keyOf = ({ customer, sku }: Sale): string => `${customer}/${sku}`;

const byTime = (a: Sale, b: Sale): number => a.atMs - b.atMs || a.lineNumber - b.lineNumber;
