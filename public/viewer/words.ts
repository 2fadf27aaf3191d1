import type { ErrorCode } from '../../contract/errors.ts';
import type { ItemStatus } from '../../contract/levels.ts';
import type { OrderState } from '../../contract/orders.ts';
import type { Language } from '../lib/languages.ts';

/** Every sentence of the page. A sentence that one language lacks does not compile. */
export type Words = {
  readonly pageTitle: string;
  readonly switchLanguage: string;
  readonly switchLanguageShort: string;
  readonly live: string;
  readonly startsSoon: string;
  readonly over: string;
  readonly overText: string;
  readonly watching: (viewers: string) => string;
  readonly connection: Record<'connecting' | 'live' | 'stale' | 'reconnecting' | 'refused' | 'closed', string>;
  readonly staleHelp: string;
  readonly reload: string;
  readonly explaining: string;
  readonly items: string;
  readonly noItems: string;
  readonly buy: string;
  readonly buyNamed: (name: string) => string;
  readonly placing: string;
  readonly placingText: string;
  readonly opensIn: (clock: string) => string;
  readonly status: Record<Exclude<ItemStatus, 'on_sale' | 'scheduled'>, string>;
  readonly loading: string;
  readonly left: Record<'low' | 'some' | 'plenty', (units: string) => string>;
  readonly soldOutShort: string;
  readonly backInStock: (name: string) => string;
  readonly soldOutNow: (name: string) => string;
  readonly quantity: string;
  readonly less: string;
  readonly more: string;
  readonly perOrder: (limit: number) => string;
  readonly perBuyer: (limit: number, counted: number) => string;
  readonly perDevice: (limit: number) => string;
  readonly limitReached: string;
  readonly cannotOrder: string;
  readonly holdHint: (minutes: number) => string;
  readonly myOrders: string;
  readonly noOrders: string;
  readonly unpaidOrders: (count: number) => string;
  readonly orderState: Record<OrderState, string>;
  readonly orderText: Record<OrderState, string>;
  readonly payWithin: string;
  readonly pay: string;
  readonly payElsewhere: string;
  readonly cancelOrder: string;
  readonly cancelling: string;
  readonly continueWatching: string;
  readonly close: string;
  readonly total: string;
  readonly orderNumber: string;
  readonly refusedTitle: string;
  readonly undecidedTitle: string;
  readonly undecidedText: string;
  readonly askAgain: string;
  readonly advice: Record<ErrorCode, string>;
  readonly needLink: string;
  readonly linkExpired: string;
  readonly unreachable: string;
  readonly tryAgain: string;
  readonly noLivestream: string;
  readonly noLivestreamText: string;
  readonly toEntrance: string;
};

const zh: Words = {
  pageTitle: '直播购物',
  switchLanguage: 'English',
  switchLanguageShort: 'EN',
  live: '直播中',
  startsSoon: '即将开播',
  over: '已结束',
  overText: '直播已结束，未付款的订单仍可在有效期内支付。',
  watching: (viewers) => `${viewers} 人在看`,
  connection: {
    connecting: '连接中…',
    live: '实时',
    stale: '数据可能不是最新',
    reconnecting: '重新连接中…',
    refused: '已断开',
    closed: '已断开',
  },
  staleHelp: '暂时收不到库存更新，正在自动恢复；下单以服务器为准。',
  reload: '刷新页面',
  explaining: '讲解中',
  items: '全部商品',
  noItems: '主播还没有上架商品，上架后会自动出现。',
  buy: '立即抢购',
  buyNamed: (name) => `立即抢购：${name}`,
  placing: '抢购中…',
  placingText: '正在为你锁定库存，请不要关闭页面。',
  opensIn: (clock) => `即将开抢 ${clock}`,
  status: { not_open: '未开售', sold_out: '已售罄', stopped: '已停售', ended: '已结束' },
  loading: '读取库存…',
  left: {
    low: (units) => `仅剩 ${units} 件`,
    some: (units) => `剩余 ${units} 件`,
    plenty: (units) => `库存充足 ${units}`,
  },
  soldOutShort: '售罄',
  backInStock: (name) => `${name} 又有货了`,
  soldOutNow: (name) => `${name} 已售罄`,
  quantity: '数量',
  less: '减少数量',
  more: '增加数量',
  perOrder: (limit) => `每单限 ${limit} 件`,
  perBuyer: (limit, counted) => (counted > 0 ? `每人限 ${limit} 件，你已有 ${counted} 件` : `每人限 ${limit} 件`),
  perDevice: (limit) => `每台设备限 ${limit} 件`,
  limitReached: '已达限购数量',
  cannotOrder: '当前链接只能观看，不能下单。',
  holdHint: (minutes) => `下单后为你保留 ${minutes} 分钟`,
  myOrders: '我的订单',
  noOrders: '还没有订单。抢到的商品会出现在这里。',
  unpaidOrders: (count) => `${count} 笔待支付`,
  orderState: {
    held: '待支付',
    placed: '待支付',
    paid: '已支付',
    expired: '已过期',
    cancelled: '已取消',
    refund_due: '退款中',
    refunded: '已退款',
  },
  orderText: {
    held: '抢到了！库存已为你锁定，请在倒计时结束前支付。',
    placed: '下单成功。该商品付款时扣减库存，请尽快支付。',
    paid: '支付成功，感谢购买。',
    expired: '超时未支付，订单已关闭，库存已释放。',
    cancelled: '订单已取消，库存已释放。',
    refund_due: '付款到账时已无库存，款项将原路退回。',
    refunded: '款项已原路退回。',
  },
  payWithin: '剩余支付时间',
  pay: '去支付',
  payElsewhere: '请在下单时使用的浏览器中支付。',
  cancelOrder: '取消订单',
  cancelling: '取消中…',
  continueWatching: '继续看直播',
  close: '关闭',
  total: '合计',
  orderNumber: '订单号',
  refusedTitle: '没有抢到',
  undecidedTitle: '还在确认',
  undecidedText: '网络较慢，尚未收到结果。再次确认不会重复下单。',
  askAgain: '再次确认',
  advice: {
    rebuilding: '请稍等几秒再试，不会重复下单。',
    in_progress: '请稍等几秒再确认，不会重复下单。',
    idempotency_mismatch: '请关闭后重新下单。',
    not_found: '请刷新页面查看最新商品。',
    not_open: '开售后按钮会自动亮起，无需刷新。',
    stopped: '主播恢复销售后按钮会自动亮起。',
    limit_buyer: '请减少数量，或选择其他商品。',
    limit_device: '请减少数量，或选择其他商品。',
    risk_blocked: '如有疑问，请联系店铺客服。',
    sold_out: '如有人未付款，库存会自动回来；也可以看看其他规格。',
    insufficient: '请减少数量后再试。',
    bad_request: '请刷新页面后重试。',
    unauthorized: '请重新打开直播链接。',
    forbidden: '请使用购买链接打开本页。',
    route_not_found: '请刷新页面后重试。',
    conflict: '订单状态已变化，请查看最新状态。',
    payload_too_large: '请减少商品后重试。',
    unsupported_media_type: '请刷新页面后重试。',
    rate_limited: '请慢一点，稍后再试。',
    protocol_mismatch: '请刷新页面获取新版本。',
    overloaded: '排队的人很多，请稍后再试，不会重复下单。',
    unavailable: '请稍后再试，不会重复下单。',
    internal: '请稍后再试，不会重复下单。',
  },
  needLink: '本场直播需要邀请链接，请从店铺重新打开。',
  linkExpired: '链接已失效，现以游客身份观看。',
  unreachable: '暂时连不上服务器，正在自动重试。',
  tryAgain: '重试',
  noLivestream: '没有正在进行的直播',
  noLivestreamText: '直播开始后，请从首页或店铺链接进入。',
  toEntrance: '回到首页',
};

const en: Words = {
  pageTitle: 'Live shopping',
  switchLanguage: '中文',
  switchLanguageShort: '中文',
  live: 'Live',
  startsSoon: 'Starts soon',
  over: 'Ended',
  overText: 'This livestream has ended. Unpaid orders can still be paid until they expire.',
  watching: (viewers) => `${viewers} watching`,
  connection: {
    connecting: 'Connecting…',
    live: 'Live stock',
    stale: 'May be out of date',
    reconnecting: 'Reconnecting…',
    refused: 'Disconnected',
    closed: 'Disconnected',
  },
  staleHelp: 'No stock updates are coming in just now; this mends itself. Orders are still decided by the server.',
  reload: 'Reload the page',
  explaining: 'On screen now',
  items: 'All products',
  noItems: 'Nothing has been put on sale yet. Items appear here by themselves.',
  buy: 'Buy now',
  buyNamed: (name) => `Buy now: ${name}`,
  placing: 'Securing…',
  placingText: 'Securing your units. Please keep this page open.',
  opensIn: (clock) => `Opens in ${clock}`,
  status: { not_open: 'Not open yet', sold_out: 'Sold out', stopped: 'Sale stopped', ended: 'Ended' },
  loading: 'Reading stock…',
  left: {
    low: (units) => `Only ${units} left`,
    some: (units) => `${units} left`,
    plenty: (units) => `In stock, ${units}`,
  },
  soldOutShort: 'sold out',
  backInStock: (name) => `${name} is back in stock`,
  soldOutNow: (name) => `${name} is sold out`,
  quantity: 'Quantity',
  less: 'Fewer',
  more: 'More',
  perOrder: (limit) => `Up to ${limit} per order`,
  perBuyer: (limit, counted) =>
    counted > 0 ? `Up to ${limit} per buyer; you have ${counted}` : `Up to ${limit} per buyer`,
  perDevice: (limit) => `Up to ${limit} per device`,
  limitReached: 'Limit reached',
  cannotOrder: 'This link is for watching only; it cannot order.',
  holdHint: (minutes) => `Kept for you for ${minutes} min after ordering`,
  myOrders: 'My orders',
  noOrders: 'No orders yet. What you secure appears here.',
  unpaidOrders: (count) => `${count} to pay`,
  orderState: {
    held: 'To pay',
    placed: 'To pay',
    paid: 'Paid',
    expired: 'Expired',
    cancelled: 'Cancelled',
    refund_due: 'Refunding',
    refunded: 'Refunded',
  },
  orderText: {
    held: 'You got it! The units are yours until the countdown ends; please pay before that.',
    placed: 'Order received. Units of this item are taken when you pay, so please pay soon.',
    paid: 'Paid. Thank you for your purchase.',
    expired: 'Not paid in time: the order is closed and its units are on sale again.',
    cancelled: 'The order is cancelled and its units are on sale again.',
    refund_due: 'No units were left when the payment arrived. The money is on its way back.',
    refunded: 'The money has been sent back.',
  },
  payWithin: 'Time left to pay',
  pay: 'Pay now',
  payElsewhere: 'Please pay in the browser in which you ordered.',
  cancelOrder: 'Cancel order',
  cancelling: 'Cancelling…',
  continueWatching: 'Back to the livestream',
  close: 'Close',
  total: 'Total',
  orderNumber: 'Order',
  refusedTitle: 'Not this time',
  undecidedTitle: 'Still being decided',
  undecidedText: 'The network is slow and no answer has come yet. Asking again never orders twice.',
  askAgain: 'Ask again',
  advice: {
    rebuilding: 'Try again in a few seconds; it cannot order twice.',
    in_progress: 'Ask again in a few seconds; it cannot order twice.',
    idempotency_mismatch: 'Close this and order anew.',
    not_found: 'Reload the page for the present items.',
    not_open: 'The button lights up by itself when the sale opens.',
    stopped: 'The button lights up by itself when the sale resumes.',
    limit_buyer: 'Lower the quantity or choose another item.',
    limit_device: 'Lower the quantity or choose another item.',
    risk_blocked: "If this seems wrong, contact the shop's service.",
    sold_out: 'Unpaid units come back by themselves; another option may still be there.',
    insufficient: 'Lower the quantity and try again.',
    bad_request: 'Reload the page and try again.',
    unauthorized: "Open the livestream's link again.",
    forbidden: 'Open this page with a link for buyers.',
    route_not_found: 'Reload the page and try again.',
    conflict: 'The order has changed meanwhile; see its present state.',
    payload_too_large: 'Order fewer items at once.',
    unsupported_media_type: 'Reload the page and try again.',
    rate_limited: 'A little slower, please; try again in a moment.',
    protocol_mismatch: 'Reload the page for its new version.',
    overloaded: 'Many people are in line; try again shortly. It cannot order twice.',
    unavailable: 'Try again shortly; it cannot order twice.',
    internal: 'Try again shortly; it cannot order twice.',
  },
  needLink: "This livestream needs an invitation link; please open it again from the shop's page.",
  linkExpired: 'The link is no longer valid; you are watching as a guest.',
  unreachable: 'The server cannot be reached; trying again by itself.',
  tryAgain: 'Try again',
  noLivestream: 'No livestream just now',
  noLivestreamText: "Come in from the entrance page or the shop's link when one has started.",
  toEntrance: 'To the entrance',
};

export const wordsIn: Record<Language, Words> = { zh, en };
