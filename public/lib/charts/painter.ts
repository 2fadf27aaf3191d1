import type { AlertTier } from '../../../contract/alerts.ts';
import type { BandPoint, CurvePoint } from '../../../contract/pace.ts';
import { type Language, localeOf } from '../languages.ts';
import { bandAt, type ChartCurve, type ChartModel, heldAt } from './chart-data.ts';
import { drawMarkers } from './chart-markers.ts';
import { countTicks, timeOfDay, timeTicks } from './ticks.ts';

/** What one drawing needs beside its model; all lengths are CSS pixels. */
export type Brush = {
  readonly ctx: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  readonly language: Language;
  readonly axes: 'both' | 'time' | 'none';
  readonly markerTexts: boolean;
  readonly lineWidth: number;
  readonly fontSize: number;
  readonly fontFamily: string;
  /** A CSS property's value at the host. */
  readonly colour: (name: string) => string;
  /** Where the pointer is; null: nowhere. */
  readonly hoverX: number | null;
};

type Box = { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
type Stage = Brush & {
  readonly model: ChartModel;
  readonly box: Box;
  readonly xOf: (atMs: number) => number;
  readonly yOf: (count: number) => number;
};

const colourNames = 6;
const expectedWords: Record<Language, string> = { zh: '预期', en: 'Expected' };

/** Axes, band, curves, markers, and the values under the pointer, from the back to the front. */
export function paint(model: ChartModel, brush: Brush): void {
  const { ctx, width, height, fontSize } = brush;
  const box = boxOf(brush);
  const [from, to] = model.x;
  const [low, high] = model.y;
  const stage: Stage = {
    ...brush,
    model,
    box,
    xOf: (atMs) => box.left + ((atMs - from) / (to - from)) * box.width,
    yOf: (count) => box.top + box.height - ((count - low) / (high - low)) * box.height,
  };
  ctx.clearRect(0, 0, width, height);
  ctx.font = `${fontSize}px ${brush.fontFamily}`;
  ctx.textBaseline = 'middle';
  drawAxes(stage);
  ctx.save();
  ctx.beginPath();
  // Lines run out at the sides; a thick one may stand over the box at top and bottom.
  ctx.rect(box.left, box.top - brush.lineWidth, box.width, box.height + 2 * brush.lineWidth);
  ctx.clip();
  drawBand(stage);
  for (const [index, curve] of [...model.curves.entries()].toReversed()) drawCurve(stage, curve, index);
  ctx.restore();
  drawMarkers(model.markers, {
    ctx,
    box,
    language: brush.language,
    withText: brush.markerTexts,
    xOf: stage.xOf,
    colourOf: ({ tier }) => brush.colour(tierColour(tier)),
    haloColour: brush.colour('--chart-halo'),
  });
  drawNewest(stage);
  if (brush.hoverX !== null) drawReading(stage, brush.hoverX);
}

function boxOf({ width, height, axes, fontSize }: Brush): Box {
  const left = axes === 'both' ? fontSize * 3.4 : fontSize * 0.6;
  const bottom = axes === 'none' ? fontSize * 0.5 : fontSize * 1.9;
  const top = fontSize * 0.8;
  return { left, top, width: Math.max(1, width - left - fontSize), height: Math.max(1, height - top - bottom) };
}

function drawAxes({ ctx, model, box, axes, width, fontSize, language, colour, xOf, yOf }: Stage): void {
  if (axes === 'none') return;
  ctx.fillStyle = colour('--chart-text');
  ctx.strokeStyle = colour('--chart-grid');
  ctx.lineWidth = 1;
  if (axes === 'both') {
    const format = new Intl.NumberFormat(localeOf[language], { notation: 'compact', maximumFractionDigits: 1 });
    ctx.textAlign = 'right';
    for (const count of countTicks(model.y, box.height / (fontSize * 2.8)).at) {
      const y = Math.round(yOf(count)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(box.left, y);
      ctx.lineTo(box.left + box.width, y);
      ctx.stroke();
      ctx.fillText(format.format(count), box.left - fontSize * 0.6, y);
    }
  }
  ctx.textAlign = 'center';
  const offsetMs = -new Date(model.x[1]).getTimezoneOffset() * 60_000;
  const ticks = timeTicks(model.x, box.width / (fontSize * 6), offsetMs);
  const y = box.top + box.height + fontSize * 1.1;
  for (const atMs of ticks.at) {
    const text = timeOfDay(atMs, ticks.step < 60_000);
    const half = ctx.measureText(text).width / 2;
    ctx.fillText(text, Math.min(Math.max(xOf(atMs), half), width - half), y);
  }
}

function drawBand({ ctx, model, lineWidth, colour, xOf, yOf }: Stage): void {
  const { band } = model;
  if (band.length === 0) return;
  const along = (points: readonly BandPoint[], at: 1 | 2 | 3): void => {
    for (const point of points) ctx.lineTo(xOf(point[0]), yOf(point[at]));
  };
  ctx.fillStyle = colour('--chart-band');
  ctx.beginPath();
  along(band, 3);
  along(band.toReversed(), 2);
  ctx.fill();
  ctx.strokeStyle = colour('--chart-expected');
  ctx.lineWidth = Math.max(1, lineWidth * 0.6);
  ctx.setLineDash([4, 5]);
  ctx.beginPath();
  along(band, 1);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** In steps: between two points nothing was sold, and a slope would say otherwise. */
function drawCurve({ ctx, lineWidth, colour, xOf, yOf }: Stage, { points }: ChartCurve, index: number): void {
  ctx.strokeStyle = colour(curveColour(index));
  ctx.lineWidth = index === 0 ? lineWidth : Math.max(1, lineWidth * 0.65);
  ctx.lineJoin = 'round';
  ctx.beginPath();
  let before: CurvePoint | undefined;
  for (const point of points) {
    if (before !== undefined) ctx.lineTo(xOf(point[0]), yOf(before[1]));
    ctx.lineTo(xOf(point[0]), yOf(point[1]));
    before = point;
  }
  ctx.stroke();
}

/** A dot at the newest value of the main curve. */
function drawNewest({ ctx, model, lineWidth, colour, xOf, yOf }: Stage): void {
  const last = model.curves[0]?.points.at(-1);
  if (last === undefined || last[0] > model.x[1] || last[0] < model.x[0]) return;
  ctx.beginPath();
  ctx.arc(xOf(last[0]), yOf(last[1]), lineWidth + 2, 0, 2 * Math.PI);
  ctx.fillStyle = colour('--chart-1');
  ctx.strokeStyle = colour('--chart-halo');
  ctx.lineWidth = 2;
  ctx.fill();
  ctx.stroke();
}

/** A line at the pointer, and beside it what every curve and the band said at that moment. */
function drawReading(stage: Stage, hoverX: number): void {
  const { ctx, model, box, fontSize, language, colour } = stage;
  if (hoverX < box.left || hoverX > box.left + box.width) return;
  const [from, to] = model.x;
  const atMs = from + ((hoverX - box.left) / box.width) * (to - from);
  const lines: { readonly text: string; readonly colour: string }[] = [
    { text: timeOfDay(atMs, true), colour: colour('--chart-text') },
    ...model.curves.flatMap(({ label, points }, index) => {
      const count = atMs > (points.at(-1)?.[0] ?? 0) ? undefined : heldAt(points, atMs);
      return count === undefined ? [] : [{ text: `${label} ${count}`, colour: colour(curveColour(index)) }];
    }),
  ];
  const expected = bandAt(model.band, atMs)?.map(Math.round);
  if (expected !== undefined) {
    const [middle, low, high] = expected;
    lines.push({ text: `${expectedWords[language]} ${middle} (${low}–${high})`, colour: colour('--chart-expected') });
  }
  ctx.strokeStyle = colour('--chart-text');
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(hoverX, box.top);
  ctx.lineTo(hoverX, box.top + box.height);
  ctx.stroke();
  const width = Math.max(...lines.map(({ text }) => ctx.measureText(text).width)) + fontSize;
  const left =
    hoverX + width + fontSize > box.left + box.width ? hoverX - width - fontSize * 0.5 : hoverX + fontSize * 0.5;
  const top = box.top + fontSize * 1.4;
  ctx.fillStyle = colour('--chart-halo');
  ctx.globalAlpha = 0.92;
  ctx.fillRect(left, top, width, lines.length * fontSize * 1.5 + fontSize * 0.5);
  ctx.globalAlpha = 1;
  ctx.textAlign = 'left';
  for (const [index, line] of lines.entries()) {
    ctx.fillStyle = line.colour;
    ctx.fillText(line.text, left + fontSize * 0.5, top + fontSize * (1 + index * 1.5));
  }
}

const curveColour = (index: number): string => `--chart-${1 + (index % colourNames)}`;
const tierColour = (tier: AlertTier | null): string => (tier === null ? '--chart-marker' : `--tier-${tier}`);
