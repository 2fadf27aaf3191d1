import type { ItemPace } from '../../contract/pace.ts';
import { dispersionOf, poissonInterval } from './poisson-interval.ts';
import type { SalesWindow } from './sales-window.ts';

/** Units a minute; null: too few sales to say. */
export type Velocity = ItemPace['velocity'];

/** Fewer units than this, over all the time that an item is watched, say nothing. */
export const salesMin = 5;

const shortSeconds = 60;
const longSeconds = 300;
/** Two thirds of the minute, one third of the five: follows a change within a minute, and one quiet half minute does not end a sale. */
const shortShare = 2 / 3;
/** A first second of sales is not sixty times a minute's. */
const observedSecondsMin = 15;

/**
 * Units a minute, from two sliding windows of 1 and 5 minutes (both cut off where the item could not sell yet), mixed 2 : 1.
 * low and high: 90 % Poisson intervals of both windows, mixed alike, and never narrower than what the windows say themselves: while a
 * rate changes, it is somewhere between the two. null: fewer than 5 units were taken since the item is watched.
 */
export function velocityOf(window: SalesWindow, nowMs: number): Velocity {
  if (window.total < salesMin) return null;
  const short = rateOf(window, nowMs, shortSeconds);
  const long = rateOf(window, nowMs, longSeconds);
  return {
    perMinute: rounded(mix(short.perMinute, long.perMinute)),
    low: rounded(Math.min(mix(short.low, long.low), short.perMinute, long.perMinute)),
    high: rounded(Math.max(mix(short.high, long.high), short.perMinute, long.perMinute)),
  };
}

const mix = (ofShort: number, ofLong: number): number => shortShare * ofShort + (1 - shortShare) * ofLong;

type Rate = { readonly perMinute: number; readonly low: number; readonly high: number };

function rateOf(window: SalesWindow, nowMs: number, seconds: number): Rate {
  // A watch that began later than the clock says now (it stepped back) has seen nothing yet.
  const watchedSeconds = Math.max(0, Math.floor((nowMs - window.activeSinceMs) / 1_000));
  const observedSeconds = Math.min(seconds, Math.max(observedSecondsMin, watchedSeconds));
  const sums = window.sums(nowMs, observedSeconds);
  const { low, high } = poissonInterval(sums.units, dispersionOf(sums));
  const perMinute = 60 / observedSeconds;
  return { perMinute: sums.units * perMinute, low: low * perMinute, high: high * perMinute };
}

/** A thousandth of a unit a minute is noise of the arithmetic. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
