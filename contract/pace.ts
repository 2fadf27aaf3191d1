import * as z from 'zod/mini';
import { AlertTier } from './alerts.ts';
import { Count, Id, InstantMs, Text } from './primitives.ts';

/** One sample of an item: `[atMs, consumed (held + sold), available]`, at least once a second while it changes. */
export const CurvePoint = z.tuple([InstantMs, Count, Count]);
export type CurvePoint = z.infer<typeof CurvePoint>;

/** What happened on the curve. `internal` markers (alerts, decisions) never go on air. */
export const CurveMarker = z.object({
  atMs: InstantMs,
  skuId: z.nullable(Id),
  kind: z.enum(['alert', 'price', 'pin', 'open', 'stop', 'resume', 'restock', 'decision', 'sold_out']),
  tier: z.nullable(AlertTier),
  text: Text,
  internal: z.boolean(),
});
export type CurveMarker = z.infer<typeof CurveMarker>;

/** Expected consumption: `[atMs, expected, lower, upper]`; empty without an estimate. */
export const BandPoint = z.tuple([InstantMs, z.number(), z.number(), z.number()]);
export type BandPoint = z.infer<typeof BandPoint>;

export const ItemCurve = z.object({
  skuId: Id,
  points: z.array(CurvePoint),
  band: z.array(BandPoint),
  markers: z.array(CurveMarker),
});
export type ItemCurve = z.infer<typeof ItemCurve>;

/** Units a minute, with a low and a high estimate; null: too few sales to say (fewer than 5). */
export const Velocity = z.nullable(z.object({ perMinute: z.number(), low: z.number(), high: z.number() }));

/** How an item sells now. `inside` / `over` / `under` the expected band; `unknown` without an estimate or too early. */
export const ItemPace = z.object({
  skuId: Id,
  consumed: Count,
  available: Count,
  velocity: Velocity,
  /** Until sold out at this velocity; null: not at all (rate 0), or too few sales to say. */
  sellOutInMs: z.nullable(z.object({ expected: z.number(), low: z.number(), high: z.nullable(z.number()) })),
  /** Units missing until the planned end; null when it cannot be said. */
  needUntilEnd: z.nullable(z.object({ expected: z.number(), low: z.number(), high: z.number() })),
  state: z.enum(['inside', 'over', 'under', 'unknown']),
  /** Highest open tier; operators and the anchor's own screen only. */
  tier: z.nullable(AlertTier),
});
export type ItemPace = z.infer<typeof ItemPace>;

/** For the anchor: 放慢 slow_down · 加互动 interact · 保持 keep. */
export const PaceCue = z.object({
  skuId: z.nullable(Id),
  cue: z.enum(['slow_down', 'interact', 'keep']),
  text: Text,
  sinceMs: InstantMs,
});
export type PaceCue = z.infer<typeof PaceCue>;

/** Once a second while anything changes, to operators and anchor. */
export const PaceState = z.object({
  livestreamId: Id,
  atMs: InstantMs,
  items: z.array(ItemPace),
  cue: PaceCue,
  /** skuIds: fastest first · slow edge items, most unsold value first · what to push next, best first. */
  hot: z.array(Id),
  slow: z.array(Id),
  next: z.array(Id),
});
export type PaceState = z.infer<typeof PaceState>;

/** New samples since the last event. */
export const CurvePoints = z.object({
  livestreamId: Id,
  items: z.array(z.object({ skuId: Id, points: z.array(CurvePoint) })),
});
export type CurvePoints = z.infer<typeof CurvePoints>;
