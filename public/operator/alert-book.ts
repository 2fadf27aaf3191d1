import type { Alert, AlertTier } from '../../contract/alerts.ts';

/** Higher is worse; `none` is for items without an open alert. */
export const tierRank: Record<AlertTier | 'none', number> = { none: 0, yellow: 1, orange: 2, red: 3 };

/** What an alert's new state means to somebody who listens: worth a sound, worth a look, or nothing. */
export type AlertNews = 'raised' | 'changed' | 'none';

export const isOpen = (alert: Alert): boolean => alert.state !== 'resolved';
export const isSilenced = (alert: Alert, nowMs: number): boolean => (alert.silencedUntilMs ?? 0) > nowMs;

/** True while somebody has to look at it: raised, and neither silenced nor muted by a worse alert of the same item. */
export const asksForAction = (alert: Alert, nowMs: number): boolean =>
  alert.state === 'raised' && !alert.muted && !isSilenced(alert, nowMs);

/**
 * Order of the queue: what asks for action first, then red, orange, yellow; the newest tier first; acknowledged, silenced and muted alerts
 * follow in the same order.
 */
export function sortAlerts(alerts: Iterable<Alert>, nowMs: number): readonly Alert[] {
  return [...alerts].sort(
    (a, b) =>
      Number(asksForAction(b, nowMs)) - Number(asksForAction(a, nowMs)) ||
      tierRank[b.tier] - tierRank[a.tier] ||
      b.tierRaisedAtMs - a.tierRaisedAtMs ||
      (a.alertId < b.alertId ? -1 : 1),
  );
}

/** The alert after `alertId` in the queue, round and round; the first where none is chosen. */
export function nextAlert(queue: readonly Alert[], alertId: string | null): Alert | undefined {
  const at = queue.findIndex((alert) => alert.alertId === alertId);
  return queue[(at + 1) % Math.max(1, queue.length)];
}

/** Alerts of one livestream as this page knows them. Resolved ones are kept only as long as they are shown: at most `resolvedMax`. */
export class AlertBook {
  readonly #alerts = new Map<string, Alert>();
  readonly #resolvedMax: number;
  /** Alerts that came by themselves, for each list that is being asked for: they are newer than it. */
  readonly #waiting = new Set<Set<string>>();

  constructor(resolvedMax = 100) {
    this.#resolvedMax = resolvedMax;
  }

  all(): readonly Alert[] {
    return [...this.#alerts.values()];
  }

  find(alertId: string): Alert | undefined {
    return this.#alerts.get(alertId);
  }

  put(alert: Alert): AlertNews {
    const before = this.#alerts.get(alert.alertId);
    for (const since of this.#waiting) since.add(alert.alertId);
    this.#alerts.set(alert.alertId, alert);
    this.#forget();
    return newsOf(before, alert);
  }

  /**
   * Called before a list is asked for; what it returns takes the list, or null if none came. The list replaces everything but what came
   * by itself meanwhile. Answers the alerts of the list that are news.
   */
  expectList(): (list: readonly Alert[] | null) => readonly Alert[] {
    const since = new Set<string>();
    this.#waiting.add(since);
    return (list) => {
      this.#waiting.delete(since);
      return list === null ? [] : this.#replace(list, since);
    };
  }

  #replace(list: readonly Alert[], since: ReadonlySet<string>): readonly Alert[] {
    const listed = new Set(list.map(({ alertId }) => alertId));
    const news = list.filter(
      (alert) => !since.has(alert.alertId) && newsOf(this.#alerts.get(alert.alertId), alert) === 'raised',
    );
    for (const alertId of this.#alerts.keys()) {
      if (!listed.has(alertId) && !since.has(alertId)) this.#alerts.delete(alertId);
    }
    for (const alert of list) if (!since.has(alert.alertId)) this.#alerts.set(alert.alertId, alert);
    this.#forget();
    return news;
  }

  #forget(): void {
    const resolved = this.all().filter((alert) => !isOpen(alert));
    resolved.sort((a, b) => (a.resolvedAtMs ?? 0) - (b.resolvedAtMs ?? 0));
    for (const { alertId } of resolved.slice(0, Math.max(0, resolved.length - this.#resolvedMax))) {
      this.#alerts.delete(alertId);
    }
  }
}

/** A new alert, a higher tier, or one that is raised again after an acknowledgement is news; everything else merely changes. */
export function newsOf(before: Alert | undefined, after: Alert): AlertNews {
  if (after.state !== 'raised') return before === undefined ? 'none' : 'changed';
  if (before === undefined || before.state !== 'raised') return 'raised';
  return tierRank[after.tier] > tierRank[before.tier] ? 'raised' : 'changed';
}

/** Highest open tier of each item. */
export function tiersOf(alerts: readonly Alert[]): ReadonlyMap<string, AlertTier> {
  const tiers = new Map<string, AlertTier>();
  for (const alert of alerts) {
    if (!isOpen(alert)) continue;
    const known = tiers.get(alert.skuId) ?? 'none';
    if (tierRank[alert.tier] > tierRank[known]) tiers.set(alert.skuId, alert.tier);
  }
  return tiers;
}
