import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { Alert, AlertTier } from '../../contract/alerts.ts';
import { AlertBook, asksForAction, isOpen, sortAlerts, tiersOf } from './alert-book.ts';
import type { LiveEvents } from './live-events.ts';
import type { OperatorApi } from './operator-api.ts';

export type AlertSignals = {
  readonly alerts: ReadonlySignal<readonly Alert[]>;
  /** Open ones, what asks for action first. */
  readonly queue: ReadonlySignal<readonly Alert[]>;
  /** How many ask for action. */
  readonly asking: ReadonlySignal<number>;
  /** Highest open tier of each item. */
  readonly tiers: ReadonlySignal<ReadonlyMap<string, AlertTier>>;
  putAlert(alert: Alert): void;
  refreshAlerts(): Promise<void>;
};

/** Alerts of one livestream, from the socket and, where that was away, from the list. `onNews`: one has begun to ask for action. */
export function followAlerts({
  events,
  api,
  livestreamId,
  nowMs,
  onNews,
}: {
  readonly events: LiveEvents;
  readonly api: OperatorApi;
  readonly livestreamId: string;
  readonly nowMs: ReadonlySignal<number>;
  readonly onNews: (alert: Alert) => void;
}): AlertSignals {
  const book = new AlertBook();
  const alerts = signal<readonly Alert[]>([]);
  let isFirst = true;

  const tell = (alert: Alert): void => {
    if (asksForAction(alert, nowMs.peek())) onNews(alert);
  };
  const putAlert = (alert: Alert): void => {
    if (alert.livestreamId !== livestreamId) return;
    const news = book.put(alert);
    alerts.value = book.all();
    if (news === 'raised') tell(alert);
  };
  events.onAlert = putAlert;

  return {
    alerts,
    queue: computed(() => sortAlerts(alerts.value.filter(isOpen), nowMs.value)),
    asking: computed(() => alerts.value.filter((alert) => asksForAction(alert, nowMs.value)).length),
    tiers: computed(() => tiersOf(alerts.value)),
    putAlert,
    async refreshAlerts() {
      const take = book.expectList();
      const listed = await api('listAlerts', { livestreamId }, { query: {} });
      const raised = take(listed.ok ? listed.value.alerts : null);
      alerts.value = book.all();
      // What stood there when the page was opened is on the screen; what was raised while the connection was away is news.
      if (!isFirst) raised.forEach(tell);
      if (listed.ok) isFirst = false;
    },
  };
}
