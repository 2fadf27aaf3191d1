import 'uplot/dist/uPlot.min.css';
import './charts.css';
import uPlot from 'uplot';
import type { AlertTier } from '../../../contract/alerts.ts';
import { type Language, localeOf } from '../languages.ts';
import { type ChartInput, columnsOf } from './chart-data.ts';
import { drawMarkers } from './chart-markers.ts';

export type ChartOptions = {
  readonly language: Language;
  /** Times and numbers beside the curve; without them only its shape is shown. */
  readonly axes: 'both' | 'time' | 'none';
  readonly markerTexts: boolean;
  /** A crosshair and the values under it. */
  readonly interactive: boolean;
  /** CSS pixels: width of the main curve, and size of all text. */
  readonly lineWidth: number;
  readonly fontSize: number;
  /** At most one drawing in this time: a busy sale costs no more than a quiet one. */
  readonly redrawMsMin: number;
};

export const chartDefaults: ChartOptions = {
  language: 'zh',
  axes: 'both',
  markerTexts: true,
  interactive: false,
  lineWidth: 2.5,
  fontSize: 12,
  redrawMsMin: 500,
};

const colourNames = 6;
const noInput: ChartInput = { curves: [], band: [], markers: [], nowMs: 0, fromMs: null, toMs: null };

/**
 * Curves of consumption, stepped, against an expected band, with what happened marked on them. Fills its host and follows its size and
 * the colour scheme; colours are the `--chart-…` and `--tier-…` properties at the host. Draws when something was set and never by a
 * loop, without animation; what comes faster than `redrawMsMin` is drawn once.
 */
export class ConsumptionChart {
  readonly #host: HTMLElement;
  readonly #sizes: ResizeObserver;
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #onScheme = (): void => this.#rebuild();
  #options: ChartOptions;
  #input: ChartInput = noInput;
  #plot: uPlot | null = null;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  readonly #colours = new Map<string, string>();
  #y: readonly [number, number] = [0, 10];
  #x: readonly [number, number] = [0, 1];

  constructor(host: HTMLElement, options: Partial<ChartOptions> = {}) {
    this.#host = host;
    this.#options = { ...chartDefaults, ...options };
    host.classList.add('chart');
    this.#sizes = new ResizeObserver(() => this.#resized());
    this.#sizes.observe(host);
    this.#scheme.addEventListener('change', this.#onScheme);
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

  /** A new language, theme or size of text: everything is made anew. */
  change(options: Partial<ChartOptions>): void {
    this.#options = { ...this.#options, ...options };
    this.#rebuild();
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
    this.#plot?.destroy();
    this.#plot = null;
  }

  #draw(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    if (this.#paused) return;
    const { columns, x, y } = columnsOf(this.#input);
    this.#x = x;
    this.#y = y;
    this.#drawnAtMs = performance.now();
    const { clientWidth: width, clientHeight: height } = this.#host;
    if (width === 0 || height === 0) return;
    if (isEmpty(this.#input)) {
      // Axes without anything on them would be numbers made up.
      this.#plot?.destroy();
      this.#plot = null;
      return;
    }
    if (this.#plot === null || this.#plot.series.length !== columns.length) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#plotOptions(width, height), columns, this.#host);
    } else {
      this.#plot.setData(columns);
    }
  }

  #rebuild(): void {
    this.#plot?.destroy();
    this.#plot = null;
    this.#colours.clear();
    this.#draw();
  }

  #resized(): void {
    const { clientWidth: width, clientHeight: height } = this.#host;
    if (width === 0 || height === 0) return;
    if (this.#plot === null) this.#draw();
    else if (this.#plot.width !== width || this.#plot.height !== height) this.#plot.setSize({ width, height });
  }

  #plotOptions(width: number, height: number): uPlot.Options {
    const { axes, interactive, fontSize } = this.#options;
    return {
      width,
      height,
      ms: 1,
      pxAlign: 0,
      // Room for half a label and for the dot at the newest value.
      padding: [fontSize * 0.6, fontSize * 2, axes === 'none' ? fontSize * 0.4 : 0, axes === 'both' ? 0 : fontSize * 2],
      legend: { show: interactive, live: interactive },
      cursor: interactive ? { drag: { x: false, y: false }, points: { size: 6 } } : { show: false },
      scales: { x: { time: true, range: () => [...this.#x] }, y: { range: () => [...this.#y] } },
      axes: this.#axes(),
      series: this.#series(),
      bands: [{ series: [2, 3], fill: this.#colour('--chart-band') }],
      hooks: { draw: [(plot) => this.#drawOver(plot)] },
    };
  }

  #series(): uPlot.Series[] {
    const { lineWidth, language } = this.#options;
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    const edge = { stroke: 'transparent', width: 0, points: { show: false } };
    const expected = language === 'zh' ? '预期' : 'Expected';
    return [
      { value: (_, atMs) => (atMs === null ? '' : clock(atMs, true)) },
      {
        label: expected,
        stroke: this.#colour('--chart-expected'),
        width: Math.max(1, lineWidth * 0.6),
        dash: [4, 5],
        points: { show: false },
        value: (_, value) => (value === null ? '' : String(Math.round(value))),
      },
      { ...edge, label: language === 'zh' ? '预期上限' : 'Expected, high' },
      { ...edge, label: language === 'zh' ? '预期下限' : 'Expected, low' },
      ...this.#input.curves.map(({ label }, index) => ({
        label,
        stroke: this.#colour(`--chart-${1 + (index % colourNames)}`),
        width: index === 0 ? lineWidth : Math.max(1, lineWidth * 0.65),
        points: { show: false },
        ...(stepped === undefined ? {} : { paths: stepped }),
      })),
    ];
  }

  #axes(): uPlot.Axis[] {
    const { axes, fontSize, language } = this.#options;
    const count = new Intl.NumberFormat(localeOf[language], { notation: 'compact', maximumFractionDigits: 1 });
    const shared = {
      stroke: this.#colour('--chart-text'),
      font: this.#font(),
      grid: { stroke: this.#colour('--chart-grid'), width: 1 },
      ticks: { show: false },
    };
    return [
      {
        ...shared,
        show: axes !== 'none',
        grid: { show: false },
        size: fontSize * 1.9,
        gap: fontSize * 0.4,
        space: fontSize * 6,
        values: (_, times) => times.map((atMs) => clock(atMs, (times[1] ?? atMs) - (times[0] ?? 0) < 60_000)),
      },
      {
        ...shared,
        show: axes === 'both',
        size: fontSize * 3.6,
        gap: fontSize * 0.5,
        space: fontSize * 2.8,
        incrs: [1, 2, 5]
          .flatMap((step) => [0, 1, 2, 3, 4, 5, 6, 7].map((digits) => step * 10 ** digits))
          .sort((a, b) => a - b),
        values: (_, counts) => counts.map((each) => count.format(each)),
      },
    ];
  }

  /** Markers, and a dot at the newest value of the main curve. */
  #drawOver(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const ratio = uPlot.pxRatio;
    const xOf = (atMs: number): number => plot.valToPos(atMs, 'x', true);
    drawMarkers(this.#input.markers, {
      ctx,
      ratio,
      box: bbox,
      font: this.#font(ratio),
      language: this.#options.language,
      withText: this.#options.markerTexts,
      xOf,
      colourOf: ({ tier }) => this.#colour(tierColour(tier)),
      haloColour: this.#colour('--chart-halo'),
    });
    const last = this.#input.curves[0]?.points.at(-1);
    if (last === undefined) return;
    const x = xOf(Math.min(Math.max(last[0], this.#input.nowMs), this.#x[1]));
    const y = plot.valToPos(last[1], 'y', true);
    ctx.save();
    ctx.beginPath();
    ctx.arc(x, y, (this.#options.lineWidth + 2) * ratio, 0, 2 * Math.PI);
    ctx.fillStyle = this.#colour('--chart-1');
    ctx.strokeStyle = this.#colour('--chart-halo');
    ctx.lineWidth = 2 * ratio;
    ctx.fill();
    ctx.stroke();
    ctx.restore();
  }

  #colour(name: string): string {
    const known = this.#colours.get(name);
    if (known !== undefined) return known;
    const colour = getComputedStyle(this.#host).getPropertyValue(name).trim();
    this.#colours.set(name, colour);
    return colour;
  }

  #font(ratio = 1): string {
    return `${Math.round(this.#options.fontSize * ratio)}px ${getComputedStyle(this.#host).fontFamily}`;
  }
}

const isEmpty = ({ curves, band }: ChartInput): boolean =>
  band.length === 0 && curves.every(({ points }) => points.length === 0);

const tierColour = (tier: AlertTier | null): string => (tier === null ? '--chart-marker' : `--tier-${tier}`);

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time of day. */
function clock(atMs: number, withSeconds: boolean): string {
  const at = new Date(atMs);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${minutes}:${two(at.getSeconds())}` : minutes;
}
