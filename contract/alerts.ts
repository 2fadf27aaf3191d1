import * as z from 'zod/mini';
import { Count, Id, InstantMs, Text } from './primitives.ts';

/**
 * What an alert looks at; two bases that must not be mixed.
 * coverage: units that can still be sold against estimate × coefficient (resupply lead, confidence, the first hour's sales).
 * consumption: held + sold against the ORIGINAL estimate; refunds and expiries lower it but never re-arm a tier that fired.
 * sold_out: nothing left is red by itself, whatever the estimate was.
 */
export const AlertBasis = z.enum(['coverage', 'consumption', 'sold_out']);
export type AlertBasis = z.infer<typeof AlertBasis>;

/** yellow: watch, prepare resupply · orange: change the script, control the pace · red: stop the sale or decide now. */
export const AlertTier = z.enum(['yellow', 'orange', 'red']);
export type AlertTier = z.infer<typeof AlertTier>;

/** raised → acknowledged → resolved; a higher tier or a forgotten acknowledgement makes it raised again. */
export const AlertState = z.enum(['raised', 'acknowledged', 'resolved']);
export type AlertState = z.infer<typeof AlertState>;

/** One open alert per item and basis. */
export const Alert = z.object({
  alertId: Id,
  livestreamId: Id,
  skuId: Id,
  basis: AlertBasis,
  tier: AlertTier,
  state: AlertState,
  raisedAtMs: InstantMs,
  /** Of the present tier. */
  tierRaisedAtMs: InstantMs,
  acknowledgedAtMs: z.nullable(InstantMs),
  acknowledgedBy: z.nullable(z.string()),
  resolvedAtMs: z.nullable(InstantMs),
  silencedUntilMs: z.nullable(InstantMs),
  assignedTo: z.nullable(Id),
  /** People and channels tried so far; 0 = the first on call. */
  escalation: z.int(),
  /** A red alert of the same item is open: shown, not sent (red mutes yellow and orange). */
  muted: z.boolean(),
  /** Numbers at the moment of the crossing: consumed, estimate, percent, available, line, coefficient. */
  facts: z.record(z.string(), z.number()),
  /** Why, in sentences for people. */
  reasons: z.array(Text),
});
export type Alert = z.infer<typeof Alert>;

/** Append-only: who did what, when. */
export const AlertEvent = z.object({
  atMs: InstantMs,
  kind: z.enum([
    'raised',
    'tier_raised',
    'notified',
    'acknowledged',
    'unacknowledged',
    'escalated',
    'assigned',
    'silenced',
    'unsilenced',
    'response',
    'resolved',
  ]),
  actor: z.string(),
  note: z.string(),
});
export type AlertEvent = z.infer<typeof AlertEvent>;

export const Confidence = z.enum(['high', 'medium', 'low']);
/** How an item's sales usually run: 开场爆发 · 平稳 · 慢热 · 跟随讲解节奏. */
export const CurveClass = z.enum(['opening_peak', 'steady', 'slow_burn', 'rundown']);
export type CurveClass = z.infer<typeof CurveClass>;

/** What operators expect of an item and want done about it. The seam where a forecast plugs in: it writes `estimate` and `confidence`. */
export const ItemPlan = z.object({
  /** Units expected to be consumed in this livestream; null: no alerts on consumption and coverage, sold out still is red. */
  estimate: z.nullable(Count),
  confidence: z._default(Confidence, 'high'),
  /** Days until more units can be here. */
  leadTimeDays: z._default(z.int().check(z.minimum(0), z.maximum(365)), 3),
  curveClass: z._default(CurveClass, 'steady'),
  /** Core items notify several channels at once and may call people. */
  core: z._default(z.boolean(), false),
  /** Red: stop the sale at once, or ask the operator. */
  redPolicy: z._default(z.enum(['stop', 'ask']), 'ask'),
  /** Whether the first hour's sales move the coverage line. */
  dynamicLine: z._default(z.boolean(), true),
  /** Percent of the estimate, ascending. */
  yellowPercent: z._default(z.int().check(z.minimum(1), z.maximum(1_000)), 80),
  orangePercent: z._default(z.int().check(z.minimum(1), z.maximum(1_000)), 100),
  redPercent: z._default(z.int().check(z.minimum(1), z.maximum(1_000)), 120),
});
export type ItemPlan = z.infer<typeof ItemPlan>;

/** The plan with what follows from it now. */
export const ItemPlanView = z.object({
  skuId: Id,
  plan: ItemPlan,
  /** estimate × coefficient; null without an estimate. */
  coverageLine: z.nullable(z.number()),
  coefficient: z.nullable(z.number()),
  /** Why the coefficient is what it is. */
  reasons: z.array(Text),
  /** Tiers that can never fire with the stock there is (checked before the show). */
  unreachable: z.array(z.object({ basis: AlertBasis, tier: AlertTier, why: Text })),
});
export type ItemPlanView = z.infer<typeof ItemPlanView>;

/** Expected length of the show; curves and needs are computed against it. */
export const LivestreamPlan = z.object({ plannedEndAtMs: z.nullable(InstantMs) });

export const ChannelKind = z.enum(['dingtalk', 'feishu', 'wecom', 'webhook', 'email', 'sms', 'voice', 'web_push']);
export type ChannelKind = z.infer<typeof ChannelKind>;

/** Where messages to a person or a group go. Secrets are written, never read back (`settings` comes back with them masked). */
export const NotificationChannel = z.object({
  channelId: Id,
  kind: ChannelKind,
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  enabled: z._default(z.boolean(), true),
  /** Messages below this tier are not sent here. */
  minTier: z._default(AlertTier, 'orange'),
  /** By kind: url, secret, accessToken, to, phone, template, … checked when it is saved. */
  settings: z.record(z.string(), z.string().check(z.maxLength(2_000))),
});
export type NotificationChannel = z.infer<typeof NotificationChannel>;

export const Person = z.object({
  personId: Id,
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  phone: z._default(z.nullable(z.string().check(z.maxLength(32))), null),
  email: z._default(z.nullable(z.string().check(z.maxLength(200))), null),
  /** Channels in the order in which they are tried. */
  channelIds: z._default(z.array(Id).check(z.maxLength(10)), []),
});
export type Person = z.infer<typeof Person>;

export const Supplier = z.object({
  supplierId: Id,
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  contact: z.string().check(z.minLength(1), z.maxLength(200)),
  productIds: z._default(z.array(Id).check(z.maxLength(500)), []),
});
export type Supplier = z.infer<typeof Supplier>;

export const Delivery = z.object({
  deliveryId: Id,
  channelId: Id,
  personId: z.nullable(Id),
  alertIds: z.array(Id),
  state: z.enum(['waiting', 'sent', 'failed']),
  attempts: z.int(),
  atMs: InstantMs,
  error: z.nullable(z.string()),
});
export type Delivery = z.infer<typeof Delivery>;

/** What yellow asks for: units to be ordered or moved, until somebody has done it. */
export const ReplenishmentTask = z.object({
  taskId: Id,
  skuId: Id,
  quantity: Count,
  state: z.enum(['open', 'done', 'dropped']),
  createdAtMs: InstantMs,
  doneAtMs: z.nullable(InstantMs),
  note: z.string(),
});
export type ReplenishmentTask = z.infer<typeof ReplenishmentTask>;

/** An operator's decision, noted on the curve: 补货 · 调价 · 促销 · 其他. */
export const Decision = z.object({
  skuId: z.nullable(Id),
  kind: z.enum(['replenish', 'reprice', 'promote', 'other']),
  text: z.string().check(z.minLength(1), z.maxLength(500)),
});

export const SilenceAlert = z.object({ minutes: z.int().check(z.minimum(1), z.maximum(240)) });
export const AcknowledgeAlert = z.object({ note: z._default(z.string().check(z.maxLength(500)), '') });
export const AssignAlert = z.object({ personId: z.nullable(Id) });
