import type { DisplayPolicy } from '../../contract/levels.ts';
import type { PurchaseLimits, SalePolicy, SpecValue } from '../../contract/livestreams.ts';
import type { Text } from '../../contract/primitives.ts';

/** Units of one SKU: `[onHand, reserved]` per warehouse, and what the livestream and the shop's app may sell of them. */
type DemoUnits = {
  readonly hangzhou: readonly [number, number];
  readonly guangzhou?: readonly [number, number];
  readonly chengdu?: readonly [number, number];
  readonly live: number;
  readonly app: number;
};

export type DemoSku = {
  readonly skuId: string;
  readonly spec: readonly SpecValue[];
  readonly unitPriceMinor: number;
  readonly units: DemoUnits;
};

export type DemoProduct = {
  readonly productId: string;
  readonly title: Text;
  readonly imageUrl: string;
  readonly salePolicy: SalePolicy;
  readonly display: DisplayPolicy;
  readonly limits: PurchaseLimits;
  /** The sale opens so long after the demo is made; 0 = at once. */
  readonly opensInMs: number;
  readonly skus: readonly DemoSku[];
};

export const demoLivestreamId = 'demo';
export const demoCurrency = 'CNY';
export const demoTitle: Text = { zh: '秋日好物专场', en: 'Autumn finds, live' };
/** Ten minutes to pay. */
export const demoHoldTtlMs = 600_000;

export const demoWarehouses: readonly {
  readonly warehouseId: 'hangzhou' | 'guangzhou' | 'chengdu';
  readonly name: Text;
}[] = [
  { warehouseId: 'hangzhou', name: { zh: '杭州仓', en: 'Hangzhou warehouse' } },
  { warehouseId: 'guangzhou', name: { zh: '广州仓', en: 'Guangzhou warehouse' } },
  { warehouseId: 'chengdu', name: { zh: '成都仓', en: 'Chengdu warehouse' } },
];

export const demoChannel = { channelId: 'app', name: { zh: '自有商城 App', en: "The shop's own app" } } as const;

const colour = (zh: string, en: string): SpecValue => ({
  name: { zh: '颜色', en: 'Colour' },
  value: { zh, en },
});
const size = (value: string): SpecValue => ({ name: { zh: '尺码', en: 'Size' }, value: { zh: value, en: value } });
const pack = (zh: string, en: string): SpecValue => ({ name: { zh: '规格', en: 'Pack' }, value: { zh, en } });
const shade = (zh: string, en: string): SpecValue => ({ name: { zh: '色号', en: 'Shade' }, value: { zh, en } });

const unlimited: PurchaseLimits = { perOrder: null, perBuyer: null, perDevice: null };

/**
 * A show as shops run it: clothes by colour and size, food, cosmetics. Every sale policy and every display policy occurs, some pools
 * are small enough to be seen selling out, and warehouses keep reserved units that no pool gets.
 */
export const demoProducts: readonly DemoProduct[] = [
  {
    productId: 'linen-shirt',
    title: { zh: '水洗亚麻衬衫', en: 'Washed linen shirt' },
    imageUrl: '/assets/demo/linen-shirt.svg',
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'exact' },
    limits: { perOrder: 2, perBuyer: 4, perDevice: null },
    opensInMs: 0,
    skus: [
      {
        skuId: 'linen-shirt-oat-m',
        spec: [colour('燕麦', 'Oat'), size('M')],
        unitPriceMinor: 16_900,
        units: { hangzhou: [180, 20], guangzhou: [60, 0], live: 120, app: 60 },
      },
      {
        skuId: 'linen-shirt-oat-l',
        spec: [colour('燕麦', 'Oat'), size('L')],
        unitPriceMinor: 16_900,
        units: { hangzhou: [160, 20], live: 90, app: 40 },
      },
      {
        skuId: 'linen-shirt-navy-m',
        spec: [colour('藏青', 'Navy'), size('M')],
        unitPriceMinor: 16_900,
        units: { hangzhou: [90, 10], guangzhou: [40, 0], live: 60, app: 30 },
      },
      {
        skuId: 'linen-shirt-navy-l',
        spec: [colour('藏青', 'Navy'), size('L')],
        unitPriceMinor: 16_900,
        units: { hangzhou: [18, 6], live: 8, app: 4 },
      },
    ],
  },
  {
    productId: 'wide-trousers',
    title: { zh: '高腰垂感阔腿裤', en: 'High-waist wide trousers' },
    imageUrl: '/assets/demo/wide-trousers.svg',
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'low_only', below: 20 },
    limits: { perOrder: 3, perBuyer: null, perDevice: null },
    opensInMs: 0,
    skus: [
      {
        skuId: 'wide-trousers-black-s',
        spec: [colour('黑色', 'Black'), size('S')],
        unitPriceMinor: 13_900,
        units: { hangzhou: [100, 0], live: 60, app: 40 },
      },
      {
        skuId: 'wide-trousers-black-m',
        spec: [colour('黑色', 'Black'), size('M')],
        unitPriceMinor: 13_900,
        units: { hangzhou: [120, 10], guangzhou: [80, 10], live: 120, app: 60 },
      },
      {
        skuId: 'wide-trousers-khaki-m',
        spec: [colour('卡其', 'Khaki'), size('M')],
        unitPriceMinor: 13_900,
        units: { hangzhou: [40, 0], live: 25, app: 10 },
      },
    ],
  },
  {
    productId: 'canvas-tote',
    title: { zh: '加厚帆布托特包', en: 'Heavy canvas tote bag' },
    imageUrl: '/assets/demo/canvas-tote.svg',
    salePolicy: { kind: 'deduct_on_payment' },
    display: { kind: 'band', bounds: [1, 10, 50, 100] },
    limits: unlimited,
    opensInMs: 0,
    skus: [
      {
        skuId: 'canvas-tote-natural',
        spec: [colour('原色', 'Natural')],
        unitPriceMinor: 5_900,
        units: { hangzhou: [200, 0], chengdu: [100, 50], live: 180, app: 60 },
      },
      {
        skuId: 'canvas-tote-moss',
        spec: [colour('苔绿', 'Moss green')],
        unitPriceMinor: 5_900,
        units: { hangzhou: [60, 0], live: 40, app: 20 },
      },
    ],
  },
  {
    productId: 'daily-nuts',
    title: { zh: '每日坚果混合装', en: 'Daily mixed nuts' },
    imageUrl: '/assets/demo/daily-nuts.svg',
    salePolicy: { kind: 'hold_below', threshold: 50 },
    display: { kind: 'band', bounds: [1, 20, 100, 300] },
    limits: { perOrder: 10, perBuyer: null, perDevice: null },
    opensInMs: 0,
    skus: [
      {
        skuId: 'daily-nuts-30',
        spec: [pack('30 袋礼盒', 'Box of 30')],
        unitPriceMinor: 8_900,
        units: { guangzhou: [300, 50], hangzhou: [200, 0], chengdu: [150, 0], live: 400, app: 150 },
      },
    ],
  },
  {
    productId: 'egg-yolk-pastry',
    title: { zh: '手作蛋黄酥', en: 'Handmade egg-yolk pastry' },
    imageUrl: '/assets/demo/egg-yolk-pastry.svg',
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'exact' },
    limits: { perOrder: 5, perBuyer: 10, perDevice: null },
    opensInMs: 0,
    skus: [
      {
        skuId: 'egg-yolk-pastry-6',
        spec: [pack('6 枚', 'Box of 6')],
        unitPriceMinor: 3_990,
        units: { hangzhou: [240, 0], live: 200, app: 40 },
      },
      {
        skuId: 'egg-yolk-pastry-12',
        spec: [pack('12 枚', 'Box of 12')],
        unitPriceMinor: 6_990,
        units: { hangzhou: [45, 5], live: 30, app: 10 },
      },
    ],
  },
  {
    productId: 'velvet-lipstick',
    title: { zh: '丝绒哑光口红', en: 'Velvet matte lipstick' },
    imageUrl: '/assets/demo/velvet-lipstick.svg',
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'exact' },
    limits: { perOrder: 1, perBuyer: 2, perDevice: 2 },
    opensInMs: 0,
    skus: [
      {
        skuId: 'velvet-lipstick-rosewood',
        spec: [shade('玫瑰木', 'Rosewood')],
        unitPriceMinor: 9_900,
        units: { hangzhou: [30, 10], live: 12, app: 8 },
      },
      {
        skuId: 'velvet-lipstick-brick',
        spec: [shade('砖红', 'Brick red')],
        unitPriceMinor: 9_900,
        units: { hangzhou: [150, 30], live: 80, app: 40 },
      },
    ],
  },
  {
    productId: 'oolong-tea',
    title: { zh: '凤凰单丛乌龙茶', en: 'Phoenix oolong tea' },
    imageUrl: '/assets/demo/oolong-tea.svg',
    salePolicy: { kind: 'hold_below', threshold: 20 },
    display: { kind: 'low_only', below: 30 },
    limits: unlimited,
    opensInMs: 0,
    skus: [
      {
        skuId: 'oolong-tea-125',
        spec: [pack('125 克', '125 g')],
        unitPriceMinor: 12_800,
        units: { guangzhou: [90, 10], hangzhou: [20, 0], live: 70, app: 30 },
      },
    ],
  },
  {
    productId: 'day-cream',
    title: { zh: '神经酰胺保湿面霜', en: 'Ceramide day cream' },
    imageUrl: '/assets/demo/day-cream.svg',
    salePolicy: { kind: 'deduct_on_order' },
    display: { kind: 'exact' },
    limits: { perOrder: 1, perBuyer: 1, perDevice: 1 },
    // The page counts down to it: what viewers see before 上链接.
    opensInMs: 180_000,
    skus: [
      {
        skuId: 'day-cream-50',
        spec: [pack('50 毫升', '50 ml')],
        unitPriceMinor: 7_900,
        units: { hangzhou: [40, 10], chengdu: [20, 0], live: 20, app: 20 },
      },
    ],
  },
];
