import { useSignal } from '@preact/signals';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { AddItemForm, NewSkuForm } from './add-item.tsx';
import { Audit } from './audit.tsx';
import { DecisionForm } from './decision-form.tsx';
import { TextField } from './fields.tsx';
import { momentOf, momentText } from './form-values.ts';
import { formatMoment } from './format.ts';
import { Overlays } from './overlays.tsx';
import { useConsole } from './store.ts';

/** Making and running the livestream itself. */
export function Show() {
  const console = useConsole();
  const words = console.words.value.show;
  const livestream = console.livestream.value;
  if (livestream === null) return <p class="quiet">{console.words.value.loading}</p>;
  const query = `livestream=${encodeURIComponent(livestream.livestreamId)}`;
  return (
    <section class="sheet">
      <div class="columns">
        <div class="panel-column">
          <Run livestream={livestream} />
          {livestream.state !== 'ended' && <AddItemForm />}
        </div>
        <div class="panel-column">
          <section class="box">
            <h2>{words.plannedEnd}</h2>
            <PlannedEnd />
            <DecisionForm skuId={null} />
            <p class="links">
              <a href={`/viewer/?${query}`} target="_blank" rel="noreferrer">
                {words.viewerPage}
              </a>
              <a href={`?${query}&mode=wall`}>{console.words.value.wallMode}</a>
              {console.isAdmin && <a href="?list">{words.otherLivestreams}</a>}
            </p>
          </section>
          {livestream.state !== 'ended' && console.isAdmin && <NewSkuForm />}
        </div>
      </div>
      <Overlays />
      <Audit />
    </section>
  );
}

/** Schedule, go live, end. What cannot be undone wants the livestream's id typed. */
function Run({ livestream }: { livestream: LivestreamInfo }) {
  const console = useConsole();
  const words = console.words.value.show;
  const language = console.language.value;
  const at = useSignal(momentText(livestream.scheduledAtMs));
  const ending = useSignal(false);
  const action = useAction();
  const { livestreamId, state, scheduledAtMs, startedAtMs, endedAtMs, items } = livestream;
  const scheduledFor = momentOf(at.value);
  const moments = [
    [words.scheduledAt, scheduledAtMs],
    [words.startedAt, startedAtMs],
    [words.endedAt, endedAtMs],
  ] as const;
  const closed = items.filter(({ sale }) => sale === 'not_open');
  return (
    <section class="box">
      <h2>
        {words.run}{' '}
        <span class="state-tag" data-state={state}>
          {console.words.value.state[state]}
        </span>
      </h2>
      <dl class="facts">
        <div>
          <dt>{words.id}</dt>
          <dd>{livestreamId}</dd>
        </div>
        {moments.map(
          ([label, moment]) =>
            moment !== null && (
              <div key={label}>
                <dt>{label}</dt>
                <dd class="number">{formatMoment(moment, language)}</dd>
              </div>
            ),
        )}
      </dl>
      {(state === 'draft' || state === 'scheduled') && (
        <form
          class="open-at"
          onSubmit={(event) => {
            event.preventDefault();
            if (scheduledFor === undefined) return;
            const body = { scheduledAtMs: scheduledFor };
            void action.run(() => console.api('scheduleLivestream', { livestreamId }, { body }));
          }}
        >
          <TextField label={words.scheduledAt} value={at} type="datetime-local" />
          <button type="submit" class="small-button" aria-disabled={scheduledFor === undefined || action.busy.value}>
            {words.schedule}
          </button>
        </form>
      )}
      <div class="tools">
        {(state === 'draft' || state === 'scheduled') && (
          <button
            type="button"
            class="button button-buy"
            aria-disabled={action.busy.value}
            onClick={() => void action.run(() => console.api('startLivestream', { livestreamId }))}
          >
            {words.start}
          </button>
        )}
        {(state === 'live' || state === 'scheduled') && closed.length > 0 && (
          <OpenAll skuIds={closed.map((each) => each.skuId)} />
        )}
        {state === 'live' && !ending.value && (
          <button type="button" class="button button-quiet" onClick={() => (ending.value = true)}>
            {words.end}…
          </button>
        )}
      </div>
      {state === 'live' && ending.value && <EndForm onCancel={() => (ending.value = false)} />}
      <ErrorNote error={action.error.value} language={language} />
    </section>
  );
}

function OpenAll({ skuIds }: { skuIds: readonly string[] }) {
  const console = useConsole();
  const action = useAction();
  const open = (): Promise<unknown> =>
    action.run(async () => {
      const { api, livestreamId } = console;
      for (const skuId of skuIds) {
        const answer = await api('changeSale', { livestreamId, skuId }, { body: { action: 'open' } });
        if (!answer.ok) return answer;
      }
      return { ok: true as const, value: null };
    });
  return (
    <>
      <button type="button" class="button button-quiet" aria-disabled={action.busy.value} onClick={() => void open()}>
        {console.words.value.show.openAll} ({skuIds.length})
      </button>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </>
  );
}

function EndForm({ onCancel }: { onCancel: () => void }) {
  const console = useConsole();
  const words = console.words.value.show;
  const typed = useSignal('');
  const action = useAction();
  const { livestreamId } = console;
  const isConfirmed = typed.value.trim() === livestreamId;
  return (
    <form
      class="ending"
      onSubmit={(event) => {
        event.preventDefault();
        if (isConfirmed) void action.run(() => console.api('endLivestream', { livestreamId }));
      }}
    >
      <h3>{words.endTitle}</h3>
      <TextField label={words.endText(livestreamId)} value={typed} />
      <div class="tools">
        <button type="submit" class="button button-buy" aria-disabled={!isConfirmed || action.busy.value}>
          {words.endConfirm}
        </button>
        <button type="button" class="button button-quiet" onClick={onCancel}>
          {console.words.value.cancel}
        </button>
      </div>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </form>
  );
}

function PlannedEnd() {
  const console = useConsole();
  const plans = console.plans.value;
  const words = console.words.value;
  const known = plans?.livestream.plannedEndAtMs ?? null;
  const typed = useSignal<string | null>(null);
  const shown = typed.value ?? momentText(known);
  const action = useAction();
  const at = momentOf(shown);
  const submit = async (): Promise<void> => {
    const { api, livestreamId } = console;
    const body = { plannedEndAtMs: at ?? null };
    const saved = await action.run(() => api('putLivestreamPlan', { livestreamId }, { body }));
    if (saved === null) return;
    if (plans !== null) console.plans.value = { ...plans, livestream: saved.livestream };
    typed.value = null;
    console.say(words.saved);
  };
  return (
    <form class="open-at" onSubmit={submitting(submit)}>
      <label class="field">
        {words.show.plannedEndHelp}
        <input
          type="datetime-local"
          value={shown}
          onInput={({ currentTarget }) => (typed.value = currentTarget.value)}
        />
      </label>
      <button type="submit" class="small-button" aria-disabled={action.busy.value}>
        {words.save}
      </button>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </form>
  );
}
