import { useMemo } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { ItemPace } from '../../contract/pace.ts';
import { textIn } from '../lib/languages.ts';
import { formatCount, formatRange, formatRate, formatSpan } from './format.ts';
import { PinIcon, TierBadge } from './icons.tsx';
import { Picture } from './picture.tsx';
import { SaleButton } from './sale-button.tsx';
import { sparklinePath } from './sparkline.ts';
import { useConsole } from './store.ts';

/** One item of the wall; every number has a column of fixed width, so that a tick moves nothing. */
export function ItemRow({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const { available, held, sold, status } = console.countsOf(item);
  const pace = console.paceOf(item.skuId);
  const tier = console.tiers.value.get(item.skuId);
  const isPinned = console.livestream.value?.pinnedSkuId === item.skuId;
  const count = (units: number) => (status === 'loading' ? '—' : formatCount(units, language));
  const open = (): void => {
    console.openSku.value = item.skuId;
  };
  const spec = item.spec.map(({ value }) => textIn(language, value)).join(' / ');
  return (
    <tr
      data-sku={item.skuId}
      data-status={status}
      data-tier={tier}
      aria-selected={console.openSku.value === item.skuId}
      onClick={open}
    >
      <td class="cell-picture">
        <Picture src={item.imageUrl} title={textIn(language, item.title)} />
      </td>
      <th scope="row" class="cell-name">
        <button type="button" class="name-button" onClick={open}>
          <span class="name-title">{textIn(language, item.title)}</span>
          <span class="name-spec">
            {isPinned && (
              <span class="pinned">
                <PinIcon />
                {words.wall.pinned}
              </span>
            )}
            {spec === '' ? item.skuId : spec}
          </span>
        </button>
      </th>
      <td class="cell-status">
        <span class="status" data-status={status}>
          {words.status[status]}
        </span>
      </td>
      <td class="cell-number cell-available" data-label={words.wall.available}>
        {count(available)}
      </td>
      <td class="cell-number cell-held" data-label={words.wall.held}>
        {count(held)}
      </td>
      <td class="cell-number cell-sold" data-label={words.wall.sold}>
        {count(sold)}
      </td>
      <PaceCells pace={pace} sellable={status === 'on_sale'} />
      <td class="cell-tier">
        {tier === undefined ? <span class="no-tier">—</span> : <TierBadge tier={tier} text={words.tier[tier]} />}
      </td>
      <td class="cell-curve">
        <Sparkline skuId={item.skuId} tier={tier} />
      </td>
      <td class="cell-action">
        <SaleButton item={item} />
      </td>
    </tr>
  );
}

function PaceCells({ pace, sellable }: { pace: ItemPace | undefined; sellable: boolean }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const velocity = pace?.velocity ?? null;
  const state = pace?.state ?? 'unknown';
  const sellOut = sellable ? (pace?.sellOutInMs ?? null) : null;
  const need = pace?.needUntilEnd ?? null;
  const rangeOf = (low: number, high: number | null) => formatRange(low, high, language);
  return (
    <>
      <td
        class="cell-number cell-pace"
        data-label={words.wall.pace}
        title={velocity === null ? words.wall.tooFew : rangeOf(velocity.low, velocity.high)}
      >
        <span class="pace-rate">{formatRate(velocity?.perMinute ?? null, language)}</span>
        <span class="pace-state" data-pace={state}>
          <span aria-hidden="true">{paceArrows[state]}</span>
          {words.paceShort[state]}
        </span>
      </td>
      <td
        class="cell-number cell-sellout"
        data-label={words.wall.sellOut}
        data-soon={sellOut !== null && sellOut.expected < 300_000}
        title={
          sellOut === null
            ? words.wall.tooFew
            : words.wall.range(formatSpan(sellOut.low), sellOut.high === null ? '∞' : formatSpan(sellOut.high))
        }
      >
        {formatSpan(sellOut?.expected ?? null)}
      </td>
      <td
        class="cell-number cell-need"
        data-label={words.wall.need}
        title={need === null ? words.wall.tooFew : rangeOf(need.low, need.high)}
      >
        {need === null ? '—' : need.expected <= 0 ? words.wall.enough : formatCount(Math.ceil(need.expected), language)}
      </td>
    </>
  );
}

/** Shapes beside the words: up, level, down. */
const paceArrows: Record<ItemPace['state'], string> = { inside: '＝', over: '▲', under: '▼', unknown: '' };

const [width, height] = [96, 28];

export function Sparkline({ skuId, tier }: { skuId: string; tier: string | undefined }) {
  const console = useConsole();
  // The revision says that something is new; the points of this item may still be the same array.
  void console.curveRevision.value;
  const { points } = console.curves.curveOf(skuId);
  const path = useMemo(() => sparklinePath(points, width, height), [points]);
  return (
    <svg
      class="sparkline"
      data-tier={tier}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      <path d={path} />
    </svg>
  );
}
