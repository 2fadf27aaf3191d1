import './charts.css';
import type { Language } from '../languages.ts';
import { type ChartInput, isEmpty, modelOf } from './chart-data.ts';
import { paint } from './painter.ts';

export type ChartOptions = {
  readonly language: Language;
  /** Times and numbers beside the curve; without them only its shape is shown. */
  readonly axes: 'both' | 'time' | 'none';
  readonly markerTexts: boolean;
  /** A line at the pointer and the values under it. */
  readonly interactive: boolean;
  /** CSS pixels: width of the main curve, and size of all text. */
  readonly lineWidth: number;
  readonly fontSize: number;
  /** At most one drawing in this time: a busy sale costs no more than a quiet one. */
  readonly redrawMsMin: number;
};

const chartDefaults: ChartOptions = {
  language: 'zh',
  axes: 'both',
  markerTexts: true,
  interactive: false,
  lineWidth: 2.5,
  fontSize: 12,
  redrawMsMin: 500,
};

const noInput: ChartInput = { curves: [], band: [], markers: [], nowMs: 0, fromMs: null, toMs: null };

/**
 * Curves of consumption, in steps, against an expected band, with what happened marked on them. Fills its host and follows its size and
 * the colour scheme; colours are the `--chart-…` and `--tier-…` properties at the host. Draws when something was set and never by a
 * loop, without animation; what comes faster than `redrawMsMin` is drawn once.
 */
export class ConsumptionChart {
  readonly #host: HTMLElement;
  readonly #canvas = document.createElement('canvas');
  readonly #options: ChartOptions;
  readonly #sizes: ResizeObserver;
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #onScheme = (): void => this.#draw();
  #input: ChartInput = noInput;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  #hoverX: number | null = null;

  constructor(host: HTMLElement, options: Partial<ChartOptions> = {}) {
    this.#host = host;
    this.#options = { ...chartDefaults, ...options };
    host.classList.add('chart');
    host.append(this.#canvas);
    this.#sizes = new ResizeObserver(() => this.#draw());
    this.#sizes.observe(host);
    this.#scheme.addEventListener('change', this.#onScheme);
    if (this.#options.interactive) this.#followPointer();
  }

  /** Draws at once, or at the end of the pause between two drawings. */
  set(input: ChartInput): void {
    const wasEmpty = isEmpty(this.#input);
    this.#input = input;
    if (this.#paused) return;
    // The first reading comes right after the page: an empty picture would otherwise stand for the whole pause.
    if (wasEmpty && !isEmpty(input)) {
      this.#draw();
      return;
    }
    if (this.#waiting !== undefined) return;
    const dueMs = this.#drawnAtMs + this.#options.redrawMsMin - performance.now();
    if (dueMs <= 0) this.#draw();
    else this.#waiting = setTimeout(() => this.#draw(), dueMs);
  }

  /** Nobody looks: what is set is kept and drawn when somebody does. */
  set paused(paused: boolean) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (!paused) this.#draw();
  }

  destroy(): void {
    clearTimeout(this.#waiting);
    this.#sizes.disconnect();
    this.#scheme.removeEventListener('change', this.#onScheme);
    this.#canvas.remove();
  }

  #followPointer(): void {
    const hover = (x: number | null): void => {
      this.#hoverX = x;
      this.#draw();
    };
    this.#canvas.addEventListener('pointermove', ({ offsetX }) => hover(offsetX));
    this.#canvas.addEventListener('pointerleave', () => hover(null));
  }

  #draw(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    const { clientWidth: width, clientHeight: height } = this.#host;
    const ctx = this.#canvas.getContext('2d');
    if (this.#paused || width === 0 || height === 0 || ctx === null) return;
    this.#drawnAtMs = performance.now();
    this.#fit(width, height);
    // Setting a transformation and not adding one: a canvas keeps its own between drawings.
    ctx.setTransform(this.#canvas.width / width, 0, 0, this.#canvas.height / height, 0, 0);
    if (isEmpty(this.#input)) {
      // Axes without anything on them would be numbers made up.
      ctx.clearRect(0, 0, width, height);
      return;
    }
    const style = getComputedStyle(this.#host);
    const colours = new Map<string, string>();
    paint(modelOf(this.#input), {
      ...this.#options,
      ctx,
      width,
      height,
      fontFamily: style.fontFamily,
      hoverX: this.#hoverX,
      colour(name) {
        const known = colours.get(name) ?? style.getPropertyValue(name).trim();
        colours.set(name, known);
        return known;
      },
    });
  }

  /** As many device pixels as the host has; setting them anew, even to the same number, would empty the canvas. */
  #fit(width: number, height: number): void {
    const ratio = globalThis.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== wide) this.#canvas.width = wide;
    if (this.#canvas.height !== high) this.#canvas.height = high;
  }
}
