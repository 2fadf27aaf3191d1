import type { CurveMarker } from '../../contract/pace.ts';
import type { Audience, EmitTo } from '../fanout/audience.ts';
import type { Log } from '../lib/log.ts';
import type { CurveMarkers } from './curve-markers.ts';
import type { CurveStore, NewMarker } from './curve-store.ts';
import type { PaceMetrics } from './pace-metrics.ts';

const waitingMax = 1_000;

/** Markers of all livestreams: stored, and told once to those who may see them. */
export type MarkerBook = CurveMarkers & {
  /** Stores and tells; a marker that is known already is neither. Never rejects: what cannot be stored is told, and stored later. */
  keep(livestreamId: string, markers: readonly NewMarker[]): Promise<void>;
  /** As `keep` for one marker that somebody asked for: rejects if it cannot be stored, and then nobody has heard of it. */
  note(livestreamId: string, marker: NewMarker): Promise<void>;
  /** Called with every new marker of this node. Returns how to stop listening. */
  onAdded(listener: (livestreamId: string, marker: CurveMarker) => void): () => void;
  /** Stores what could not be stored before. Never rejects. */
  retry(): Promise<void>;
};

export function createMarkerBook(deps: {
  readonly store: Pick<CurveStore, 'saveMarker'>;
  readonly emit: EmitTo;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<PaceMetrics, 'markersDropped'>;
}): MarkerBook {
  const { store, emit, log, metrics } = deps;
  const listeners = new Set<(livestreamId: string, marker: CurveMarker) => void>();
  let waiting: { readonly livestreamId: string; readonly marker: NewMarker }[] = [];

  const tell = (livestreamId: string, marker: NewMarker): void => {
    const { atMs, skuId, kind, tier, text, internal } = marker;
    const shown = { atMs, skuId, kind, tier, text, internal };
    const audiences: readonly Audience[] = internal ? ['operators', 'anchor'] : ['operators', 'anchor', 'air'];
    emit(livestreamId, audiences, 'curve:marker', { livestreamId, marker: shown });
    for (const listener of listeners) listener(livestreamId, shown);
  };
  const note = async (livestreamId: string, marker: NewMarker): Promise<void> => {
    if (await store.saveMarker(livestreamId, marker)) tell(livestreamId, marker);
  };
  const keepOne = async (livestreamId: string, marker: NewMarker): Promise<void> => {
    try {
      await note(livestreamId, marker);
    } catch (error) {
      log.warn({ err: error, livestreamId, kind: marker.kind }, 'a marker could not be stored; it will be tried again');
      if (waiting.push({ livestreamId, marker }) > waitingMax) {
        waiting.shift();
        metrics.markersDropped.inc();
      }
      tell(livestreamId, marker);
    }
  };
  const keep = async (livestreamId: string, markers: readonly NewMarker[]): Promise<void> => {
    for (const marker of markers) await keepOne(livestreamId, marker);
  };

  return {
    keep,
    note,
    add: (livestreamId, marker) => keepOne(livestreamId, namedByContent(marker)),
    onAdded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async retry() {
      const again = waiting;
      waiting = [];
      for (const [index, { livestreamId, marker }] of again.entries()) {
        try {
          await store.saveMarker(livestreamId, marker);
        } catch {
          // Still away: this one and those behind it wait on, before anything that came meanwhile.
          waiting = [...again.slice(index), ...waiting];
          return;
        }
      }
    },
  };
}

/** The same marker from two nodes is one: everything that makes it different is in its key. */
function namedByContent(marker: CurveMarker): NewMarker {
  const { kind, skuId, tier, atMs, text } = marker;
  const key = `${kind}:${skuId ?? ''}:${tier ?? ''}:${atMs}:${text.en}`;
  // Whoever adds an alert or a decision may have forgotten that nobody on air may see it.
  const internal = marker.internal || kind === 'alert' || kind === 'decision';
  return { ...marker, internal, key, actor: '', note: '', apartMs: 0 };
}
