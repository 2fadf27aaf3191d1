import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { SelectField, TextField } from './fields.tsx';
import { formatMoment } from './format.ts';
import type { AnswerOf } from './operator-api.ts';
import { useConsole } from './store.ts';

type Overlay = AnswerOf<'listOverlays'>['overlays'][number];

/** Links for OBS: made, copied once, revoked. */
export function Overlays() {
  const console = useConsole();
  const words = console.words.value.show;
  const overlays = useSignal<readonly Overlay[]>([]);
  const made = useSignal<string | null>(null);
  const audience = useSignal<Overlay['audience']>('anchor');
  const name = useSignal('OBS');
  const action = useAction();
  const { api, livestreamId } = console;
  useEffect(() => {
    const look = async (): Promise<void> => {
      const answer = await action.run(() => api('listOverlays', { livestreamId }));
      if (answer !== null) overlays.value = answer.overlays;
    };
    void look();
  }, []);
  const isMissing = name.value.trim() === '';
  const create = async (): Promise<void> => {
    if (isMissing) return;
    const body = { audience: audience.value, name: name.value.trim() };
    const created = await action.run(() => api('createOverlay', { livestreamId }, { body }));
    if (created === null) return;
    overlays.value = [created.overlay, ...overlays.value];
    made.value = new URL(created.url, location.href).href;
  };
  const revoke = async (overlayId: string): Promise<void> => {
    const revoked = await action.run(() => api('revokeOverlay', { livestreamId, overlayId }));
    if (revoked === null) return;
    overlays.value = overlays.value.map((each) => (each.overlayId === overlayId ? revoked.overlay : each));
  };
  return (
    <section class="box">
      <h2>{words.overlays}</h2>
      <p class="quiet">{words.overlaysText}</p>
      <form class="tools" onSubmit={submitting(create)}>
        <SelectField
          label={words.audience}
          value={audience.value}
          options={words.audiences}
          onPick={(next) => (audience.value = next)}
        />
        <TextField label={words.overlayName} value={name} maxLength={100} />
        <button type="submit" class="small-button" aria-disabled={isMissing || action.busy.value}>
          {words.makeOverlay}
        </button>
      </form>
      {made.value !== null && <MadeLink link={made.value} />}
      <ErrorNote error={action.error.value} language={console.language.value} />
      {overlays.value.length === 0 && <p class="quiet">{words.noOverlays}</p>}
      <ul class="plain-list">
        {overlays.value.map((overlay) => (
          <OverlayLine key={overlay.overlayId} overlay={overlay} onRevoke={() => void revoke(overlay.overlayId)} />
        ))}
      </ul>
    </section>
  );
}

function OverlayLine({ overlay, onRevoke }: { overlay: Overlay; onRevoke: () => void }) {
  const console = useConsole();
  const words = console.words.value.show;
  const language = console.language.value;
  const { name, audience, lastUsedAtMs, revokedAtMs } = overlay;
  return (
    <li class="channel-line" data-revoked={revokedAtMs !== null}>
      <b>{name}</b>
      <span class="quiet">
        {words.audiences[audience]} ·{' '}
        {lastUsedAtMs === null ? words.neverUsed : words.lastUsed(formatMoment(lastUsedAtMs, language))}
      </span>
      <span class="spring" />
      {revokedAtMs === null ? (
        <button type="button" class="small-button" aria-label={`${words.revoke} ${name}`} onClick={onRevoke}>
          {words.revoke}
        </button>
      ) : (
        <span class="quiet">{words.revoked}</span>
      )}
    </li>
  );
}

function MadeLink({ link }: { link: string }) {
  const console = useConsole();
  const words = console.words.value;
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link);
      copied.value = true;
    } catch {
      // Browsers copy only on pages that came by https; the field is there to be copied by hand.
      copied.value = false;
    }
  };
  return (
    <div class="made-link">
      <label class="field">
        {words.show.overlayLink}
        <input type="text" readOnly value={link} onFocus={({ currentTarget }) => currentTarget.select()} />
      </label>
      <button type="button" class="small-button small-button-strong" onClick={() => void copy()}>
        {copied.value ? words.copied : words.copy}
      </button>
    </div>
  );
}
