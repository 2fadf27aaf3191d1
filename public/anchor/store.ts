import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { anyShown, effectiveStatus, type ItemStatus } from '../../contract/levels.ts';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { ItemCurve, ItemPace, PaceState } from '../../contract/pace.ts';
import { CurveStore } from '../lib/charts/curve-store.ts';
import type { Connection } from '../lib/client-state.ts';
import { requestJson } from '../lib/http-api.ts';
import type { Level } from '../lib/level-store.ts';
import type { StockcastClient } from '../lib/stockcast-client.ts';
import type { LinkEvents } from './overlay-link.ts';
import type { Parameters } from './parameters.ts';
import { type Problem, type Words, wordsIn } from './words.ts';

/** Numbers on screen change at most this often: faster ones cannot be read, and each costs a drawing. */
const levelsEveryMs = 500;
const clockEveryMs = 1_000;
/** The expected band changes when somebody edits an estimate; what the socket lost comes back with it too. */
const curvesEveryMs = 60_000;

/** `loading`: no level has come yet. */
export type ShownStatus = ItemStatus | 'loading';

/** What the overlay shows; components read its signals and change nothing. */
export type Overlay = {
  readonly parameters: Parameters;
  readonly words: Words;
  readonly audience: ReadonlySignal<'anchor' | 'air'>;
  readonly connection: ReadonlySignal<Connection>;
  readonly problem: ReadonlySignal<Problem | null>;
  readonly livestream: ReadonlySignal<LivestreamInfo | null>;
  readonly visible: ReadonlySignal<boolean>;
  /** The item of the address, else the pinned one, else the one that sells best. */
  readonly followed: ReadonlySignal<ItemInfo | null>;
  readonly next: ReadonlySignal<ItemInfo | null>;
  readonly pace: ReadonlySignal<PaceState | null>;
  readonly curves: CurveStore;
  readonly curvesRevision: ReadonlySignal<number>;
  /** The server's clock, once a second while somebody can see it. */
  readonly nowMs: ReadonlySignal<number>;
  /** Since when no number can be trusted; null while they can. */
  readonly awaySinceMs: ReadonlySignal<number | null>;
  level(index: number): ReadonlySignal<Level | undefined>;
  statusOf(item: ItemInfo): ShownStatus;
  paceOf(skuId: string): ItemPace | undefined;
};

const OverlayContext = createContext<Overlay | null>(null);
export const OverlayProvider = OverlayContext.Provider;

export function useOverlay(): Overlay {
  const overlay = useContext(OverlayContext);
  if (overlay === null) throw new Error('a part of the overlay was drawn outside of it');
  return overlay;
}

type Writable = {
  readonly audience: Signal<'anchor' | 'air'>;
  readonly connection: Signal<Connection>;
  readonly problem: Signal<Problem | null>;
  readonly livestream: Signal<LivestreamInfo | null>;
  readonly pace: Signal<PaceState | null>;
  readonly curvesRevision: Signal<number>;
  readonly nowMs: Signal<number>;
  readonly awaySinceMs: Signal<number | null>;
};

/** State of the page, and the events of the link that fill it. */
export function createOverlay(
  parameters: Parameters,
  visible: ReadonlySignal<boolean>,
): { readonly overlay: Overlay; readonly events: LinkEvents } {
  const own: Writable = {
    audience: signal(parameters.audience),
    connection: signal<Connection>({ kind: 'connecting' }),
    problem: signal<Problem | null>(parameters.livestreamId === null ? 'no_livestream' : null),
    livestream: signal<LivestreamInfo | null>(null),
    pace: signal<PaceState | null>(null),
    curvesRevision: signal(0),
    nowMs: signal(Date.now()),
    awaySinceMs: signal<number | null>(Date.now()),
  };
  const curves = new CurveStore();
  const levels = new ShownLevels();

  const followed = computed(() => followedItem(own.livestream.value, parameters.skuId, own.pace.value));
  const next = computed(() => {
    const items = own.livestream.value?.items ?? [];
    const skuId = own.pace.value?.next.find((each) => each !== followed.value?.skuId);
    return items.find((item) => item.skuId === skuId) ?? null;
  });

  const overlay: Overlay = {
    ...own,
    parameters,
    words: wordsIn[parameters.language],
    visible,
    followed,
    next,
    curves,
    level: (index) => levels.of(index),
    statusOf(item) {
      const level = levels.of(item.index).value;
      if (level === undefined) return 'loading';
      if (level.status !== 'scheduled') return level.status;
      return effectiveStatus(level.status, anyShown(level.shown), item.opensAtMs, own.nowMs.value);
    },
    paceOf: (skuId) => own.pace.value?.items.find((each) => each.skuId === skuId),
  };

  const read = readings(parameters, overlay, (path, answer) => {
    if (path === 'pace' && own.audience.value === 'anchor') own.pace.value = answer as PaceState;
    if (path === 'curves') {
      curves.load((answer as { curves: readonly ItemCurve[] }).curves);
      own.curvesRevision.value = curves.revision;
    }
  });

  const events = eventsInto({ own, parameters, curves, levels, readAll: () => read.all() });
  setInterval(() => {
    if (visible.peek()) own.nowMs.value = levels.serverNowMs();
  }, clockEveryMs);
  setInterval(() => read.all(), curvesEveryMs);
  visible.subscribe((shown) => {
    levels.paused = !shown;
    if (shown) levels.wake();
  });
  // Another item is followed: its curve is not there yet.
  computed(() => followed.value?.skuId).subscribe(() => read.curves());
  return { overlay, events };
}

type Filled = {
  readonly own: Writable;
  readonly parameters: Parameters;
  readonly curves: CurveStore;
  readonly levels: ShownLevels;
  readonly readAll: () => void;
};

/** What the link brings, put where it is shown. */
function eventsInto({ own, parameters, curves, levels, readAll }: Filled): LinkEvents {
  const isOurs = ({ livestreamId }: { livestreamId: string }): boolean => livestreamId === parameters.livestreamId;
  return {
    client(made, audience) {
      levels.follow(made);
      own.audience.value = audience === 'air' || parameters.audience === 'air' ? 'air' : 'anchor';
      if (own.audience.value === 'air') own.pace.value = null;
    },
    state({ connection, livestream }) {
      batch(() => {
        const cameBack = connection.kind === 'live' && own.connection.peek().kind !== 'live';
        own.connection.value = connection;
        if (livestream !== null) own.livestream.value = livestream;
        levels.want(livestream?.items ?? []);
        const fine = connection.kind === 'live' && !connection.stale;
        if (fine) own.awaySinceMs.value = null;
        else own.awaySinceMs.value ??= Date.now();
        if (cameBack) readAll();
      });
    },
    problem(problem) {
      own.problem.value = problem;
    },
    'pace:state'(state) {
      if (own.audience.value === 'anchor' && isOurs(state)) own.pace.value = state;
    },
    'curve:points'(points) {
      if (!isOurs(points)) return;
      curves.append(points);
      own.curvesRevision.value = curves.revision;
    },
    'curve:marker'(event) {
      if (!isOurs(event)) return;
      curves.mark(event.marker);
      own.curvesRevision.value = curves.revision;
    },
  };
}

/** Reads over HTTP what the socket only continues. Answers are taken if they are what the contract promises, else left out. */
function readings(
  { livestreamId, layout, token }: Parameters,
  { connection, followed, audience }: Overlay,
  take: (path: 'pace' | 'curves', answer: object) => void,
) {
  const get = async (path: 'pace' | 'curves', query: string, member: string): Promise<void> => {
    if (connection.peek().kind !== 'live') return;
    const answer = await requestJson(`/api/v1/livestreams/${livestreamId}/${path}${query}`, {
      method: 'GET',
      timeoutMs: 8_000,
      ...(token === null ? {} : { token }),
    });
    if (answer.ok && Array.isArray((answer.value as Record<string, unknown>)[member])) take(path, answer.value);
  };
  const curves = (): void => {
    const skuId = followed.peek()?.skuId;
    const drawn = layout === 'curve' || layout === 'full';
    if (skuId !== undefined && drawn) void get('curves', `?skuId=${skuId}&pointsMax=600`, 'curves');
  };
  return {
    curves,
    all(): void {
      curves();
      if (audience.peek() === 'anchor') void get('pace', '', 'items');
    },
  };
}

function followedItem(
  livestream: LivestreamInfo | null,
  skuId: string | null,
  pace: PaceState | null,
): ItemInfo | null {
  const items = livestream?.items ?? [];
  const find = (wanted: string | null | undefined): ItemInfo | undefined => items.find((item) => item.skuId === wanted);
  if (skuId !== null) return find(skuId) ?? null;
  return find(livestream?.pinnedSkuId) ?? find(pace?.hot[0]) ?? items[0] ?? null;
}

/** Levels as signals that change together and not more often than they can be read. The first change after quiet shows at once. */
class ShownLevels {
  readonly #signals = new Map<number, Signal<Level | undefined>>();
  readonly #followed = new Set<number>();
  #client: StockcastClient | null = null;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #paused = false;

  of(index: number): Signal<Level | undefined> {
    const known = this.#signals.get(index);
    if (known !== undefined) return known;
    const made = signal(this.#client?.level(index));
    this.#signals.set(index, made);
    return made;
  }

  follow(client: StockcastClient): void {
    this.#client = client;
    this.#followed.clear();
  }

  want(items: readonly ItemInfo[]): void {
    for (const { index } of items) {
      if (this.#followed.has(index)) continue;
      this.#followed.add(index);
      this.#client?.subscribeLevel(index, () => this.#changed());
      this.#changed();
    }
  }

  serverNowMs(): number {
    return this.#client?.serverNowMs() ?? Date.now();
  }

  wake(): void {
    this.#client?.wake();
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    if (!paused) this.#show();
  }

  #changed(): void {
    if (this.#paused || this.#waiting !== undefined) return;
    const dueMs = this.#shownAtMs + levelsEveryMs - performance.now();
    this.#waiting = setTimeout(() => this.#show(), Math.max(0, dueMs));
  }

  #show(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#shownAtMs = performance.now();
    batch(() => {
      for (const index of this.#followed) this.of(index).value = this.#client?.level(index) ?? this.of(index).peek();
    });
  }
}
