import type { SaleState } from '../../contract/levels.ts';
import type { LivestreamState } from '../../contract/livestreams.ts';
import type { ManageRefusal } from './livestream-catalogue.ts';
import type { LivestreamAction, SaleAction } from './livestream-state.ts';

const refuse = (code: ManageRefusal['code'], zh: string, en: string): ManageRefusal => ({
  kind: 'refused',
  code,
  message: { zh, en },
});

const livestreamStateZh: Record<LivestreamState, string> = {
  draft: '草稿',
  scheduled: '已预告',
  live: '直播中',
  ended: '已下播',
};
const saleStateZh: Record<SaleState, string> = {
  not_open: '未开售',
  open: '已开售',
  stopped: '已停售',
  ended: '已结束',
};
const livestreamActionZh: Record<LivestreamAction, string> = { schedule: '预告', start: '开播', end: '下播' };
const saleActionZh: Record<SaleAction, string> = { open: '开售', stop: '停售', resume: '恢复销售' };

/** Every refusal of the catalogue: what is in the way, with its numbers, and what to do about it. */
export const refusals = {
  noProduct: (productId: string) =>
    refuse('not_found', `没有商品 ${productId}，请先创建商品`, `There is no product ${productId}; create it first.`),
  noSku: (skuId: string) =>
    refuse('not_found', `没有规格 ${skuId}，请先创建规格`, `There is no SKU ${skuId}; create it first.`),
  noWarehouse: (warehouseId: string) =>
    refuse(
      'not_found',
      `没有仓库 ${warehouseId}，请先创建仓库`,
      `There is no warehouse ${warehouseId}; create it first.`,
    ),
  noChannel: (channelId: string) =>
    refuse('not_found', `没有渠道 ${channelId}，请先创建渠道`, `There is no channel ${channelId}; create it first.`),
  noPool: (channelId: string, skuId: string) =>
    refuse(
      'not_found',
      `渠道 ${channelId} 没有规格 ${skuId} 的库存池，请先分配`,
      `Channel ${channelId} has no pool of ${skuId}; allot it first.`,
    ),
  noLivestream: (livestreamId: string) =>
    refuse('route_not_found', `没有直播 ${livestreamId}`, `There is no livestream ${livestreamId}.`),
  noItem: (skuId: string) =>
    refuse('not_found', `本场直播没有商品规格 ${skuId}`, `This livestream has no item ${skuId}.`),

  livestreamExists: (livestreamId: string) =>
    refuse(
      'conflict',
      `直播 ${livestreamId} 已存在，请换一个编号`,
      `Livestream ${livestreamId} exists already; choose another id.`,
    ),
  itemExists: (skuId: string) =>
    refuse(
      'conflict',
      `规格 ${skuId} 已在本场直播中，请直接修改`,
      `${skuId} is an item of this livestream already; change it instead.`,
    ),
  itemsMax: (count: number) =>
    refuse('conflict', `一场直播最多 ${count} 个商品规格`, `A livestream has at most ${count} items.`),
  otherCurrency: (currency: string) =>
    refuse(
      'conflict',
      `本场直播以 ${currency} 计价，所有商品须用同一币种`,
      `This livestream sells in ${currency}; all of its items need the same currency.`,
    ),

  livestreamIs: (state: LivestreamState, action: LivestreamAction) =>
    refuse(
      'conflict',
      `直播${livestreamStateZh[state]}，不能${livestreamActionZh[action]}`,
      `The livestream is ${state}: it cannot ${action}.`,
    ),
  ended: () =>
    refuse('conflict', '直播已下播，商品不能再修改', 'The livestream has ended: its items can no longer be changed.'),
  notPublic: () =>
    refuse('conflict', '直播还是草稿，请先预告或开播', 'The livestream is a draft: schedule or start it first.'),
  saleIs: (state: SaleState, action: SaleAction) =>
    refuse(
      'conflict',
      `商品${saleStateZh[state]}，不能${saleActionZh[action]}`,
      `The sale of this item is ${state}: it cannot ${action}.`,
    ),

  allotmentTooSmall: (least: number, held: number, sold: number) =>
    refuse(
      'conflict',
      `已有 ${held} 件待付款、${sold} 件已售，分配数量最少为 ${least}`,
      `${held} units are held and ${sold} are sold: the allotment can be ${least} at the least.`,
    ),
  allotmentTooLarge: (most: number, sellable: number, elsewhere: number) =>
    refuse(
      'conflict',
      `可售 ${sellable} 件，其他直播与渠道已分配 ${elsewhere} 件，此处最多可分配 ${most} 件`,
      `${sellable} units are sellable and ${elsewhere} are allotted elsewhere: at most ${most} can be allotted here.`,
    ),
  reservedAboveOnHand: (onHand: number, reserved: number) =>
    refuse(
      'conflict',
      `预留 ${reserved} 件超过实物 ${onHand} 件`,
      `${reserved} reserved units are more than the ${onHand} on hand.`,
    ),
  stockBelowAllotted: (left: number, allotted: number) =>
    refuse(
      'conflict',
      `这样可售只剩 ${left} 件，而已分配 ${allotted} 件，请先减少分配`,
      `This would leave ${left} sellable units, but ${allotted} are allotted; lower the allotments first.`,
    ),
  fewerToMove: (from: string, fromEn: string, most: number) =>
    refuse(
      'conflict',
      `${from}最多可调出 ${most} 件：待付款与已售的不能动`,
      `At most ${most} units can leave ${fromEn}: those that are held or sold stay.`,
    ),
  poolTooLarge: (most: number) => refuse('conflict', `一个库存池最多 ${most} 件`, `A pool has at most ${most} units.`),
  transferIdUsed: (transferId: string) =>
    refuse(
      'conflict',
      `调拨编号 ${transferId} 已用于另一次调拨`,
      `Transfer ${transferId} was something else; use a new id.`,
    ),
  saleIdUsed: (saleId: string) =>
    refuse(
      'conflict',
      `成交编号 ${saleId} 已用于另一笔成交`,
      `Sale ${saleId} has been recorded with another SKU or quantity; use a new id.`,
    ),
};
