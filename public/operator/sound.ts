import { type ReadonlySignal, signal } from '@preact/signals';
import type { AlertTier } from '../../contract/alerts.ts';

const storedAs = 'stockcast.sound';

/** off: nobody has asked for sound, or the browser waits for a click · on · muted. */
export type SoundState = 'off' | 'on' | 'muted';

export type AlertSound = {
  readonly state: ReadonlySignal<SoundState>;
  /** 0…1 */
  readonly volume: ReadonlySignal<number>;
  /** Off becomes on, on becomes muted, muted becomes on. Called from a click or a key: browsers allow no sound before. */
  toggle(): void;
  setVolume(volume: number): void;
  /** Yellow makes no sound. */
  play(tier: AlertTier): void;
};

type Tone = readonly [frequencyHz: number, atSeconds: number, lastsSeconds: number];

/** Orange asks twice; red is higher, longer and falls: told apart without looking. */
const tones: Record<AlertTier, readonly Tone[]> = {
  yellow: [],
  orange: [
    [587, 0, 0.16],
    [784, 0.2, 0.22],
  ],
  red: [
    [988, 0, 0.16],
    [740, 0.18, 0.16],
    [988, 0.4, 0.16],
    [740, 0.58, 0.16],
    [988, 0.8, 0.3],
  ],
};

/** Sounds of alerts, made by Web Audio. The wish is kept over visits; the browser then wants one click before the first sound. */
export function createAlertSound(storage: Pick<Storage, 'getItem' | 'setItem'> | null): AlertSound {
  const kept = readKept(storage);
  const state = signal<SoundState>('off');
  const volume = signal(kept.volume);
  let context: AudioContext | null = null;

  const keep = (): void => {
    try {
      storage?.setItem(storedAs, JSON.stringify({ state: state.value, volume: volume.value }));
    } catch {
      // Then the next visit begins silent.
    }
  };
  const start = (): void => {
    context ??= new AudioContext();
    void context.resume();
  };
  if (kept.state !== 'off') {
    const wake = (): void => {
      removeEventListener('pointerdown', wake);
      removeEventListener('keydown', wake);
      if (state.value !== 'off') return;
      start();
      state.value = kept.state;
    };
    addEventListener('pointerdown', wake);
    addEventListener('keydown', wake);
  }

  const sound: AlertSound = {
    state,
    volume,
    toggle() {
      start();
      state.value = state.value === 'on' ? 'muted' : 'on';
      keep();
    },
    setVolume(next) {
      volume.value = Math.min(1, Math.max(0, next));
      keep();
    },
    play(tier) {
      if (context === null || state.value !== 'on') return;
      for (const tone of tones[tier]) playTone(context, tone, volume.value);
    },
  };
  return sound;
}

function playTone(context: AudioContext, [frequencyHz, atSeconds, lastsSeconds]: Tone, volume: number): void {
  const [oscillator, gain] = [context.createOscillator(), context.createGain()];
  const startAt = context.currentTime + atSeconds;
  oscillator.type = 'triangle';
  oscillator.frequency.value = frequencyHz;
  // Edges are ramps: a tone that is cut clicks.
  gain.gain.setValueAtTime(0, startAt);
  gain.gain.linearRampToValueAtTime(volume * 0.5, startAt + 0.015);
  gain.gain.setValueAtTime(volume * 0.5, startAt + lastsSeconds - 0.04);
  gain.gain.linearRampToValueAtTime(0, startAt + lastsSeconds);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(startAt);
  oscillator.stop(startAt + lastsSeconds);
}

function readKept(storage: Pick<Storage, 'getItem'> | null): { state: SoundState; volume: number } {
  try {
    const { state, volume } = JSON.parse(storage?.getItem(storedAs) ?? '{}') as Record<string, unknown>;
    return {
      state: state === 'on' || state === 'muted' ? state : 'off',
      volume: typeof volume === 'number' && volume >= 0 && volume <= 1 ? volume : 0.6,
    };
  } catch {
    return { state: 'off', volume: 0.6 };
  }
}
