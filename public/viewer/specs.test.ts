import { describe, expect, test } from 'vitest';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { groupByProduct, specText, stateOfValue } from './specs.ts';

const text = (word: string) => ({ zh: word, en: word });
function item(index: number, productId: string, ...values: string[]): ItemInfo {
  const names = ['颜色', '尺码'];
  return {
    index,
    skuId: [productId, ...values].join('-'),
    productId,
    title: text(productId),
    spec: values.map((value, each) => ({ name: text(names[each] ?? ''), value: text(value) })),
    imageUrl: null,
    unitPriceMinor: 100,
    currency: 'CNY',
    limits: { perOrder: null, perBuyer: null, perDevice: null },
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'exact' },
    sale: 'open',
    opensAtMs: 0,
  };
}
const shirts = [
  item(0, 'shirt', '黑', 'M'),
  item(2, 'shirt', '黑', 'L'),
  item(1, 'shirt', '红', 'M'),
  item(3, 'shirt', '红', 'L'),
];
const except =
  (...skuIds: string[]) =>
  ({ skuId }: ItemInfo) =>
    !skuIds.includes(skuId);

function shirt() {
  const [product] = groupByProduct(shirts);
  const current = product?.items.find(({ skuId }) => skuId === 'shirt-黑-L');
  if (product === undefined || current === undefined) throw new Error('the product is there');
  const state = (dimension: number, value: string, isSellable: (item: ItemInfo) => boolean) => {
    const { sku, state } = stateOfValue(product, current, { dimension, value: text(value) }, isSellable);
    return `${state} ${sku?.skuId}`;
  };
  return { product, state };
}

describe('specifications', () => {
  test('[VW-14] SKUs are grouped by product in the order of their index', () => {
    const products = groupByProduct([item(5, 'mug'), ...shirts]);
    expect(products.map(({ productId, items }) => `${productId} ${items.length}`)).toEqual(['shirt 4', 'mug 1']);
    expect(products[0]?.dimensions.map(({ values }) => values.map(({ zh }) => zh).join())).toEqual(['黑,红', 'M,L']);
    expect(products[1]?.dimensions).toEqual([]);
  });

  test('[VW-14] black L at zero: only that combination is sold out', () => {
    const { state } = shirt();
    const isSellable = except('shirt-黑-L');
    expect(state(0, '黑', isSellable)).toBe('other shirt-黑-L');
    expect(state(0, '红', isSellable)).toBe('open shirt-红-L');
    expect(state(1, 'L', isSellable)).toBe('other shirt-黑-L');
    expect(state(1, 'M', isSellable)).toBe('open shirt-黑-M');
  });

  test('[VW-14] a value that is sold out in every combination says so and still leads to its SKU', () => {
    const { state } = shirt();
    expect(state(0, '红', except('shirt-红-M', 'shirt-红-L'))).toBe('sold_out shirt-红-L');
  });

  test('[VW-14] where a combination does not exist, choosing leads to the SKU most like it, with units if there is one', () => {
    const three = [item(0, 'cap', '黑', 'M'), item(1, 'cap', '红', 'L'), item(2, 'cap', '红', 'XL')];
    const [product] = groupByProduct(three);
    const [current] = three;
    if (product === undefined || current === undefined) throw new Error('the product is there');
    const red = { dimension: 0, value: text('红') };
    expect(stateOfValue(product, current, red, () => true)).toEqual({ sku: three[1], state: 'open' });
    expect(stateOfValue(product, current, red, except('cap-红-L'))).toEqual({ sku: three[2], state: 'open' });
  });

  test('[VW-14] SKUs with unlike choices become the values of one choice', () => {
    const [product] = groupByProduct([item(0, 'set', '大'), item(1, 'set', '小', '蓝')]);
    expect(product?.dimensions.map(({ values }) => values.map(({ zh }) => zh).join())).toEqual(['大,小 / 蓝']);
    const second = product?.items[1];
    expect(second && specText(second).zh).toBe('小 / 蓝');
  });
});
