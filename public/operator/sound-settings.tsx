import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ErrorNote } from './action.tsx';
import { BellIcon } from './icons.tsx';
import { hasPush, type PushOutcome, subscribeToPush } from './push.ts';
import { useConsole } from './store.ts';

/** One button for sound, and a small panel for volume and push. */
export function SoundSettings() {
  const console = useConsole();
  const words = console.words.value.sound;
  const { sound } = console;
  const state = sound.state.value;
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    // A press anywhere else closes the panel.
    const close = ({ target }: Event): void => {
      if (menu.current !== null && target instanceof Node && !menu.current.contains(target)) menu.current.open = false;
    };
    addEventListener('pointerdown', close);
    return () => removeEventListener('pointerdown', close);
  }, []);
  const label = { off: words.enable, on: words.mute, muted: words.unmute }[state];
  return (
    <div class="sound">
      <button
        type="button"
        class="sound-toggle"
        data-state={state}
        title={`${label} (M)`}
        aria-pressed={state === 'on'}
        onClick={() => sound.toggle()}
      >
        <BellIcon off={state !== 'on'} />
        <span class="sound-word">{words[state]}</span>
      </button>
      <details class="menu" ref={menu}>
        <summary aria-label={words.settings} title={words.settings}>
          <span aria-hidden="true">▾</span>
        </summary>
        <div class="menu-body">
          <label class="field">
            {words.volume}
            <input
              type="range"
              min="0"
              max="100"
              step="5"
              value={Math.round(sound.volume.value * 100)}
              onInput={({ currentTarget }) => sound.setVolume(Number(currentTarget.value) / 100)}
            />
          </label>
          <button
            type="button"
            class="small-button"
            disabled={state !== 'on'}
            onClick={() => {
              sound.play('red');
            }}
          >
            {words.test}
          </button>
          <PushButton />
        </div>
      </details>
    </div>
  );
}

function PushButton() {
  const console = useConsole();
  const words = console.words.value.sound;
  const outcome = useSignal<PushOutcome | null>(null);
  const busy = useSignal(false);
  useEffect(() => {
    const look = async (): Promise<void> => {
      if (await hasPush()) outcome.value = { kind: 'subscribed' };
    };
    void look();
  }, [outcome]);
  const kind = outcome.value?.kind;
  if (kind === 'subscribed') return <p class="quiet">✓ {words.pushOn}</p>;
  const subscribe = async (): Promise<void> => {
    busy.value = true;
    outcome.value = await subscribeToPush(console.api, console.livestreamId);
    busy.value = false;
  };
  const said = { denied: words.pushDenied, unsupported: words.pushUnsupported, failed: words.pushFailed };
  return (
    <>
      <button type="button" class="small-button" disabled={busy.value} onClick={() => void subscribe()}>
        {words.push}
      </button>
      {outcome.value?.kind === 'refused' && <ErrorNote error={outcome.value.error} language={console.language.value} />}
      {kind !== undefined && kind in said && (
        <p class="hint" role="status">
          {said[kind as keyof typeof said]}
        </p>
      )}
    </>
  );
}
