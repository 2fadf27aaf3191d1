import * as z from 'zod/mini';
import { IssueToken, OpenSession, SessionAnswer } from './access.ts';
import type { ErrorCode } from './errors.ts';
import { StockLevel } from './levels.ts';
import {
  AddItem,
  AllotChannel,
  AllotItem,
  ChangeItem,
  ChangeSale,
  ChannelSale,
  CreateChannel,
  CreateLivestream,
  CreateProduct,
  CreateSku,
  CreateWarehouse,
  LivestreamInfo,
  PinItem,
  ScheduleLivestream,
  SetWarehouseStock,
} from './livestreams.ts';
import {
  Order,
  OrderAnswer,
  OrderForOperator,
  OrderState,
  PaymentCallback,
  PaymentOutcome,
  PlaceOrder,
  RefundOrder,
} from './orders.ts';
import { Count, Epoch, Id, InstantMs, type Text, Version } from './primitives.ts';

/**
 * What a token must permit. open: nobody is asked · watch: any role of the livestream · watch_full: anchor, operator, admin, service ·
 * order: a viewer with a buyer's identity · manage: operator of the livestream, admin · supply: service, admin (no livestream) ·
 * signed: the payment provider's signature.
 */
export type RouteAccess = 'open' | 'watch' | 'watch_full' | 'order' | 'manage' | 'supply' | 'signed';

export type Route = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Express form, below `/api/v1`. */
  readonly path: string;
  readonly tag: 'access' | 'livestreams' | 'items' | 'orders' | 'payments' | 'stock';
  readonly access: RouteAccess;
  readonly summary: Text;
  readonly body?: z.ZodMiniType;
  readonly query?: z.ZodMiniType;
  readonly status: number;
  readonly answer: z.ZodMiniType;
  /** Beside those that any route may give. */
  readonly errors: readonly ErrorCode[];
};

const route = <const R extends Route>(definition: R): R => definition;
const managed = z.object({ livestream: LivestreamInfo });

/** REST answer for one SKU's stock, over warehouses, livestreams and channels. */
export const SkuStockAnswer = z.object({
  skuId: Id,
  /** A sum over warehouses: may be greater than a single count. */
  sellable: z.int().check(z.minimum(0)),
  unallotted: z.int(),
  warehouses: z.array(z.object({ warehouseId: Id, skuId: Id, onHand: Count, reserved: Count })),
  livestreams: z.array(z.object({ livestreamId: Id, allotted: Count, held: Count, sold: Count, available: Count })),
  channels: z.array(z.object({ channelId: Id, allotted: Count, sold: Count, available: Count })),
});

/** Gate and ledger side by side. `drift`: units by which they differ; at rest 0. */
export const AuditAnswer = z.object({
  livestreamId: Id,
  atMs: InstantMs,
  epoch: Epoch,
  version: Version,
  drift: z.int(),
  items: z.array(
    z.object({
      skuId: Id,
      allotted: z.int(),
      gate: z.nullable(
        z.object({ allotted: z.int(), held: z.int(), sold: z.int(), available: z.int(), version: z.int() }),
      ),
      ledger: z.object({
        held: z.int(),
        sold: z.int(),
        returned: z.int(),
        heldByOrders: z.int(),
        soldByOrders: z.int(),
      }),
    }),
  ),
});

/** Every REST route, once: the server binds them, the OpenAPI document and its page are made from them. */
export const routes = {
  openSession: route({
    method: 'post',
    path: '/session',
    tag: 'access',
    access: 'open',
    summary: {
      zh: '用链接中的令牌换取会话 Cookie，或领取匿名观众会话',
      en: "Exchange a link's token for a session cookie, or get an anonymous viewer's session",
    },
    body: OpenSession,
    status: 200,
    answer: SessionAnswer,
    errors: ['unauthorized', 'not_found', 'forbidden'],
  }),
  issueToken: route({
    method: 'post',
    path: '/livestreams/:livestreamId/tokens',
    tag: 'access',
    access: 'supply',
    summary: { zh: '为买家、主播或运营签发令牌', en: 'Issue a token for a buyer, an anchor or an operator' },
    body: IssueToken,
    status: 201,
    answer: z.object({ token: z.string(), expiresAtMs: InstantMs }),
    errors: ['not_found'],
  }),

  listLivestreams: route({
    method: 'get',
    path: '/livestreams',
    tag: 'livestreams',
    access: 'open',
    summary: { zh: '列出公开的直播（未开始或进行中）', en: 'List public livestreams: scheduled or live' },
    status: 200,
    answer: z.object({ livestreams: z.array(LivestreamInfo) }),
    errors: [],
  }),
  createLivestream: route({
    method: 'post',
    path: '/livestreams',
    tag: 'livestreams',
    access: 'supply',
    summary: { zh: '创建直播', en: 'Create a livestream' },
    body: CreateLivestream,
    status: 201,
    answer: managed,
    errors: ['conflict'],
  }),
  getLivestream: route({
    method: 'get',
    path: '/livestreams/:livestreamId',
    tag: 'livestreams',
    access: 'watch',
    summary: { zh: '直播与商品信息', en: 'A livestream with its items' },
    status: 200,
    answer: managed,
    errors: ['route_not_found'],
  }),
  scheduleLivestream: route({
    method: 'post',
    path: '/livestreams/:livestreamId/schedule',
    tag: 'livestreams',
    access: 'manage',
    summary: { zh: '预告开播时间', en: 'Schedule the start' },
    body: ScheduleLivestream,
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'conflict'],
  }),
  startLivestream: route({
    method: 'post',
    path: '/livestreams/:livestreamId/start',
    tag: 'livestreams',
    access: 'manage',
    summary: { zh: '开播', en: 'Go live' },
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'conflict'],
  }),
  endLivestream: route({
    method: 'post',
    path: '/livestreams/:livestreamId/end',
    tag: 'livestreams',
    access: 'manage',
    summary: {
      zh: '下播：关闭全部销售，未付款订单自然到期',
      en: 'End: closes every sale, holds run out by themselves',
    },
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'conflict'],
  }),
  pinItem: route({
    method: 'put',
    path: '/livestreams/:livestreamId/pin',
    tag: 'livestreams',
    access: 'manage',
    summary: { zh: '置顶正在讲解的商品', en: 'Pin the item being explained' },
    body: PinItem,
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'not_found', 'conflict'],
  }),
  getLevels: route({
    method: 'get',
    path: '/livestreams/:livestreamId/levels',
    tag: 'livestreams',
    access: 'watch_full',
    summary: {
      zh: '库存实时数值（与观众所见同一版本）',
      en: 'Levels from the gate, with the version that viewers see',
    },
    status: 200,
    answer: z.object({ epoch: Epoch, version: Version, levels: z.array(StockLevel) }),
    errors: ['rebuilding', 'route_not_found'],
  }),
  getAudit: route({
    method: 'get',
    path: '/livestreams/:livestreamId/audit',
    tag: 'livestreams',
    access: 'manage',
    summary: { zh: '对账：闸口与账本', en: 'Audit: gate against ledger' },
    status: 200,
    answer: AuditAnswer,
    errors: ['route_not_found'],
  }),

  addItem: route({
    method: 'post',
    path: '/livestreams/:livestreamId/items',
    tag: 'items',
    access: 'manage',
    summary: {
      zh: '上架商品规格：价格、限购、减库存方式与分配数量',
      en: 'Add a SKU with price, limits, sale policy and allotment',
    },
    body: AddItem,
    status: 201,
    answer: managed,
    errors: ['route_not_found', 'not_found', 'conflict'],
  }),
  changeItem: route({
    method: 'patch',
    path: '/livestreams/:livestreamId/items/:skuId',
    tag: 'items',
    access: 'manage',
    summary: { zh: '修改价格、限购、减库存方式或显示方式', en: 'Change price, limits, sale policy or display' },
    body: ChangeItem,
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'not_found', 'conflict'],
  }),
  changeSale: route({
    method: 'post',
    path: '/livestreams/:livestreamId/items/:skuId/sale',
    tag: 'items',
    access: 'manage',
    summary: { zh: '上链接（可定时）、停售、恢复', en: 'Open the sale (now or at a moment), stop, resume' },
    body: ChangeSale,
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'not_found', 'conflict'],
  }),
  allotItem: route({
    method: 'put',
    path: '/livestreams/:livestreamId/items/:skuId/allotment',
    tag: 'items',
    access: 'manage',
    summary: { zh: '设置直播间专属库存（绝对值）', en: "Set the livestream's own pool (absolute)" },
    body: AllotItem,
    status: 200,
    answer: managed,
    errors: ['route_not_found', 'not_found', 'conflict'],
  }),

  placeOrder: route({
    method: 'post',
    path: '/livestreams/:livestreamId/orders',
    tag: 'orders',
    access: 'order',
    summary: { zh: '下单', en: 'Place an order' },
    body: PlaceOrder,
    status: 201,
    answer: OrderAnswer,
    errors: [
      'rebuilding',
      'in_progress',
      'idempotency_mismatch',
      'not_found',
      'not_open',
      'stopped',
      'limit_buyer',
      'limit_device',
      'risk_blocked',
      'sold_out',
      'insufficient',
      'overloaded',
      'unavailable',
    ],
  }),
  myOrders: route({
    method: 'get',
    path: '/livestreams/:livestreamId/orders/mine',
    tag: 'orders',
    access: 'order',
    summary: { zh: '我的订单', en: "The buyer's own orders, newest first" },
    status: 200,
    answer: z.object({ orders: z.array(Order) }),
    errors: [],
  }),
  listOrders: route({
    method: 'get',
    path: '/livestreams/:livestreamId/orders',
    tag: 'orders',
    access: 'manage',
    summary: { zh: '订单列表（运营）', en: 'Orders, for operators; newest first, next page by `before`' },
    query: z.object({
      state: z.optional(OrderState),
      buyerId: z.optional(Id),
      before: z.optional(Id),
      limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(200)), 50),
    }),
    status: 200,
    answer: z.object({ orders: z.array(OrderForOperator) }),
    errors: [],
  }),
  cancelOrder: route({
    method: 'post',
    path: '/livestreams/:livestreamId/orders/:orderId/cancel',
    tag: 'orders',
    access: 'watch',
    summary: { zh: '取消未付款订单（买家本人或运营）', en: 'Cancel an unpaid order, by its buyer or an operator' },
    status: 200,
    answer: z.object({ order: Order }),
    errors: ['route_not_found', 'conflict'],
  }),
  refundOrder: route({
    method: 'post',
    path: '/livestreams/:livestreamId/orders/:orderId/refund',
    tag: 'orders',
    access: 'manage',
    summary: { zh: '退款；已付款订单的库存回到直播间', en: 'Refund; units of a paid order go back to the pool' },
    body: RefundOrder,
    status: 200,
    answer: z.object({ order: Order }),
    errors: ['route_not_found', 'conflict'],
  }),

  paymentCallback: route({
    method: 'post',
    path: '/payments/callback',
    tag: 'payments',
    access: 'signed',
    summary: {
      zh: '支付结果回调（Standard Webhooks 签名）',
      en: 'Payment callback, signed as Standard Webhooks; repeat until it answers 200',
    },
    body: PaymentCallback,
    status: 200,
    answer: PaymentOutcome,
    errors: ['unauthorized', 'route_not_found', 'unavailable'],
  }),

  putProduct: route({
    method: 'post',
    path: '/products',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '新建或更新商品', en: 'Create or update a product' },
    body: CreateProduct,
    status: 200,
    answer: z.object({ productId: Id }),
    errors: [],
  }),
  putSku: route({
    method: 'post',
    path: '/skus',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '新建或更新商品规格', en: 'Create or update a SKU' },
    body: CreateSku,
    status: 200,
    answer: z.object({ skuId: Id }),
    errors: ['not_found'],
  }),
  getSkuStock: route({
    method: 'get',
    path: '/skus/:skuId/stock',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '一个规格在各仓库、直播间与渠道的库存', en: 'Where the units of one SKU are' },
    status: 200,
    answer: z.object({ stock: SkuStockAnswer }),
    errors: ['route_not_found'],
  }),
  putWarehouse: route({
    method: 'post',
    path: '/warehouses',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '新建或更新仓库', en: 'Create or update a warehouse' },
    body: CreateWarehouse,
    status: 200,
    answer: z.object({ warehouseId: Id }),
    errors: [],
  }),
  setWarehouseStock: route({
    method: 'put',
    path: '/warehouses/:warehouseId/stock/:skuId',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '设置实物与预留数量（绝对值）', en: 'Set on-hand and reserved units (absolute)' },
    body: SetWarehouseStock,
    status: 200,
    answer: z.object({ stock: SkuStockAnswer }),
    errors: ['not_found', 'conflict'],
  }),
  putChannel: route({
    method: 'post',
    path: '/channels',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '新建或更新销售渠道', en: 'Create or update a sales channel' },
    body: CreateChannel,
    status: 200,
    answer: z.object({ channelId: Id }),
    errors: [],
  }),
  allotChannel: route({
    method: 'put',
    path: '/channels/:channelId/pools/:skuId',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '设置渠道库存池（绝对值）', en: "Set a channel's pool (absolute)" },
    body: AllotChannel,
    status: 200,
    answer: z.object({ stock: SkuStockAnswer }),
    errors: ['not_found', 'conflict'],
  }),
  sellInChannel: route({
    method: 'post',
    path: '/channels/:channelId/sales',
    tag: 'stock',
    access: 'supply',
    summary: { zh: '渠道成交：只扣该渠道的库存池', en: "Record a channel's sale: takes units of its own pool only" },
    body: ChannelSale,
    status: 201,
    answer: z.object({ outcome: z.enum(['sold', 'duplicate']), available: Count }),
    errors: ['not_found', 'conflict', 'sold_out', 'insufficient'],
  }),
} as const;

/** The prefix of every route above. */
export const API_PREFIX = '/api/v1';
