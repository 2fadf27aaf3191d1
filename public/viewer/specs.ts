import type { ItemInfo } from '../../contract/livestreams.ts';
import type { Text } from '../../contract/primitives.ts';

/** One choice, as colour; values are told apart by their Chinese text. */
export type Dimension = { readonly name: Text; readonly values: readonly Text[] };
/** The SKUs of one product in this livestream, and what a viewer chooses between them. */
export type Product = {
  readonly productId: string;
  readonly title: Text;
  readonly imageUrl: string | null;
  readonly items: readonly ItemInfo[];
  readonly dimensions: readonly Dimension[];
};

/**
 * `sku`: what choosing the value leads to. open: that can be bought · other: that cannot, but the value with another choice beside it ·
 * sold_out: the value in no combination.
 */
export type ValueState = { readonly sku: ItemInfo | undefined; readonly state: 'open' | 'other' | 'sold_out' };

/** Products in the order of their first item. */
export function groupByProduct(items: readonly ItemInfo[]): readonly Product[] {
  const byProduct = new Map<string, ItemInfo[]>();
  for (const item of [...items].sort((a, b) => a.index - b.index)) {
    const known = byProduct.get(item.productId);
    if (known === undefined) byProduct.set(item.productId, [item]);
    else known.push(item);
  }
  return [...byProduct.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const { productId, title, imageUrl } = first;
    return { productId, title, imageUrl, items: own, dimensions: dimensionsOf(own) };
  });
}

/** What a SKU has in each dimension of its product. */
export function valuesOf(product: Product, item: ItemInfo): readonly Text[] {
  if (product.dimensions.length === 1 && item.spec.length !== 1) return [joined(item)];
  return item.spec.map(({ value }) => value);
}

/** Text of a SKU's specification, as "黑色 / L"; empty for a product without choices. */
export function specText(item: ItemInfo): Text {
  return joined(item);
}

/**
 * The SKU that choosing `value` leads to: the one with all other choices as they are, sold out or not, so that nobody buys red because
 * black is gone; only where there is no such SKU, the one most like it, with units if there is one.
 */
export function stateOfValue(
  product: Product,
  current: ItemInfo,
  choice: { dimension: number; value: Text },
  isSellable: (item: ItemInfo) => boolean,
): ValueState {
  const own = valuesOf(product, current);
  const alikeIn = (item: ItemInfo): number =>
    valuesOf(product, item).filter((value, index) => index !== choice.dimension && same(value, own[index])).length;
  const byLikeness = product.items
    .filter((item) => same(valuesOf(product, item)[choice.dimension], choice.value))
    .sort((a, b) => alikeIn(b) - alikeIn(a) || Number(isSellable(b)) - Number(isSellable(a)) || a.index - b.index);
  const [sku] = byLikeness;
  if (sku !== undefined && isSellable(sku)) return { sku, state: 'open' };
  return { sku, state: byLikeness.some(isSellable) ? 'other' : 'sold_out' };
}

function dimensionsOf(items: readonly ItemInfo[]): readonly Dimension[] {
  const [first] = items;
  if (first === undefined || (items.length === 1 && first.spec.length === 0)) return [];
  const alike = items.every(
    (item) =>
      item.spec.length === first.spec.length &&
      item.spec.every(({ name }, index) => same(name, first.spec[index]?.name)),
  );
  // SKUs that do not have the same choices cannot be a grid: their whole specifications are then the values of one choice.
  if (!alike || first.spec.length === 0)
    return [{ name: { zh: '规格', en: 'Option' }, values: unique(items.map(joined)) }];
  return first.spec.map(({ name }, index) => ({
    name,
    values: unique(items.flatMap((item) => item.spec[index]?.value ?? [])),
  }));
}

function joined({ spec, skuId }: ItemInfo): Text {
  if (spec.length === 0) return { zh: skuId, en: skuId };
  return {
    zh: spec.map(({ value }) => value.zh).join(' / '),
    en: spec.map(({ value }) => value.en).join(' / '),
  };
}

const same = (a: Text | undefined, b: Text | undefined): boolean => a?.zh === b?.zh;
const unique = (texts: readonly Text[]): readonly Text[] =>
  texts.filter((text, index) => texts.findIndex((other) => same(other, text)) === index);
