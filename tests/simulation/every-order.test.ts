import { expect, test } from 'vitest';
import { plantedDefects } from './defects.ts';
import { tryEveryOrder } from './every-order.ts';
import { smallWorlds } from './small-worlds.ts';

test.each(smallWorlds)('[SM-6] every order of events: $name', async (world) => {
  const { runs, states, violations, trace } = await tryEveryOrder(world, { runsMax: 60_000 });
  expect(violations, trace.join('\n')).toEqual([]);
  process.stdout.write(`${world.name}: ${states} states in ${runs} runs\n`);
  expect(states).toBeGreaterThan(100);
});

test('[SM-6] the search finds what is planted: units of an unknown commit are released', async () => {
  const planted = plantedDefects.find(({ breaks }) => breaks === '3 (O5)');
  const world = smallWorlds.find(({ lostAnswers }) => lostAnswers === 1);
  if (planted === undefined || world === undefined) throw new Error('nothing to plant');
  const { violations } = await tryEveryOrder(world, { defect: planted.defect, runsMax: 60_000 });
  expect(violations.map(({ rule }) => rule)).not.toEqual([]);
});
