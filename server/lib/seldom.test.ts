import { expect, test } from 'vitest';
import { createSeldom } from './seldom.ts';

test('[OR-15] the first of equal events is told at once, then one in a while with the number between', () => {
  let nowMs = 1_000_000;
  const seldom = createSeldom({ clock: { now: () => nowMs }, everyMs: 30_000 });
  const told: [string, number][] = [];
  const happen = (key: string) => seldom(key, (untold) => told.push([key, untold]));
  for (let index = 0; index < 100; index += 1) happen('tail');
  happen('sweep');
  expect(told).toEqual([
    ['tail', 0],
    ['sweep', 0],
  ]);
  nowMs += 30_000;
  happen('tail');
  happen('tail');
  expect(told.slice(2)).toEqual([['tail', 99]]);
  // A clock that was set back by an hour silences nothing.
  nowMs -= 3_600_000;
  happen('tail');
  expect(told.slice(3)).toEqual([['tail', 1]]);
});
