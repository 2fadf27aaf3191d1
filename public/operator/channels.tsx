import { useSignal } from '@preact/signals';
import type { AlertTier, ChannelKind } from '../../contract/alerts.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { settingsOf, settingsText } from './channel-settings.ts';
import { AreaField, CheckField, SelectField, TextField } from './fields.tsx';
import { isId } from './form-values.ts';
import { formatMoment } from './format.ts';
import type { AnswerOf } from './operator-api.ts';
import type { Channel } from './people.tsx';
import { useConsole } from './store.ts';

/** Ways to reach people: made, tried and looked at here. */
export function Channels({
  channels,
  onSaved,
}: {
  readonly channels: readonly Channel[];
  readonly onSaved: (channel: Channel) => void;
}) {
  const console = useConsole();
  const words = console.words.value.people;
  return (
    <section class="box">
      <h2>{words.channels}</h2>
      <ul class="plain-list">
        {channels.map((channel) => (
          <li key={channel.channelId}>
            <div class="channel-line">
              <b>{channel.name}</b>
              <span class="quiet">
                {words.kind[channel.kind]}
                {!channel.enabled && ` · ${words.disabled}`}
              </span>
              <span class="spring" />
              <TestButton channelId={channel.channelId} />
            </div>
            <details class="markers">
              <summary>{console.words.value.edit}</summary>
              <ChannelForm known={channel} onSaved={onSaved} />
            </details>
            <Deliveries channelId={channel.channelId} />
          </li>
        ))}
      </ul>
      <details class="markers">
        <summary>{words.newChannel}</summary>
        <ChannelForm known={null} onSaved={onSaved} />
      </details>
    </section>
  );
}

function TestButton({ channelId }: { channelId: string }) {
  const console = useConsole();
  const words = console.words.value.people;
  const outcome = useSignal<AnswerOf<'testChannel'> | null>(null);
  const action = useAction();
  const send = async (): Promise<void> => {
    outcome.value = null;
    outcome.value = await action.run(() => console.api('testChannel', { channelId }));
  };
  const result = outcome.value;
  return (
    <>
      <span role="status" class={result?.delivered === false ? 'hint hint-bad' : 'hint'}>
        {result !== null && (result.delivered ? words.tested : words.testFailed(result.error ?? ''))}
      </span>
      <button type="button" class="small-button" aria-disabled={action.busy.value} onClick={() => void send()}>
        {words.test}
      </button>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </>
  );
}

function ChannelForm({ known, onSaved }: { known: Channel | null; onSaved: (channel: Channel) => void }) {
  const console = useConsole();
  const words = console.words.value.people;
  const channelId = useSignal(known?.channelId ?? '');
  const name = useSignal(known?.name ?? '');
  const kind = useSignal<ChannelKind>(known?.kind ?? 'dingtalk');
  const minTier = useSignal<AlertTier>(known?.minTier ?? 'orange');
  const enabled = useSignal(known?.enabled ?? true);
  const text = useSignal(settingsText(known?.settings ?? {}));
  const action = useAction();
  const settings = settingsOf(text.value);
  const unusable = !isId(channelId.value) || name.value.trim() === '' || settings === null;
  const submit = async (): Promise<void> => {
    if (unusable || settings === null) return;
    const body = {
      channelId: channelId.value,
      kind: kind.value,
      name: name.value.trim(),
      enabled: enabled.value,
      minTier: minTier.value,
      settings,
    };
    const saved = await action.run(() => console.api('putNotificationChannel', {}, { body }));
    if (saved === null) return;
    onSaved(saved.channel);
    console.say(console.words.value.saved);
  };
  return (
    <form class="box-form" onSubmit={submitting(submit)}>
      <div class="field-row">
        {known === null && (
          <TextField label={words.id} value={channelId} invalid={channelId.value !== '' && !isId(channelId.value)} />
        )}
        <TextField label={words.name} value={name} maxLength={100} />
        <SelectField
          label={words.kindLabel}
          value={kind.value}
          options={words.kind}
          onPick={(next) => (kind.value = next)}
        />
        <SelectField
          label={words.minTier}
          value={minTier.value}
          options={console.words.value.tier}
          onPick={(next) => (minTier.value = next)}
        />
      </div>
      <AreaField label={words.settings} value={text} rows={4} placeholder={'url=https://…\nsecret=…'} />
      <CheckField label={words.enabled} checked={enabled.value} onToggle={(next) => (enabled.value = next)} />
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="small-button" aria-disabled={unusable || action.busy.value}>
        {console.words.value.save}
      </button>
    </form>
  );
}

function Deliveries({ channelId }: { channelId: string }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const found = useSignal<AnswerOf<'listDeliveries'>['deliveries'] | null>(null);
  const action = useAction();
  const look = async (): Promise<void> => {
    const answer = await action.run(() => console.api('listDeliveries', { channelId }));
    if (answer !== null) found.value = answer.deliveries;
  };
  return (
    <details class="markers" onToggle={({ currentTarget }) => currentTarget.open && void look()}>
      <summary>{words.people.deliveries}</summary>
      <ErrorNote error={action.error.value} language={language} />
      <ol class="history">
        {found.value?.map(({ deliveryId, atMs, state, attempts, error }) => (
          <li key={deliveryId}>
            <time class="number">{formatMoment(atMs, language)}</time>
            <span>
              <b data-delivery={state}>{words.alerts.delivery[state]}</b> {words.alerts.attempts(attempts)}{' '}
              <span class="quiet">{error}</span>
            </span>
          </li>
        ))}
        {found.value?.length === 0 && <li class="quiet">{words.people.noDeliveries}</li>}
      </ol>
    </details>
  );
}
