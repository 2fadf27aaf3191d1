/** What a server and its neighbours have at one moment. */
export type Sample = {
  /** Since the beginning. */
  readonly seconds: number;
  readonly heapMb: number;
  readonly externalMb: number;
  readonly rssMb: number;
  readonly handles: number;
  readonly lagMs: number;
  /** Lines of `/metrics`: labels that are never removed make it longer and longer. */
  readonly metricLines: number;
  readonly redisKeys: number;
  readonly redisMb: number;
  readonly redisClients: number;
  readonly redisChannels: number;
  readonly postgresConnections: number;
};

type Measure = Exclude<keyof Sample, 'seconds' | 'lagMs'>;

/** What may be added in an hour, at the rate of the second half: noise of a heap that is collected now and then, not a leak. */
const perHourMax: Readonly<Record<Measure, number>> = {
  heapMb: 40,
  externalMb: 20,
  rssMb: 120,
  handles: 30,
  metricLines: 100,
  redisKeys: 60,
  redisMb: 4,
  redisClients: 4,
  redisChannels: 8,
  postgresConnections: 6,
};
const measures = Object.keys(perHourMax) as Measure[];

/** A collection of garbage lowers a heap to what is really kept: of so many parts of the second half, the lowest value counts. */
const parts = 6;

/** Growth in an hour by least squares through the floors of the second half; NaN: too few samples to say. */
export function slopePerHour(samples: readonly Sample[], measure: Measure): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const size = Math.floor(half.length / parts);
  if (size < 1) return Number.NaN;
  const floors = Array.from({ length: parts }, (_, part) => {
    const some = half.slice(part * size, part === parts - 1 ? undefined : (part + 1) * size);
    return some.reduce((low, one) => (one[measure] < low[measure] ? one : low));
  });
  const meanX = floors.reduce((sum, { seconds }) => sum + seconds, 0) / parts;
  const meanY = floors.reduce((sum, one) => sum + one[measure], 0) / parts;
  const top = floors.reduce((sum, one) => sum + (one.seconds - meanX) * (one[measure] - meanY), 0);
  const bottom = floors.reduce((sum, { seconds }) => sum + (seconds - meanX) ** 2, 0);
  return (top / bottom) * 3_600;
}

/** Each sentence is something that grows, or that could not be judged; none: nothing grows. */
export function verdictOf(samples: readonly Sample[]): readonly string[] {
  return measures.flatMap((measure) => {
    const slope = slopePerHour(samples, measure);
    if (Number.isNaN(slope)) return [`${measure} could not be judged: too few samples, or not measured`];
    return slope <= perHourMax[measure]
      ? []
      : [`${measure} grows by ${slope.toFixed(1)} an hour; at most ${perHourMax[measure]} are noise`];
  });
}

/** Beginning, middle and end of each measure, and its slope. */
export function growthOf(samples: readonly Sample[]): string {
  const at = (share: number): Sample | undefined =>
    samples[Math.min(samples.length - 1, Math.floor(samples.length * share))];
  const rows = measures.map((measure) => {
    const values = [at(0.1), at(0.5), at(1)].map((one) => one?.[measure].toFixed(1) ?? '–');
    return `| ${measure} | ${values.join(' | ')} | ${slopePerHour(samples, measure).toFixed(1)} | ${perHourMax[measure]} |`;
  });
  return [
    '| measure | a tenth in | half | end | growth an hour, second half | bound |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

export function showSample(one: Sample, done: Readonly<Record<string, number>>): string {
  const numbers = [
    `heap ${one.heapMb.toFixed(0)} MB`,
    `rss ${one.rssMb.toFixed(0)} MB`,
    `handles ${one.handles}`,
    `lag p99 ${one.lagMs.toFixed(0)} ms`,
    `redis ${one.redisKeys} keys ${one.redisMb.toFixed(1)} MB ${one.redisClients} clients ${one.redisChannels} channels`,
    `postgres ${one.postgresConnections}`,
    `metrics ${one.metricLines} lines`,
  ];
  const counts = Object.entries(done).map(([name, count]) => `${name} ${count}`);
  return `${Math.round(one.seconds)} s · ${numbers.join(' · ')} · ${counts.join(' ')}`;
}
