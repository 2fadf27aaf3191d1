export type BackOff = { readonly firstMs: number; readonly maxMs: number };

/** Pause before attempt `attempt` (0 = the first repeat): doubles up to `maxMs`, of which a random half is kept, so that crowds spread. */
export function backOffMs({ firstMs, maxMs }: BackOff, attempt: number, random: number): number {
  const ceilingMs = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceilingMs * (0.5 + random / 2));
}
