import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { ItemPace, PaceState } from '../../contract/pace.ts';
import { CurveStore } from '../lib/charts/curve-store.ts';
import type { LiveEvents } from './live-events.ts';
import type { OperatorApi } from './operator-api.ts';

/** Enough for the sparklines; the big curve asks for its own item's points. */
const sparklinePoints = 60;

export type PaceSignals = {
  readonly pace: ReadonlySignal<PaceState | null>;
  paceOf(skuId: string): ItemPace | undefined;
  readonly curves: CurveStore;
  /** Changes with every new point or marker. */
  readonly curveRevision: ReadonlySignal<number>;
  /** Takes complete readings of pace and curves. */
  refreshPace(): Promise<void>;
  /** A reading of one item's curve, finer than the sparklines'. */
  loadCurve(skuId: string, pointsMax: number): Promise<void>;
};

/** Pace and curves of one livestream: a reading over HTTP, then what the socket brings. */
export function followPace({
  events,
  api,
  livestreamId,
}: {
  readonly events: LiveEvents;
  readonly api: OperatorApi;
  readonly livestreamId: string;
}): PaceSignals {
  const curves = new CurveStore();
  const pace = signal<PaceState | null>(null);
  const curveRevision = signal(0);
  const bySku = computed(() => new Map(pace.value?.items.map((item) => [item.skuId, item])));

  const take = (state: PaceState): void => {
    if (state.livestreamId === livestreamId && state.atMs >= (pace.peek()?.atMs ?? 0)) pace.value = state;
  };
  const changed = (): void => {
    curveRevision.value = curves.revision;
  };
  const load = async (query: { skuId?: string; pointsMax: number }): Promise<void> => {
    const answer = await api('getCurves', { livestreamId }, { query });
    if (!answer.ok) return;
    curves.load(answer.value.curves);
    changed();
  };
  events.onPace = take;
  events.onPoints = (points) => {
    if (points.livestreamId !== livestreamId) return;
    curves.append(points);
    changed();
  };
  events.onMarker = (change) => {
    if (change.livestreamId !== livestreamId) return;
    curves.mark(change.marker);
    changed();
  };

  return {
    pace,
    paceOf: (skuId) => bySku.value.get(skuId),
    curves,
    curveRevision,
    async refreshPace() {
      const [answer] = await Promise.all([api('getPace', { livestreamId }), load({ pointsMax: sparklinePoints })]);
      if (answer.ok) take(answer.value);
    },
    loadCurve: (skuId, pointsMax) => load({ skuId, pointsMax }),
  };
}
