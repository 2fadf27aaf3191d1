import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { WireError } from '../../contract/errors.ts';
import { textIn } from '../lib/languages.ts';
import { ErrorNote } from './action.tsx';
import { Dialog } from './dialog.tsx';
import { formatMoment } from './format.ts';
import { TierBadge } from './icons.tsx';
import type { AnswerOf } from './operator-api.ts';
import { useConsole } from './store.ts';

/** Who did what, when; and where messages went. */
export function AlertHistory() {
  const console = useConsole();
  const words = console.words.value;
  const alertId = console.historyOf.value;
  const found = useSignal<AnswerOf<'getAlert'> | null>(null);
  const error = useSignal<WireError | null>(null);
  // An alert that changes while its history is open has one more line.
  const shown = console.alerts.value.find((alert) => alert.alertId === alertId);
  useEffect(() => {
    if (alertId === null) {
      found.value = null;
      return;
    }
    const look = async (): Promise<void> => {
      const answer = await console.api('getAlert', { livestreamId: console.livestreamId, alertId });
      if (answer.ok) found.value = answer.value;
      error.value = answer.ok ? null : answer.error;
    };
    void look();
  }, [console, alertId, shown, found, error]);
  const close = (): void => {
    console.historyOf.value = null;
  };
  return (
    <Dialog open={alertId !== null} title={words.alerts.history} closeLabel={words.close} onClose={close} side>
      <ErrorNote error={error.value} language={console.language.value} />
      {found.value === null && error.value === null && <p class="quiet">{words.loading}</p>}
      {found.value !== null && <History {...found.value} />}
    </Dialog>
  );
}

function History({ alert, events, deliveries }: AnswerOf<'getAlert'>) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  return (
    <>
      <p class="history-title">
        <TierBadge tier={alert.tier} text={words.tier[alert.tier]} /> <b>{console.nameOf(alert.skuId)}</b>{' '}
        {words.basis[alert.basis]}
      </p>
      {alert.reasons.map((reason) => (
        <p key={reason.zh}>{textIn(language, reason)}</p>
      ))}
      <dl class="facts">
        {Object.entries(alert.facts).map(([name, value]) => (
          <div key={name}>
            <dt>{words.alerts.facts[name] ?? name}</dt>
            <dd class="number">{Math.round(value * 100) / 100}</dd>
          </div>
        ))}
      </dl>
      <ol class="history">
        {events.map(({ atMs, kind, actor, note }) => (
          <li key={`${atMs} ${kind} ${note}`}>
            <time class="number">{formatMoment(atMs, language)}</time>
            <span>
              <b>{words.alerts.events[kind]}</b> {actor}
              {note !== '' && <span class="quiet"> {note}</span>}
            </span>
          </li>
        ))}
        {events.length === 0 && <li class="quiet">{words.alerts.noEvents}</li>}
      </ol>
      {deliveries.length > 0 && <h3>{words.alerts.deliveries}</h3>}
      <ul class="history">
        {deliveries.map(({ deliveryId, channelId, state, attempts, atMs, error }) => (
          <li key={deliveryId}>
            <time class="number">{formatMoment(atMs, language)}</time>
            <span>
              {channelId} <b data-delivery={state}>{words.alerts.delivery[state]}</b>{' '}
              {attempts > 1 && words.alerts.attempts(attempts)}
              {error !== null && <span class="quiet"> {error}</span>}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
