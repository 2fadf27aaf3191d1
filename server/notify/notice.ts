import type { Alert, AlertBasis, AlertTier } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';

/** What a message says about one alert, at the moment it was raised: kept with the delivery, so that it can be sent after a restart. */
export type NoticeLine = {
  readonly alertId: string;
  readonly livestreamId: string;
  readonly skuId: string;
  readonly tier: AlertTier;
  readonly basis: AlertBasis;
  readonly itemTitle: Text;
  readonly livestreamTitle: Text;
  readonly facts: Readonly<Record<string, number>>;
  readonly reasons: readonly Text[];
  readonly raisedAtMs: number;
};

/** One message as it leaves: one alert, or a digest of several. */
export type Notice = {
  /** The same for every attempt: receivers may tell a repetition by it. */
  readonly noticeId: string;
  /** The highest of its lines. */
  readonly tier: AlertTier;
  /** At least one; highest tier first, then newest first. */
  readonly lines: readonly NoticeLine[];
  /** Alerts that did not fit; they are in the console. */
  readonly more: number;
  readonly consoleUrl: string;
  /** null: nothing to acknowledge (a test, or too many alerts for one link). */
  readonly acknowledgeUrl: string | null;
  readonly atMs: number;
};

export const tierOrder: Record<AlertTier, number> = { yellow: 0, orange: 1, red: 2 };

export const reaches = (tier: AlertTier, least: AlertTier): boolean => tierOrder[tier] >= tierOrder[least];

/** Red first, then the newest. */
export const byUrgency = (a: NoticeLine, b: NoticeLine): number =>
  tierOrder[b.tier] - tierOrder[a.tier] || b.raisedAtMs - a.raisedAtMs;

export function lineOf(alert: Alert, itemTitle: Text, livestreamTitle: Text): NoticeLine {
  const { alertId, livestreamId, skuId, tier, basis, facts, reasons } = alert;
  return {
    alertId,
    livestreamId,
    skuId,
    tier,
    basis,
    itemTitle,
    livestreamTitle,
    facts,
    reasons: reasons.slice(0, 5),
    raisedAtMs: alert.tierRaisedAtMs,
  };
}

/** Lines that a digest lists; what is above is counted. */
const linesMax = 10;

/** The newest and highest line of each alert, the most urgent ones in full and the others as a number. */
export function foldLines(lines: readonly NoticeLine[]): { lines: readonly NoticeLine[]; more: number } {
  const newest = new Map<string, NoticeLine>();
  for (const line of lines) {
    const known = newest.get(line.alertId);
    if (known === undefined || byUrgency(line, known) <= 0) newest.set(line.alertId, line);
  }
  const sorted = [...newest.values()].toSorted(byUrgency);
  return { lines: sorted.slice(0, linesMax), more: Math.max(0, sorted.length - linesMax) };
}
