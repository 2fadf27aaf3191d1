import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { CurveMarker } from '../../contract/pace.ts';
import type { StockTransfer } from '../../contract/pools.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import type { NewMarker } from './curve-store.ts';

type Kind = CurveMarker['kind'];
type Text = CurveMarker['text'];

/** Nodes see one level within this time of each other; nearer than that, two of a kind are one. */
const apartMs = 10_000;

/** Amounts as people write them: minor units have two digits in every currency that this program was asked for. */
const amountOf = (minor: number, currency: string): string => `${currency} ${(minor / 100).toFixed(2)}`;

const shared = { tier: null, internal: false, actor: '', note: '' } as const;

/**
 * What the livestream's description tells of a change: price, pin, open, stop, resume. Keys name the revision that brought it, so that
 * every node may report one change. A sale that opens at a later moment is marked when that moment comes: `openingsDue`.
 */
export function markersOfChange(before: LivestreamInfo, after: LivestreamInfo, nowMs: number): readonly NewMarker[] {
  const marker = (kind: Kind, skuId: string | null, text: Text): NewMarker => {
    const key = `${kind}:${skuId ?? ''}:${after.infoRev}`;
    return { ...shared, kind, skuId, text, key, atMs: nowMs, apartMs: 0 };
  };
  const markers: NewMarker[] = [];
  if (before.pinnedSkuId !== after.pinnedSkuId) {
    const pinned = after.pinnedSkuId !== null;
    const text = pinned ? { zh: '开始讲解', en: 'Pinned' } : { zh: '讲解结束', en: 'Unpinned' };
    markers.push(marker('pin', after.pinnedSkuId, text));
  }
  const known = new Map(before.items.map((item) => [item.skuId, item]));
  for (const item of after.items) {
    const old = known.get(item.skuId);
    if (old !== undefined && old.unitPriceMinor !== item.unitPriceMinor) {
      const change = `${amountOf(old.unitPriceMinor, old.currency)} → ${amountOf(item.unitPriceMinor, item.currency)}`;
      markers.push(marker('price', item.skuId, { zh: `调价 ${change}`, en: `Price ${change}` }));
    }
    if (old?.sale === 'stopped' && item.sale === 'open') {
      markers.push(marker('resume', item.skuId, { zh: '恢复销售', en: 'Resumed' }));
    } else if (old?.sale !== 'open' && item.sale === 'open' && item.opensAtMs <= nowMs) {
      markers.push({
        ...openingOf(item, nowMs),
        ...(item.opensAtMs === 0 ? { key: `open:${item.skuId}:${after.infoRev}` } : {}),
      });
    }
    if (old !== undefined && old.sale !== 'stopped' && item.sale === 'stopped') {
      markers.push(marker('stop', item.skuId, { zh: '停售', en: 'Stopped' }));
    }
  }
  return markers;
}

/**
 * Units that left the pool are somebody's decision, and nothing for the air. Those that came are a restock, which every node sees in the
 * levels.
 */
export function markersOfTransfer({ from, to, skuId, quantity, atMs }: StockTransfer): readonly CurveMarker[] {
  if (from.kind !== 'livestream') return [];
  const [zh, en] = to.kind === 'channel' ? [`渠道 ${to.channelId}`, to.channelId] : ['未分配库存', 'unallotted'];
  const text = { zh: `调出 ${quantity} 件 → ${zh}`, en: `Moved ${quantity} out → ${en}` };
  return [{ kind: 'decision', skuId, tier: null, internal: true, atMs, text }];
}

/** Sales whose opening moment came within the last `withinMs`. */
export function openingsDue(info: LivestreamInfo, nowMs: number, withinMs: number): readonly NewMarker[] {
  const due = info.items.filter(
    ({ sale, opensAtMs }) => sale === 'open' && opensAtMs > nowMs - withinMs && opensAtMs <= nowMs,
  );
  return due.map((item) => openingOf(item, nowMs));
}

function openingOf({ skuId, opensAtMs }: ItemInfo, nowMs: number): NewMarker {
  const atMs = opensAtMs === 0 ? nowMs : opensAtMs;
  return {
    ...shared,
    kind: 'open',
    skuId,
    atMs,
    apartMs: 0,
    key: `open:${skuId}:${atMs}`,
    text: { zh: '开售', en: 'Opened' },
  };
}

/** What two levels of an item tell: restocked (its pool grew), sold out (nothing left that was there before). */
export function markersOfLevel(before: ItemLevel, after: ItemLevel, nowMs: number): readonly NewMarker[] {
  const { skuId, version } = after;
  const marker = (kind: Kind, text: Text): NewMarker => ({
    ...shared,
    kind,
    skuId,
    text,
    key: `${kind}:${skuId}:${version}:${Math.floor(nowMs / 1_000)}`,
    atMs: nowMs,
    apartMs,
  });
  const markers: NewMarker[] = [];
  const added = after.allotted - before.allotted;
  if (added > 0) markers.push(marker('restock', { zh: `补货 +${added}`, en: `Restocked +${added}` }));
  if (before.available > 0 && after.available === 0 && after.allotted > 0) {
    markers.push(marker('sold_out', { zh: '售罄', en: 'Sold out' }));
  }
  return markers;
}
