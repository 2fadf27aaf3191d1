import type { AlertTier } from '../../contract/alerts.ts';
import type { ItemStatus } from '../../contract/levels.ts';
import type { PaceCue } from '../../contract/pace.ts';
import type { Language } from '../lib/languages.ts';

/** Why nothing can be shown. */
export type Problem = 'no_livestream' | 'not_permitted' | 'unknown_livestream' | 'reloading' | 'refused';

export type Words = {
  readonly title: string;
  readonly left: string;
  readonly units: (shown: string) => string;
  readonly status: Record<Exclude<ItemStatus, 'on_sale' | 'scheduled'>, string>;
  readonly opensAt: (clock: string) => string;
  readonly soldOutMoment: string;
  readonly sellsOutIn: (time: string) => string;
  readonly sellsOutAt: (clock: string) => string;
  readonly notSoon: string;
  readonly paceUnknown: string;
  readonly minutes: (count: number) => string;
  readonly hours: (count: string) => string;
  readonly underAMinute: string;
  readonly perMinute: (rate: string) => string;
  readonly cue: Record<PaceCue['cue'], string>;
  readonly tier: Record<AlertTier, string>;
  readonly over: string;
  readonly under: string;
  readonly next: string;
  readonly sold: string;
  readonly held: string;
  readonly items: string;
  readonly more: (count: number) => string;
  readonly connecting: string;
  readonly stale: (seconds: string) => string;
  readonly reconnecting: string;
  readonly waitingForItem: string;
  readonly ended: string;
  readonly chart: (name: string) => string;
  readonly problem: Record<Problem, string>;
};

const zh: Words = {
  title: '主播叠层',
  left: '剩余',
  units: (shown) => `${shown} 件`,
  status: { not_open: '未开售', sold_out: '售罄', stopped: '暂停销售', ended: '已下架' },
  opensAt: (clock) => `${clock} 开售`,
  soldOutMoment: '售罄',
  sellsOutIn: (time) => `约 ${time}后售罄`,
  sellsOutAt: (clock) => `预计 ${clock}`,
  notSoon: '按当前速度不会售罄',
  paceUnknown: '销量太少，暂无法估计',
  minutes: (count) => `${count} 分钟`,
  hours: (count) => `${count} 小时`,
  underAMinute: '不到 1 分钟',
  perMinute: (rate) => `${rate} 件/分`,
  cue: { slow_down: '放慢节奏', interact: '加互动', keep: '保持节奏' },
  tier: { yellow: '黄色预警', orange: '橙色预警', red: '红色预警' },
  over: '快于预期',
  under: '慢于预期',
  next: '下一个',
  sold: '已付',
  held: '待付',
  items: '全部商品',
  more: (count) => `另有 ${count} 个`,
  connecting: '连接中…',
  stale: (seconds) => `数据已停 ${seconds} 秒`,
  reconnecting: '重连中，数字可能已旧',
  waitingForItem: '等待商品',
  ended: '直播已结束',
  chart: (name) => `${name} 的消耗曲线与预期区间`,
  problem: {
    no_livestream: '地址中缺少 livestream 参数，请重新复制叠层链接',
    not_permitted: '叠层链接无效或已吊销，请在运营台重新生成',
    unknown_livestream: '没有这场直播，请检查链接',
    reloading: '服务已升级，页面即将自动刷新',
    refused: '服务器暂不接受连接，稍后自动重试',
  },
};

const en: Words = {
  title: 'Anchor overlay',
  left: 'Left',
  units: (shown) => shown,
  status: { not_open: 'Not open yet', sold_out: 'Sold out', stopped: 'Sale paused', ended: 'Ended' },
  opensAt: (clock) => `Opens ${clock}`,
  soldOutMoment: 'Sold out',
  sellsOutIn: (time) => `Sells out in ${time}`,
  sellsOutAt: (clock) => `about ${clock}`,
  notSoon: 'Will not sell out at this rate',
  paceUnknown: 'Too few sales to say',
  minutes: (count) => `${count} min`,
  hours: (count) => `${count} h`,
  underAMinute: 'under 1 min',
  perMinute: (rate) => `${rate}/min`,
  cue: { slow_down: 'Slow down', interact: 'Interact', keep: 'Keep going' },
  tier: { yellow: 'Yellow alert', orange: 'Orange alert', red: 'Red alert' },
  over: 'Above plan',
  under: 'Below plan',
  next: 'Next',
  sold: 'Paid',
  held: 'Unpaid',
  items: 'All items',
  more: (count) => `${count} more`,
  connecting: 'Connecting…',
  stale: (seconds) => `No data for ${seconds} s`,
  reconnecting: 'Reconnecting, numbers may be old',
  waitingForItem: 'Waiting for an item',
  ended: 'The show has ended',
  chart: (name) => `Consumption of ${name} against the expected band`,
  problem: {
    no_livestream: 'The address names no livestream: copy the overlay link again',
    not_permitted: 'This overlay link is not valid or was revoked: make a new one in the console',
    unknown_livestream: 'There is no such livestream: check the link',
    reloading: 'The server was upgraded: this page reloads by itself',
    refused: 'The server does not let us in just now: trying again by itself',
  },
};

export const wordsIn: Record<Language, Words> = { zh, en };
