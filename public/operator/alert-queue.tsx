import { useSignal } from '@preact/signals';
import type { Alert } from '../../contract/alerts.ts';
import { isOpen } from './alert-book.ts';
import { AlertCard } from './alert-card.tsx';
import { useConsole } from './store.ts';

/** Open alerts, what asks for action first; or those that are over. */
export function AlertQueue() {
  const console = useConsole();
  const words = console.words.value.alerts;
  const past = useSignal(false);
  const queue = console.queue.value;
  const resolved: readonly Alert[] = console.alerts.value
    .filter((alert) => !isOpen(alert))
    .sort((a, b) => (b.resolvedAtMs ?? 0) - (a.resolvedAtMs ?? 0));
  const shown = past.value ? resolved : queue;
  return (
    <>
      <div class="queue-head">
        <h2>{past.value ? words.resolvedList : words.title}</h2>
        {!past.value && (
          <span class="queue-count number" data-any={console.asking.value > 0}>
            {words.open(console.asking.value)}
          </span>
        )}
      </div>
      <ul class="alerts" tabIndex={-1}>
        {shown.map((alert) => (
          <AlertCard key={alert.alertId} alert={alert} />
        ))}
      </ul>
      {shown.length === 0 && (
        <div class="queue-none">
          <p>{past.value ? words.noResolved : words.none}</p>
          {!past.value && <p class="quiet">{words.noneText}</p>}
        </div>
      )}
      <button type="button" class="link-button" onClick={() => (past.value = !past.value)}>
        {past.value ? words.hideResolved : words.showResolved}
      </button>
    </>
  );
}
