import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { ChartView } from '../lib/charts/chart-view.tsx';
import { textIn } from '../lib/languages.ts';
import { formatCount, formatTime } from './format.ts';
import { TierBadge } from './icons.tsx';
import { useConsole } from './store.ts';

const spans = { all: null, hour: 3_600_000, quarter: 900_000 } as const;
type Span = keyof typeof spans;
const pointsMax = 1_000;
const markersShown = 8;

/** The item's consumption against its expected band, with everything that happened marked on it. */
export function ItemChart({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value.panel;
  const language = console.language.value;
  const span = useSignal<Span>('all');
  const { skuId } = item;
  useEffect(() => {
    void console.loadCurve(skuId, pointsMax);
  }, [console, skuId]);
  void console.curveRevision.value;
  const curve = console.curves.curveOf(skuId);
  const nowMs = console.nowMs.value;
  const back = spans[span.value];
  const label = console.nameOf(skuId);
  const options = useMemo(() => ({ language, interactive: true, axes: 'both' as const }), [language]);
  const plannedEndAtMs = console.plans.value?.livestream.plannedEndAtMs ?? null;
  const input = {
    curves: [{ skuId, label, points: curve.points }],
    band: curve.band,
    markers: curve.markers,
    nowMs,
    fromMs: back === null ? null : nowMs - back,
    // The whole show runs to its planned end, so that the band says where this leads.
    toMs: back === null && plannedEndAtMs !== null && plannedEndAtMs > nowMs ? plannedEndAtMs : nowMs,
  };
  const { available, held, sold } = console.countsOf(item);
  return (
    <div class="panel-chart">
      <div class="chips" role="group" aria-label={words.sections.curve}>
        {(Object.keys(spans) as Span[]).map((each) => (
          <button
            key={each}
            type="button"
            class="chip"
            aria-pressed={span.value === each}
            onClick={() => (span.value = each)}
          >
            {words.span[each]}
          </button>
        ))}
      </div>
      <div class="chart-frame">
        <ChartView
          input={input}
          options={options}
          label={words.curveLabel(label, formatCount(held + sold, language), formatCount(available, language))}
        />
      </div>
      <details class="markers">
        <summary>
          {words.markers} <span class="number">({curve.markers.length})</span>
        </summary>
        <ol class="history">
          {curve.markers
            .slice(-markersShown)
            .toReversed()
            .map((marker) => (
              <li key={`${marker.atMs} ${marker.kind} ${marker.text.zh}`}>
                <time class="number">{formatTime(marker.atMs, language)}</time>
                <span>
                  {marker.tier !== null && (
                    <TierBadge tier={marker.tier} text={console.words.value.tier[marker.tier]} />
                  )}{' '}
                  {textIn(language, marker.text)}
                </span>
              </li>
            ))}
          {curve.markers.length === 0 && <li class="quiet">{words.noMarkers}</li>}
        </ol>
      </details>
    </div>
  );
}
