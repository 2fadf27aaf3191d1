import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defects, findDefect } from '../../load-tests/torture/defects/defects.ts';
import { patchedCopy } from '../../load-tests/torture/defects/patched-copy.ts';
import { type Options, parseOptions } from '../../load-tests/torture/options.ts';
import { type TortureReport, torture } from '../../load-tests/torture/torture.ts';

const never = new AbortController().signal;
/** Three nodes start within seconds on a machine of their own, within minutes on one that is busy. */
const timeout = 900_000;

function optionsOf(flags: string): Options {
  return parseOptions(flags.split(' '), 0);
}

const run = async (flags: string, root: string | null = null): Promise<TortureReport & { told: string[] }> => {
  const told: string[] = [];
  const report = await torture(optionsOf(flags), { root, stopping: never, tell: (text) => told.push(text) });
  return { ...report, told };
};

/** What a report has to say when it was not expected. */
const textOf = ({ violations, told }: Awaited<ReturnType<typeof run>>): string =>
  [
    ...told,
    ...violations.flatMap(({ rule, text, evidence }) => [`${rule}: ${text}`, ...evidence.map((line) => `  ${line}`)]),
  ].join('\n');

describe('a short run', () => {
  test('[TO-1][TO-3][TO-6][TO-7] a node, Redis and PostgreSQL are killed, forgotten and cut off, and nothing impossible happens', {
    timeout,
  }, async () => {
    const kinds = 'node_kill,redis_flush,stale_replica_promoted,postgres_kill,database_replies_lost,redis_link_cut';
    const report = await run(`--minutes 0.1 --seed 7 --round 18 --faults 6 --buyers 8 --only ${kinds}`);
    expect(report.violations, textOf(report)).toEqual([]);
    expect(report.rounds).toHaveLength(1);
    const [round] = report.rounds;
    const count = (name: string) => round?.outcomes.get(name) ?? 0;
    expect(report.injected.size, textOf(report)).toBeGreaterThanOrEqual(3);
    expect(count('accepted') + count('duplicate'), textOf(report)).toBeGreaterThan(20);
    expect(round?.probes).toBeGreaterThan(5);
  });
});

describe('planted defects', () => {
  test('[TO-8] an acknowledgement before the commit is found', { timeout }, async () => {
    const copy = await patchedCopy(findDefect('acknowledged_before_commit').patches);
    try {
      const report = await run(
        '--minutes 2 --seed 3 --round 10 --faults 4 --buyers 8 --only postgres_kill,database_link_cut,database_replies_lost',
        copy.root,
      );
      expect(
        report.violations.map(({ rule }) => rule),
        textOf(report),
      ).toContain('I2');
    } finally {
      await copy.remove();
    }
    expect(existsSync(copy.root)).toBe(false);
  });

  test('[TO-8] every defect still has its place in the product', { timeout }, async () => {
    expect(defects.length).toBeGreaterThan(7);
    for (const { patches } of defects) await (await patchedCopy(patches)).remove();
  });

  test('[TO-8] a piece of text that is not there cannot be replaced', async () => {
    const patch = { file: 'server/main.ts', find: 'what nobody wrote', replace: '' };
    await expect(patchedCopy([patch])).rejects.toThrow('server/main.ts has 0 pieces of: what nobody wrote');
  });
});
