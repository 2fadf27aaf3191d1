import { expect, test } from 'vitest';
import { TestClock } from '../stock/stock-engine.fixtures.ts';
import { anonymousViewers } from './anonymous-viewers.ts';

test('[RT-17] a crowd asks the catalogue once a second for each livestream; a failure, or a livestream that is not yet, is not kept', async () => {
  const clock = new TestClock();
  const asked: string[] = [];
  let failing = false;
  const allows = anonymousViewers({
    clock,
    catalogue: {
      allowsAnonymous: async (livestreamId) => {
        asked.push(livestreamId);
        await Promise.resolve();
        if (failing) throw new Error('away');
        return livestreamId === 'later' ? null : livestreamId === 'open';
      },
    },
  });
  const answers = await Promise.all(Array.from({ length: 500 }, (_, at) => allows(at % 2 === 0 ? 'open' : 'members')));
  expect(answers.filter(Boolean)).toHaveLength(250);
  expect(asked).toEqual(['open', 'members']);
  clock.nowMs += 999;
  expect(await allows('open')).toBe(true);
  expect(asked).toHaveLength(2);
  clock.nowMs += 1;
  failing = true;
  await expect(allows('open')).rejects.toThrow('away');
  failing = false;
  expect(await allows('open')).toBe(true);
  expect(asked).toHaveLength(4);
  expect([await allows('later'), await allows('later')]).toEqual([null, null]);
  expect(asked.slice(4)).toEqual(['later', 'later']);
});
