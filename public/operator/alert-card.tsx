import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Alert } from '../../contract/alerts.ts';
import { textIn } from '../lib/languages.ts';
import { submitting } from './action.tsx';
import { asksForAction, isOpen, isSilenced } from './alert-book.ts';
import { acknowledge, assign, resolve, silence, unacknowledge } from './alert-verbs.ts';
import { formatAge, formatTime } from './format.ts';
import { TierBadge } from './icons.tsx';
import { useConsole } from './store.ts';

const silences = [5, 15, 60] as const;

/** One alert with what can be done about it; the chosen one shows everything. */
export function AlertCard({ alert }: { alert: Alert }) {
  const console = useConsole();
  const words = console.words.value;
  const isChosen = console.chosenAlertId.value === alert.alertId;
  const nowMs = console.nowMs.value;
  const [why] = alert.reasons;
  const self = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isChosen) self.current?.scrollIntoView({ block: 'nearest' });
  }, [isChosen]);
  const choose = (): void => {
    console.chosenAlertId.value = isChosen ? null : alert.alertId;
  };
  return (
    <li
      ref={self}
      id={`alert-${alert.alertId}`}
      class="alert"
      tabIndex={-1}
      data-alert={alert.alertId}
      data-tier={alert.tier}
      data-state={alert.state}
      data-asks={asksForAction(alert, nowMs)}
    >
      <button type="button" class="alert-main" aria-expanded={isChosen} onClick={choose}>
        <span class="alert-line">
          <TierBadge tier={alert.tier} text={words.tier[alert.tier]} />
          <span class="alert-basis">{words.basis[alert.basis]}</span>
          <span class="alert-age number">
            {words.alerts.raised(formatAge(nowMs - alert.tierRaisedAtMs, console.language.value))}
          </span>
        </span>
        <span class="alert-name">{console.nameOf(alert.skuId)}</span>
        {why !== undefined && <span class="alert-why">{textIn(console.language.value, why)}</span>}
        <Standing alert={alert} />
      </button>
      {isOpen(alert) && (
        <div class="alert-actions">
          {alert.state === 'raised' ? (
            <BusyButton primary onPress={() => acknowledge(console, alert, '')}>
              {words.alerts.acknowledge}
            </BusyButton>
          ) : (
            <BusyButton onPress={() => unacknowledge(console, alert)}>{words.alerts.unacknowledge}</BusyButton>
          )}
          <button type="button" class="small-button" onClick={() => (console.openSku.value = alert.skuId)}>
            {words.alerts.openItem}
          </button>
          <button type="button" class="small-button" onClick={() => (console.historyOf.value = alert.alertId)}>
            {words.alerts.history}
          </button>
        </div>
      )}
      {!isOpen(alert) && (
        <div class="alert-actions">
          <button type="button" class="small-button" onClick={() => (console.historyOf.value = alert.alertId)}>
            {words.alerts.history}
          </button>
        </div>
      )}
      {isChosen && isOpen(alert) && <MoreActions alert={alert} />}
    </li>
  );
}

/** Who has it, whether it is silenced, and how far it has gone up. */
function Standing({ alert }: { alert: Alert }) {
  const console = useConsole();
  const words = console.words.value.alerts;
  const nowMs = console.nowMs.value;
  const assigned = console.onCall.value.people.find(({ personId }) => personId === alert.assignedTo);
  const parts = [
    alert.state === 'acknowledged' &&
      words.acknowledgedBy(
        alert.acknowledgedBy ?? '',
        formatAge(nowMs - (alert.acknowledgedAtMs ?? nowMs), console.language.value),
      ),
    isSilenced(alert, nowMs) && words.silencedUntil(formatTime(alert.silencedUntilMs ?? 0, console.language.value)),
    alert.muted && words.muted,
    alert.escalation > 0 && isOpen(alert) && words.escalation(alert.escalation),
    alert.assignedTo !== null && `→ ${assigned?.name ?? alert.assignedTo}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? null : <span class="alert-standing">{parts.join(' · ')}</span>;
}

function MoreActions({ alert }: { alert: Alert }) {
  const console = useConsole();
  const words = console.words.value.alerts;
  const note = useSignal('');
  const { people } = console.onCall.value;
  return (
    <div class="alert-more">
      {alert.state === 'raised' && (
        <form
          class="inline-form"
          onSubmit={submitting(async () => {
            if (await acknowledge(console, alert, note.value.trim())) note.value = '';
          })}
        >
          <input
            type="text"
            aria-label={words.note}
            placeholder={words.notePlaceholder}
            maxLength={500}
            value={note.value}
            onInput={({ currentTarget }) => (note.value = currentTarget.value)}
          />
          <button type="submit" class="small-button small-button-strong">
            {words.withNote}
          </button>
        </form>
      )}
      <div class="alert-row">
        <span class="quiet">{words.silence}</span>
        {silences.map((minutes) => (
          <BusyButton key={minutes} onPress={() => silence(console, alert, minutes)}>
            {words.silenceFor(minutes)}
          </BusyButton>
        ))}
      </div>
      <div class="alert-row">
        <label class="inline-field">
          <span class="quiet">{words.assign}</span>
          <select
            value={alert.assignedTo ?? ''}
            onChange={({ currentTarget }) => void assign(console, alert, currentTarget.value || null)}
          >
            <option value="">{words.nobody}</option>
            {people.map(({ personId, name }) => (
              <option key={personId} value={personId}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <BusyButton onPress={() => resolve(console, alert)}>{words.resolve}</BusyButton>
      </div>
      <SupplierContact skuId={alert.skuId} />
    </div>
  );
}

/** Whom to call for more units. */
function SupplierContact({ skuId }: { skuId: string }) {
  const console = useConsole();
  const productId = console.itemOf(skuId)?.productId;
  const suppliers = console.onCall.value.suppliers.filter(
    ({ productIds }) => productId !== undefined && productIds.includes(productId),
  );
  if (suppliers.length === 0) return null;
  return (
    <ul class="suppliers">
      {suppliers.map(({ supplierId, name, contact }) => (
        <li key={supplierId}>
          <span class="quiet">{console.words.value.alerts.supplier}</span> {name} · <b>{contact}</b>
        </li>
      ))}
    </ul>
  );
}

export function BusyButton({
  onPress,
  primary = false,
  children,
}: {
  readonly onPress: () => Promise<unknown>;
  readonly primary?: boolean;
  readonly children: preact.ComponentChildren;
}) {
  const busy = useSignal(false);
  const press = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    await onPress();
    busy.value = false;
  };
  return (
    <button
      type="button"
      class={primary ? 'small-button small-button-strong' : 'small-button'}
      aria-disabled={busy.value}
      onClick={() => void press()}
    >
      {children}
    </button>
  );
}
