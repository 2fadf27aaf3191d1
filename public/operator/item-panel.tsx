import { useEffect, useRef } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { AllotForm } from './allot-form.tsx';
import { DecisionForm } from './decision-form.tsx';
import { formatCount, formatRate, formatSpan } from './format.ts';
import { CloseIcon, TierBadge } from './icons.tsx';
import { ItemChart } from './item-chart.tsx';
import { MoveForm } from './move-form.tsx';
import { Picture } from './picture.tsx';
import { PlanForm } from './plan-form.tsx';
import { SaleButton } from './sale-button.tsx';
import { OpenAt, SaleForm } from './sale-form.tsx';
import { pin } from './sale-verbs.ts';
import { useConsole } from './store.ts';

/** Everything about one item, beside the wall: numbers, curve, stock, sale, plan. Not modal: the queue stays in reach. */
export function ItemPanel() {
  const console = useConsole();
  const skuId = console.openSku.value;
  const item = skuId === null ? undefined : console.itemOf(skuId);
  const heading = useRef<HTMLHeadingElement>(null);
  const cameFrom = useRef<Element | null>(null);
  useEffect(() => {
    if (skuId === null) {
      if (cameFrom.current instanceof HTMLElement && cameFrom.current.isConnected) cameFrom.current.focus();
      cameFrom.current = null;
      return;
    }
    cameFrom.current ??= document.activeElement;
    heading.current?.focus();
  }, [skuId]);
  if (item === undefined) return null;
  const words = console.words.value;
  return (
    <section class="panel" aria-label={words.panel.title} data-panel={item.skuId}>
      <div class="panel-head">
        <Picture src={item.imageUrl} title={item.title[console.language.value]} />
        <div class="panel-title">
          <h2 ref={heading} tabIndex={-1}>
            {console.nameOf(item.skuId)}
          </h2>
          <p class="quiet">{item.skuId}</p>
        </div>
        <button
          type="button"
          class="icon-button"
          aria-label={words.close}
          onClick={() => {
            console.openSku.value = null;
          }}
        >
          <CloseIcon />
        </button>
      </div>
      {/* Another item begins with forms of its own. */}
      <div class="panel-body" key={item.skuId}>
        <PanelNumbers item={item} />
        <ItemChart item={item} />
        <DecisionForm skuId={item.skuId} />
        <div class="panel-columns">
          <div class="panel-column">
            <AllotForm item={item} />
            {item.sale !== 'ended' && <MoveForm item={item} />}
            {item.sale !== 'ended' && <OpenAt item={item} />}
          </div>
          <SaleForm item={item} />
        </div>
        <PlanForm item={item} />
      </div>
    </section>
  );
}

function PanelNumbers({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const { available, held, sold, status } = console.countsOf(item);
  const pace = console.paceOf(item.skuId);
  const tier = console.tiers.value.get(item.skuId);
  const isPinned = console.livestream.value?.pinnedSkuId === item.skuId;
  const numbers: readonly (readonly [string, string])[] = [
    [words.wall.available, formatCount(available, language)],
    [words.wall.held, formatCount(held, language)],
    [words.wall.sold, formatCount(sold, language)],
    [words.wall.pace, formatRate(pace?.velocity?.perMinute ?? null, language)],
    [words.wall.sellOut, formatSpan(status === 'on_sale' ? (pace?.sellOutInMs?.expected ?? null) : null)],
  ];
  return (
    <>
      <dl class="panel-numbers">
        {numbers.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class="number">{value}</dd>
          </div>
        ))}
      </dl>
      <div class="panel-actions">
        <span class="status" data-status={status}>
          {words.status[status]}
        </span>
        {tier !== undefined && <TierBadge tier={tier} text={words.tierLong[tier]} />}
        <span class="spring" />
        <button
          type="button"
          class="small-button"
          aria-pressed={isPinned}
          onClick={() => void pin(console, isPinned ? null : item.skuId)}
        >
          {isPinned ? words.panel.unpin : words.panel.pin}
        </button>
        <SaleButton item={item} />
      </div>
    </>
  );
}
