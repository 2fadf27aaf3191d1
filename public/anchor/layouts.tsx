import { useComputed } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { ChartInput } from '../lib/charts/chart-data.ts';
import { ChartView } from '../lib/charts/chart-view.tsx';
import type { ChartOptions } from '../lib/charts/consumption-chart.ts';
import { textIn } from '../lib/languages.ts';
import type { Layout } from './parameters.ts';
import { Cue, ItemName, NextItem, Remaining, SellOutLine, StaleBadge, TierMark } from './parts.tsx';
import { type Overlay, useOverlay } from './store.ts';

/** Rows of the full layout; what is beyond is counted. */
const rowsMax = 10;
/** The expected band is drawn this much of the shown time into the future. */
const aheadShare = 0.12;
const minuteMs = 60_000;

export function LayoutView({ layout, item }: { layout: Layout; item: ItemInfo }) {
  if (layout === 'bar') return <Bar item={item} />;
  if (layout === 'mini') return <Mini item={item} />;
  return layout === 'full' ? <Full item={item} /> : <Curve item={item} />;
}

function Curve({ item }: { item: ItemInfo }) {
  return (
    <section class="panel panel-curve" data-sku={item.skuId}>
      <Head item={item} />
      <Consumption item={item} />
      <footer class="foot">
        <Cue />
        <NextItem />
      </footer>
    </section>
  );
}

function Head({ item }: { item: ItemInfo }) {
  return (
    <header class="head">
      <div class="head-words">
        <ItemName item={item} />
        <div class="head-notes">
          <TierMark skuId={item.skuId} />
          <SellOutLine item={item} />
          <StaleBadge />
        </div>
      </div>
      <Remaining item={item} />
    </header>
  );
}

function Bar({ item }: { item: ItemInfo }) {
  return (
    <section class="panel panel-bar" data-sku={item.skuId}>
      <div class="bar-words">
        <ItemName item={item} />
        <div class="head-notes">
          <TierMark skuId={item.skuId} withText={false} />
          <SellOutLine item={item} />
          <StaleBadge />
        </div>
      </div>
      <div class="bar-numbers">
        <Cue withText={false} />
        <Remaining item={item} />
      </div>
      <Share item={item} />
    </section>
  );
}

function Mini({ item }: { item: ItemInfo }) {
  return (
    <section class="panel panel-mini" data-sku={item.skuId}>
      <ItemName item={item} />
      <div class="mini-row">
        <Remaining item={item} />
        <Cue withText={false} />
      </div>
      <StaleBadge />
    </section>
  );
}

function Full({ item }: { item: ItemInfo }) {
  const { livestream, words } = useOverlay();
  const items = livestream.value?.items ?? [];
  return (
    <div class="full">
      <Curve item={item} />
      <section class="panel panel-items" aria-label={words.items}>
        <ul class="rows">
          {items.slice(0, rowsMax).map((each) => (
            <Row key={each.skuId} item={each} followed={each.skuId === item.skuId} />
          ))}
        </ul>
        {items.length > rowsMax && <p class="rows-more">{words.more(items.length - rowsMax)}</p>}
      </section>
    </div>
  );
}

function Row({ item, followed }: { item: ItemInfo; followed: boolean }) {
  const overlay = useOverlay();
  const pace = overlay.audience.value === 'air' ? undefined : overlay.paceOf(item.skuId);
  const perMinute = pace?.velocity?.perMinute;
  return (
    <li class="row" data-followed={followed}>
      <ItemName item={item} />
      <span class="row-notes number">
        <TierMark skuId={item.skuId} withText={false} />
        {perMinute !== undefined && overlay.words.perMinute(perMinute.toFixed(perMinute < 10 ? 1 : 0))}
      </span>
      <Remaining item={item} small />
      <Share item={item} />
    </li>
  );
}

/** How much of the item is gone. On air nobody knows the whole, so there is no bar. */
function Share({ item }: { item: ItemInfo }) {
  const level = useOverlay().level(item.index).value;
  if (level === undefined || level.held === null || level.sold === null || typeof level.shown !== 'number') return null;
  const gone = level.held + level.sold;
  const share = gone === 0 ? 0 : gone / (gone + level.shown);
  return (
    <span class="share" aria-hidden="true">
      <span class="share-gone" data-all={level.shown === 0} style={{ transform: `scaleX(${share.toFixed(2)})` }} />
    </span>
  );
}

function Consumption({ item }: { item: ItemInfo }) {
  const overlay = useOverlay();
  const { language } = overlay.parameters;
  const name = textIn(language, item.title);
  const onAir = overlay.audience.value === 'air';
  const options = useMemo<Partial<ChartOptions>>(() => {
    const fontSize = Math.max(11, Math.round(rootFontSize() * 0.72));
    return {
      language,
      axes: onAir ? 'time' : 'both',
      markerTexts: true,
      fontSize,
      lineWidth: fontSize / 4.5,
      redrawMsMin: 1_000,
    };
  }, [language, onAir]);
  const input = useComputed(() => chartInput(overlay, item, name)).value;
  return (
    <div class="plot">
      <ChartView input={input} options={options} label={overlay.words.chart(name)} paused={!overlay.visible.value} />
    </div>
  );
}

/** The last minutes of one item; read anew with every second of the clock and whenever points or markers come. */
function chartInput(
  { curves, curvesRevision, nowMs, parameters, audience }: Overlay,
  item: ItemInfo,
  label: string,
): ChartInput {
  void curvesRevision.value;
  const now = nowMs.value;
  const { points, band, markers } = curves.curveOf(item.skuId);
  const spanMs = parameters.minutes * minuteMs;
  const begun = points[0]?.[0] ?? band[0]?.[0] ?? now;
  const fromMs = spanMs === 0 ? begun : Math.max(begun, now - spanMs);
  return {
    curves: [{ skuId: item.skuId, label, points }],
    band,
    markers: audience.value === 'air' ? markers.filter(({ internal }) => !internal) : markers,
    nowMs: now,
    fromMs: points.length === 0 && band.length === 0 ? null : fromMs,
    toMs: now + Math.max(minuteMs, (now - fromMs) * aheadShare),
  };
}

const rootFontSize = (): number => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
