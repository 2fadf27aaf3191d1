import { expect, test } from 'vitest';
import { ServerClock } from './server-clock.ts';

test('[VW-7] the least delayed of the last eight messages decides', () => {
  const clock = new ServerClock();
  expect(clock.offsetMs).toBe(0);
  // The server is 5,000 ms ahead; messages take 20 to 900 ms.
  for (const delayMs of [900, 40, 20, 300]) clock.sample(105_000, 100_000 + delayMs);
  expect(clock.offsetMs).toBe(4_980);
});

test('[VW-7] a page whose own clock was set forward follows within eight messages', () => {
  const clock = new ServerClock();
  clock.sample(100_000, 100_000);
  for (let sample = 0; sample < 8; sample += 1) clock.sample(101_000, 161_010);
  expect(clock.offsetMs).toBe(-60_010);
});
