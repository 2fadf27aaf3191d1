import type { CurveMarker } from '../../../contract/pace.ts';
import type { Language } from '../languages.ts';

type MarkerKind = CurveMarker['kind'];

/** Shapes tell markers apart without colour: a dashed line down to the axis and this at its top, in a square of ±1. */
const shapes: Record<MarkerKind, readonly (readonly [number, number])[]> = {
  alert: [
    [0, -1],
    [1, 0.8],
    [-1, 0.8],
  ],
  price: [
    [0, -1],
    [1, 0],
    [0, 1],
    [-1, 0],
  ],
  pin: [
    [-0.9, -1],
    [0.9, -1],
    [0, 1],
  ],
  open: [
    [-0.7, -1],
    [1, 0],
    [-0.7, 1],
  ],
  resume: [
    [-0.7, -1],
    [1, 0],
    [-0.7, 1],
  ],
  stop: [
    [-0.8, -0.8],
    [0.8, -0.8],
    [0.8, 0.8],
    [-0.8, 0.8],
  ],
  sold_out: [
    [-0.8, -0.8],
    [0.8, -0.8],
    [0.8, 0.8],
    [-0.8, 0.8],
  ],
  restock: [
    [-0.3, -1],
    [0.3, -1],
    [0.3, -0.3],
    [1, -0.3],
    [1, 0.3],
    [0.3, 0.3],
    [0.3, 1],
    [-0.3, 1],
    [-0.3, 0.3],
    [-1, 0.3],
    [-1, -0.3],
    [-0.3, -0.3],
  ],
  decision: [
    [-1, -0.5],
    [1, -0.5],
    [1, 0.5],
    [-1, 0.5],
  ],
};

export type MarkerBrush = {
  readonly ctx: CanvasRenderingContext2D;
  /** Plotting area in CSS pixels. */
  readonly box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly language: Language;
  /** Texts beside the shapes; where there is no room for one, the shape stands alone. */
  readonly withText: boolean;
  readonly xOf: (atMs: number) => number;
  readonly colourOf: (marker: CurveMarker) => string;
  readonly haloColour: string;
};

/** Markers inside the plotting area; the newest get their texts first, because they are the ones that matter. */
export function drawMarkers(markers: readonly CurveMarker[], brush: MarkerBrush): void {
  const { ctx, box, xOf } = brush;
  const size = 5;
  const inside = markers
    .map((marker) => ({ marker, x: xOf(marker.atMs) }))
    .filter(({ x }) => x >= box.left && x <= box.left + box.width);
  ctx.save();
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  ctx.lineJoin = 'round';
  let freeUntil = box.left + box.width;
  for (const [index, { marker, x }] of [...inside.entries()].toReversed()) {
    const y = box.top + size + 3;
    ctx.strokeStyle = brush.colourOf(marker);
    ctx.fillStyle = brush.colourOf(marker);
    ctx.lineWidth = 1;
    ctx.setLineDash([2, 4]);
    ctx.beginPath();
    ctx.moveTo(x, y + size);
    ctx.lineTo(x, box.top + box.height);
    ctx.stroke();
    ctx.setLineDash([]);
    drawShape(ctx, marker.kind, { x, y, size });
    if (brush.withText) {
      const freeFrom = (inside[index - 1]?.x ?? box.left - 2 * size) + 2 * size;
      freeUntil = drawText(marker, { x, y, size, freeFrom, freeUntil }, brush);
    }
  }
  ctx.restore();
}

function drawShape(
  ctx: CanvasRenderingContext2D,
  kind: MarkerKind,
  { x, y, size }: { x: number; y: number; size: number },
): void {
  ctx.beginPath();
  for (const [dx, dy] of shapes[kind]) ctx.lineTo(x + dx * size, y + dy * size);
  ctx.closePath();
  ctx.fill();
}

/** Right of the shape if there is room, else left of it; returns where the next older text must end. */
function drawText(
  marker: CurveMarker,
  at: { x: number; y: number; size: number; freeFrom: number; freeUntil: number },
  { ctx, language, haloColour }: MarkerBrush,
): number {
  const text = marker.text[language];
  const gap = at.size + 4;
  const width = ctx.measureText(text).width;
  const right = at.x + gap + width <= at.freeUntil;
  const left = at.x - gap - width >= at.freeFrom && at.x <= at.freeUntil;
  if (!right && !left) return Math.min(at.freeUntil, at.x - gap);
  const start = right ? at.x + gap : at.x - gap - width;
  ctx.lineWidth = 3;
  ctx.strokeStyle = haloColour;
  ctx.strokeText(text, start, at.y);
  ctx.fillText(text, start, at.y);
  return Math.min(start, at.x) - gap;
}
