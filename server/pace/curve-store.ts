import type { CurveMarker, CurvePoint } from '../../contract/pace.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { Sample } from './curve-sampler.ts';
import { secondOf } from './sales-window.ts';

/** Longer than any hand-over; a longer pause is one without a server, in which nothing was sold. */
const missedMs = 60_000;

/** A marker with what is kept beside it. `key` says what it is about: the same key twice is one marker. */
export type NewMarker = CurveMarker & {
  readonly key: string;
  readonly actor: string;
  /** The whole text of a decision; markers show 200 characters. */
  readonly note: string;
  /** Seen on the levels, which nodes see at slightly different moments: none if there is one of its kind within so many ms. 0: always. */
  readonly apartMs: number;
};

export type CurveQuery = {
  readonly livestreamId: string;
  readonly skuIds: readonly string[];
  /** Samples from this instant on. */
  readonly sinceMs: number;
  /** The stretch that is divided into intervals; samples between `sinceMs` and it are one more. sinceMs ≤ fromMs ≤ untilMs. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** ≥ 1. */
  readonly intervalSeconds: number;
};

/** Curves in PostgreSQL. Every method is one statement and rejects if the database cannot be asked. */
export type CurveStore = ReturnType<typeof createCurveStore>;

export function createCurveStore(prisma: PrismaClient) {
  return { ...sampleStore(prisma), ...markerStore(prisma) };
}

function sampleStore(prisma: PrismaClient) {
  return {
    /** One row per item and second, whichever nodes write it: the greater version stays. Sorted, so that two writers cannot deadlock. */
    async saveSamples(samples: readonly Sample[]): Promise<void> {
      if (samples.length === 0) return;
      const sorted = samples.toSorted((a, b) => compare(rowKeyOf(a), rowKeyOf(b)));
      const column = <Key extends keyof Sample>(key: Key) => sorted.map((sample) => sample[key]);
      await prisma.$executeRaw`
        INSERT INTO curve_points AS known (livestream_id, sku_id, at, consumed, available, version)
        SELECT livestream_id, sku_id, to_timestamp(second), consumed, available, version
          FROM unnest(${column('livestreamId')}::text[], ${column('skuId')}::text[], ${column('second')}::float8[],
                      ${column('consumed')}::int[], ${column('available')}::int[], ${column('version')}::int[])
            AS sample (livestream_id, sku_id, second, consumed, available, version)
        ON CONFLICT (livestream_id, sku_id, at) DO UPDATE
          SET consumed = EXCLUDED.consumed, available = EXCLUDED.available, version = EXCLUDED.version
          WHERE known.version < EXCLUDED.version`;
    },

    /** Of each item the samples since `sinceMs` and the last one before, oldest first. */
    async loadRecent(livestreamId: string, sinceMs: number): Promise<readonly Sample[]> {
      const rows = await prisma.$queryRaw<(Omit<Sample, 'livestreamId' | 'second'> & { ms: bigint })[]>`
        SELECT p.sku_id AS "skuId", stockcast_ms(p.at) AS ms, p.consumed, p.available, p.version
          FROM curve_points p
          WHERE p.livestream_id = ${livestreamId} AND p.at >= ${new Date(sinceMs)}
        UNION ALL
        SELECT i.sku_id, stockcast_ms(p.at), p.consumed, p.available, p.version
          FROM livestream_items i CROSS JOIN LATERAL (
            SELECT * FROM curve_points c
              WHERE c.livestream_id = i.livestream_id AND c.sku_id = i.sku_id AND c.at < ${new Date(sinceMs)}
              ORDER BY c.at DESC LIMIT 1) AS p
          WHERE i.livestream_id = ${livestreamId}
        ORDER BY ms`;
      return rows.map(({ skuId, ms, consumed, available, version }) => ({
        livestreamId,
        skuId,
        second: Number(ms) / 1_000,
        consumed,
        available,
        version,
      }));
    },

    /**
     * The seconds before this one that have no sample because nobody wrote, out of the ledger's entries: the last minute at most, and of
     * each item only what came after its newest sample in `stored`. They do not replace a sample that is there.
     */
    async loadMissed(livestreamId: string, stored: readonly Sample[], nowMs: number): Promise<readonly Sample[]> {
      const newest = new Map(stored.map((sample) => [sample.skuId, sample]));
      const since = new Date(nowMs - missedMs);
      const rows = await prisma.$queryRaw<{ skuId: string; second: bigint; consumed: number; available: number }[]>`
        SELECT sku_id AS "skuId", second, consumed, available FROM stockcast_seconds_since(${livestreamId}, ${since})`;
      return rows.flatMap(({ second: bigSecond, ...row }) => {
        const [second, known] = [Number(bigSecond), newest.get(row.skuId)];
        const isMissed = second < secondOf(nowMs) && second > (known?.second ?? 0);
        return isMissed ? [{ livestreamId, second, version: known?.version ?? 0, ...row }] : [];
      });
    },

    /**
     * Points by item, oldest first: the first one, and the last one of each interval. One probe of the index per item and interval, so
     * that a long show costs what a short one does: 100 items over two hours are 720,000 rows, which took 14 s to read and thin.
     */
    async loadPoints(query: CurveQuery): Promise<ReadonlyMap<string, readonly CurvePoint[]>> {
      const { livestreamId, skuIds, sinceMs, fromMs, untilMs, intervalSeconds } = query;
      const intervals = Math.ceil((untilMs - fromMs) / 1_000 / intervalSeconds);
      const rows = await prisma.$queryRaw<{ skuId: string; points: CurvePoint[] }[]>`
        SELECT sku_id AS "skuId",
               json_agg(json_build_array(stockcast_ms(at), consumed, available) ORDER BY at) AS points
          FROM (
            SELECT item.sku_id, p.* FROM unnest(${skuIds}::text[]) AS item (sku_id)
              CROSS JOIN LATERAL (SELECT at, consumed, available FROM curve_points c
                WHERE c.livestream_id = ${livestreamId} AND c.sku_id = item.sku_id AND c.at >= ${new Date(sinceMs)}
                ORDER BY at LIMIT 1) AS p
            UNION
            SELECT item.sku_id, p.* FROM unnest(${skuIds}::text[]) AS item (sku_id)
              CROSS JOIN (
                SELECT CASE nth WHEN 0 THEN ${new Date(sinceMs)}::timestamptz ELSE ends - ${intervalSeconds}::int * interval '1 second' END AS starts, ends
                  FROM (SELECT nth, ${new Date(fromMs)}::timestamptz + nth * ${intervalSeconds}::int * interval '1 second' AS ends
                          FROM generate_series(0, ${intervals}::int) AS nth) AS numbered) AS span
              CROSS JOIN LATERAL (SELECT at, consumed, available FROM curve_points c
                WHERE c.livestream_id = ${livestreamId} AND c.sku_id = item.sku_id AND c.at > span.starts AND c.at <= span.ends
                ORDER BY at DESC LIMIT 1) AS p) AS found
          GROUP BY sku_id`;
      return new Map(rows.map(({ skuId, points }) => [skuId, points]));
    },
  };
}

function markerStore(prisma: PrismaClient) {
  return {
    /** True if it is new. */
    async saveMarker(livestreamId: string, marker: NewMarker): Promise<boolean> {
      const { key, kind, skuId, tier, text, internal, actor, note } = marker;
      const at = new Date(marker.atMs);
      const near =
        marker.apartMs === 0
          ? Prisma.sql`FALSE`
          : Prisma.sql`EXISTS (SELECT 1 FROM curve_markers
              WHERE livestream_id = ${livestreamId} AND kind = ${kind} AND sku_id IS NOT DISTINCT FROM ${skuId}
                AND at > ${new Date(marker.atMs - marker.apartMs)} AND at < ${new Date(marker.atMs + marker.apartMs)})`;
      const inserted = await prisma.$executeRaw`
        INSERT INTO curve_markers (livestream_id, key, at, sku_id, kind, tier, text_zh, text_en, internal, actor, note)
        SELECT ${livestreamId}, ${key}, ${at}, ${skuId}, ${kind}, ${tier}, ${text.zh}, ${text.en}, ${internal}, ${actor}, ${note}
          WHERE NOT ${near}
        ON CONFLICT (livestream_id, key) DO NOTHING`;
      return inserted === 1;
    },

    /** All markers of a livestream, oldest first, at most the newest 5,000. */
    async loadMarkers(livestreamId: string): Promise<readonly CurveMarker[]> {
      const rows = await prisma.curveMarker.findMany({
        where: { livestreamId },
        orderBy: [{ at: 'desc' }, { seq: 'desc' }],
        take: 5_000,
      });
      return rows.toReversed().map(({ at, skuId, kind, tier, textZh, textEn, internal }) => ({
        atMs: at.getTime(),
        skuId,
        kind: kind as CurveMarker['kind'],
        tier: tier as CurveMarker['tier'],
        text: { zh: textZh, en: textEn },
        internal,
      }));
    },
  };
}

const rowKeyOf = ({ livestreamId, skuId, second }: Sample): string => `${livestreamId}/${skuId}/${second}`;
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
