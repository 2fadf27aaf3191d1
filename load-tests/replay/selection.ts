import type { OrderLine } from './order-file.ts';

/** One line of a sale: becomes one buyer with one order. */
export type Sale = {
  readonly lineNumber: number;
  readonly atMs: number;
  readonly sku: string;
  readonly customer: string;
  /** Capped. */
  readonly quantity: number;
};

/** A line of a `C…` invoice: money back for an earlier sale. */
export type Cancellation = Sale;

export type SelectedSku = {
  /** As in the file. */
  readonly sku: string;
  /** As on the wire. */
  readonly skuId: string;
  /** Σ of the capped quantities of its sales. */
  readonly demand: number;
  readonly saleLines: number;
  /** The price of most of its lines; of equals the lower. */
  readonly priceMinor: number;
};

export type Selection = {
  readonly skus: readonly SelectedSku[];
  readonly sales: readonly Sale[];
  readonly cancellations: readonly Cancellation[];
  readonly skipped: { readonly notPositive: number; readonly otherSkus: number };
};

/**
 * Takes the `skuCount` SKUs with the greatest demand (of equals the one that comes first by name) and their lines. A sale has a
 * positive quantity and no `C…` invoice, a cancellation has a negative one and a `C…` invoice; everything else is skipped and counted.
 */
export function select(
  lines: readonly OrderLine[],
  { skuCount, quantityMax }: { skuCount: number; quantityMax: number },
): Selection {
  const demands = new Map<string, number>();
  const sales: Sale[] = [];
  const cancellations: Cancellation[] = [];
  let notPositive = 0;
  for (const { lineNumber, atMs, sku, customer, ...line } of lines) {
    const cancels = line.invoice.startsWith('C');
    const quantity = Math.min(quantityMax, Math.abs(line.quantity));
    const one = { lineNumber, atMs, sku, customer, quantity };
    if (cancels && line.quantity < 0) cancellations.push(one);
    else if (cancels || line.quantity <= 0) notPositive += 1;
    else {
      sales.push(one);
      demands.set(sku, (demands.get(sku) ?? 0) + quantity);
    }
  }
  const ranked = [...demands].sort(([skuA, a], [skuB, b]) => b - a || compareText(skuA, skuB)).slice(0, skuCount);
  const idOf = wireIds(ranked.map(([sku]) => sku));
  const prices = commonPrices(lines, new Set(idOf.keys()));
  const chosen = <One extends Sale>(of: readonly One[]): One[] => of.filter(({ sku }) => idOf.has(sku));
  const [chosenSales, chosenCancellations] = [chosen(sales), chosen(cancellations)];
  return {
    skus: ranked.map(([sku, demand]) => ({
      sku,
      skuId: idOf.get(sku) ?? sku,
      demand,
      saleLines: chosenSales.filter((sale) => sale.sku === sku).length,
      priceMinor: prices.get(sku) ?? 0,
    })),
    sales: chosenSales,
    cancellations: chosenCancellations,
    skipped: {
      notPositive,
      otherSkus: sales.length + cancellations.length - chosenSales.length - chosenCancellations.length,
    },
  };
}

/** Not localeCompare: the order must not depend on the machine's language. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Ids on the wire have 1 to 64 characters of A-Z a-z 0-9 _ . -; every other character becomes `_`, longer ones are cut, and a name
 * that is taken already gets `-2`, `-3`, …
 */
export function wireIds(skus: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const ids = new Map<string, string>();
  for (const sku of skus) {
    const plain = sku.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 64);
    let id = plain;
    for (let count = 2; taken.has(id); count += 1) id = `${plain.slice(0, 58)}-${count}`;
    taken.add(id);
    ids.set(sku, id);
  }
  return ids;
}

function commonPrices(lines: readonly OrderLine[], wanted: ReadonlySet<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, Map<number, number>>();
  for (const { sku, priceMinor, quantity } of lines) {
    if (quantity <= 0 || priceMinor < 0 || !wanted.has(sku)) continue;
    const ofSku = counts.get(sku) ?? new Map<number, number>();
    ofSku.set(priceMinor, (ofSku.get(priceMinor) ?? 0) + 1);
    counts.set(sku, ofSku);
  }
  return new Map(
    [...counts].map(([sku, ofSku]) => {
      const [common] = [...ofSku].sort(([priceA, a], [priceB, b]) => b - a || priceA - priceB);
      return [sku, common?.[0] ?? 0];
    }),
  );
}

/** Units that the livestream gets: a share of the day's demand, rounded up, so that every item has at least one. */
export const allotmentOf = (demand: number, stockShare: number): number => Math.max(1, Math.ceil(demand * stockShare));
