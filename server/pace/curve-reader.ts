import { randomUUID } from 'node:crypto';
import type * as z from 'zod/mini';
import type { Decision } from '../../contract/alerts.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { CurvePoint, ItemCurve, PaceState } from '../../contract/pace.ts';
import type { AlertDesk } from '../alerts/alert-desk.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { downSample } from './down-sample.ts';
import { LivestreamPace } from './livestream-pace.ts';
import type { CurveKit, PaceKeeper } from './pace-keeper.ts';
import { windowSeconds } from './sales-window.ts';

/** Rows that one answer reads over all of its items, about: 200 for each of 100 items. */
const rowsPerAnswer = 20_000;
/** Unpaid holds run out after the end: a curve is read that much further. */
const afterEndMs = 2 * 3_600_000;

export type CurvesQuery = {
  readonly livestreamId: string;
  /** Absent: all items. */
  readonly skuId?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly pointsMax: number;
};

export type PaceReaderDeps = {
  readonly keeper: Pick<PaceKeeper, 'paceOf' | 'recentPoints'>;
  readonly curves: Pick<CurveKit, 'store' | 'markers'>;
  readonly catalogue: Pick<LivestreamCatalogue, 'info'>;
  readonly alerts: Pick<AlertDesk, 'pictureOf'>;
  /** The gate's; null: there is none. */
  readonly levelsOf: (livestreamId: string) => Promise<readonly ItemLevel[] | null>;
  readonly clock: Clock;
};

/** Pictures made on a node that does not follow the livestream: how many, and for how long each answers. */
const picturesMax = 100;
const pictureMs = 1_000;

const decisionNames: Readonly<Record<z.infer<typeof Decision>['kind'], { zh: string; en: string }>> = {
  replenish: { zh: '补货', en: 'Replenish' },
  reprice: { zh: '调价', en: 'Reprice' },
  promote: { zh: '促销', en: 'Promote' },
  other: { zh: '决定', en: 'Decision' },
};

export type PaceReader = ReturnType<typeof createPaceReader>;

/** Answers questions about pace and curves, on any node, for livestreams that are over as well. `null`: no such livestream. */
export function createPaceReader({ keeper, curves, catalogue, alerts, levelsOf, clock }: PaceReaderDeps) {
  const pictures = new BoundedCache<{ readonly atMs: number; readonly pace: Promise<LivestreamPace> }>(picturesMax);

  /** From the database and the gate: windows as full as the last sample is old, and a cue that has no past. */
  const readPace = async (info: LivestreamInfo): Promise<LivestreamPace> => {
    const { livestreamId } = info;
    const sinceMs = clock.now() - windowSeconds * 1_000;
    const [picture, markers, levels, stored] = await Promise.all([
      alerts.pictureOf(livestreamId),
      curves.store.loadMarkers(livestreamId),
      levelsOf(livestreamId),
      curves.store.loadRecent(livestreamId, sinceMs),
    ]);
    const pace = new LivestreamPace(livestreamId, picture, clock.now());
    pace.describe(info);
    pace.mark(markers);
    pace.restore(stored, levels ?? [], clock.now());
    return pace;
  };
  const followed = (info: LivestreamInfo): LivestreamPace | Promise<LivestreamPace> => {
    const { livestreamId } = info;
    const kept = keeper.paceOf(livestreamId);
    if (kept !== null) return kept;
    const nowMs = clock.now();
    const known = pictures.get(livestreamId);
    if (known !== undefined && Math.abs(nowMs - known.atMs) < pictureMs) return known.pace;
    const pace = readPace(info);
    pictures.set(livestreamId, { atMs: nowMs, pace });
    // What could not be read is read again by whoever asks next.
    pace.catch(() => pictures.delete(livestreamId));
    return pace;
  };

  return {
    async state(livestreamId: string): Promise<PaceState | null> {
      const kept = keeper.paceOf(livestreamId);
      if (kept !== null && kept.info !== null) return kept.stateAt(clock.now());
      const info = await catalogue.info(livestreamId);
      return info === null ? null : (await followed(info)).stateAt(clock.now());
    },

    /** At most `pointsMax` points an item, fewer where there are very many items; the first and the newest are always there. */
    async curves({ livestreamId, skuId, sinceMs, pointsMax }: CurvesQuery): Promise<ItemCurve[] | null> {
      const info = await catalogue.info(livestreamId);
      if (info === null) return null;
      const skuIds = info.items.map((item) => item.skuId).filter((one) => skuId === undefined || one === skuId);
      if (skuIds.length === 0) return [];
      const stretch = stretchOf(info, sinceMs ?? 0, clock.now());
      const rowsMax = Math.max(1, Math.min(2 * pointsMax, Math.floor(rowsPerAnswer / skuIds.length)));
      const intervalSeconds = Math.max(1, Math.ceil((stretch.untilMs - stretch.fromMs) / 1_000 / rowsMax));
      const [stored, markers, pace] = await Promise.all([
        curves.store.loadPoints({ livestreamId, skuIds, ...stretch, intervalSeconds }),
        curves.store.loadMarkers(livestreamId),
        followed(info),
      ]);
      // Read after the database: what was written between the two readings is in both, and one point.
      const recent = keeper.recentPoints(livestreamId);
      return skuIds.map((id) => {
        const points = joined(stored.get(id) ?? [], recent.get(id) ?? [], sinceMs ?? 0);
        return {
          skuId: id,
          points: [...downSample(points, pointsMax)],
          band: pace.band(id),
          markers: markers.filter((marker) => marker.skuId === null || marker.skuId === id),
        };
      });
    },

    /** Notes an operator's decision on the curve, in full; rejects if it cannot be stored. null: no such livestream or item. */
    async decide(
      livestreamId: string,
      { skuId, kind, text }: z.infer<typeof Decision>,
      actor: string,
    ): Promise<{ readonly atMs: number } | null> {
      const info = await catalogue.info(livestreamId);
      if (info === null || (skuId !== null && !info.items.some((item) => item.skuId === skuId))) return null;
      const atMs = clock.now();
      const name = decisionNames[kind];
      const shown = { zh: shortened(`${name.zh}：${text}`), en: shortened(`${name.en}: ${text}`) };
      const key = `decision:${randomUUID()}`;
      const marker = { atMs, skuId, kind: 'decision', tier: null, text: shown, internal: true, note: text } as const;
      await curves.markers.note(livestreamId, { ...marker, key, actor, apartMs: 0 });
      return { atMs };
    },
  };
}

/** From the beginning of the livestream, or four hours ago, to its end or now; what lies before it is read as one interval. */
function stretchOf({ startedAtMs, endedAtMs }: LivestreamInfo, sinceMs: number, nowMs: number) {
  const untilMs = endedAtMs === null ? nowMs : Math.min(nowMs, endedAtMs + afterEndMs);
  const fromMs = Math.min(untilMs, Math.max(sinceMs, startedAtMs ?? untilMs - 4 * 3_600_000));
  return { sinceMs: Math.min(sinceMs, fromMs), fromMs, untilMs };
}

/** Stored points with the newest ones of this node, one per second, oldest first. */
function joined(stored: readonly CurvePoint[], recent: readonly CurvePoint[], sinceMs: number): readonly CurvePoint[] {
  const newer = recent.filter(([atMs]) => atMs >= sinceMs);
  const firstMs = newer[0]?.[0];
  if (firstMs === undefined) return stored;
  const overlap = stored.filter(([atMs]) => atMs >= firstMs);
  const bySecond = new Map([...overlap, ...newer].map((point) => [point[0], point]));
  return [...stored.filter(([atMs]) => atMs < firstMs), ...[...bySecond.values()].toSorted((a, b) => a[0] - b[0])];
}

/** 200 characters, the limit of texts on the wire; characters that take two units are not cut in half. */
function shortened(text: string): string {
  if (text.length <= 200) return text;
  const cut = text.slice(0, 199);
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
