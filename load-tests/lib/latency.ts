/** Milliseconds at the usual percentiles; `count` 0 has zeros. */
export type Percentiles = {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

/** Nearest rank on sorted samples: the smallest sample that at least `share` of all samples do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return 0;
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1] ?? 0;
}

export function percentilesOf(samplesMs: readonly number[]): Percentiles {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  return {
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
  };
}

/** One decimal below 100 ms, none above. */
export const showMs = (ms: number): string => (ms < 100 ? ms.toFixed(1) : Math.round(ms).toString());

export function showPercentiles(of: Percentiles): string {
  const { count, p50, p95, p99, max } = of;
  return `n ${count} · p50 ${showMs(p50)} · p95 ${showMs(p95)} · p99 ${showMs(p99)} · max ${showMs(max)} ms`;
}
