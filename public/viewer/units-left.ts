import type { DisplayPolicy } from '../../contract/levels.ts';

/**
 * What is said about the units left. It follows from the level that the server shows and from nothing else: urgency that is not in the
 * stock is never made up. `units` is the number or band to print.
 */
export type UnitsLeft =
  | { readonly kind: 'sold_out' }
  | { readonly kind: 'low' | 'some' | 'plenty'; readonly units: string };

/** At or below this many units an exact number is emphasised; a policy that shows numbers only when low says itself when. */
const lowAt = 10;

export function unitsLeftOf(shown: number | string, display: DisplayPolicy): UnitsLeft {
  if (shown === 0) return { kind: 'sold_out' };
  if (typeof shown === 'number') {
    const low = display.kind === 'low_only' || shown <= lowAt;
    return { kind: low ? 'low' : 'some', units: String(shown) };
  }
  if (shown.endsWith('+')) return { kind: 'plenty', units: shown };
  const [, highest] = boundsOf(shown);
  return { kind: highest <= lowAt ? 'low' : 'some', units: shown.replace('-', '–') };
}

/** Least and greatest number of units that a shown level allows; "20+" has no greatest. */
export function boundsOf(shown: number | string): readonly [number, number] {
  if (typeof shown === 'number') return [shown, shown];
  const [least = 0, greatest] = shown.split(/[-+]/).map(Number);
  return [least, shown.endsWith('+') || greatest === undefined ? Number.POSITIVE_INFINITY : greatest];
}
