import { expect, test } from 'vitest';
import { plantedDefects } from './defects.ts';
import { runHistory } from './history.ts';

test.each(plantedDefects)('[SM-5] a planted defect is found: $breaks, $what', async ({ defect, within }) => {
  for (let seed = 1; seed <= within; seed += 1) {
    const { violations } = await runHistory(seed, { defect });
    if (violations.length === 0) continue;
    // Found by a rule of the protocol, not because the planted code is wrong in itself.
    expect(violations[0]?.rule).not.toBe('BUG');
    return;
  }
  throw new Error(`not found in ${within} histories`);
});

test('[SM-5] every entry of the list of what breaks without the rules is planted', () => {
  const numbers = new Set(plantedDefects.map(({ breaks }) => Number.parseInt(breaks, 10)));
  for (let entry = 1; entry <= 12; entry += 1) expect(numbers).toContain(entry);
});
