import type { ItemPace } from '../../contract/pace.ts';
import type { Velocity } from './velocity.ts';

/** Up to whole seconds, and no further than a year: beyond it nobody plans, and the number would not fit its field. */
const wholeSeconds = (ms: number): number => Math.min(Math.round(ms / 1_000) * 1_000, 31_536_000_000);

/**
 * Until `available` units are gone at this velocity, in ms: low at the high velocity, high at the low one (null: perhaps never).
 * null: not at all (nothing sells), or too few sales to say. Sold out already is 0, whatever the velocity.
 */
export function sellOutOf(available: number, velocity: Velocity): ItemPace['sellOutInMs'] {
  if (available === 0) return { expected: 0, low: 0, high: 0 };
  if (velocity === null || velocity.perMinute === 0) return null;
  const inMs = (perMinute: number) => wholeSeconds((available / perMinute) * 60_000);
  return {
    expected: inMs(velocity.perMinute),
    low: inMs(velocity.high),
    high: velocity.low === 0 ? null : inMs(velocity.low),
  };
}

/**
 * Units that are missing for selling on like this until the planned end: velocity × minutes left − available, never below 0, rounded up.
 * null: no planned end or past it, or too few sales to say.
 */
export function needUntilEnd(
  available: number,
  velocity: Velocity,
  endAtMs: number | null,
  nowMs: number,
): ItemPace['needUntilEnd'] {
  if (velocity === null || endAtMs === null || endAtMs <= nowMs) return null;
  const minutesLeft = (endAtMs - nowMs) / 60_000;
  // Less than a millionth of a unit is noise of the arithmetic, not a unit.
  const need = (perMinute: number) => Math.max(0, Math.ceil(perMinute * minutesLeft - available - 1e-6));
  return { expected: need(velocity.perMinute), low: need(velocity.low), high: need(velocity.high) };
}
