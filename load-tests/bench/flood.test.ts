import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SubjectProcess } from './child-process.ts';
import { type Flood, loadClient, loadClients, openViewers } from './flood.ts';

const count = 20;

describe.each(loadClients())('the load client in $kind', (client) => {
  let subject: SubjectProcess;
  let flood: Flood;
  beforeAll(async () => {
    subject = await SubjectProcess.start('ours/fanout-node.ts');
    flood = await openViewers(subject, { count, speaks: 'ours', sampleEvery: 1, client });
  });
  afterAll(async () => {
    await flood.close();
    await subject.stop();
  });

  test('[BE-5] every viewer ends on the newest version, and frames are acknowledged', async () => {
    const { base } = await flood.ask('cover', -1, 200);
    const driven = await subject.call('drive', { ratePerSecond: 50, durationMs: 2_000, items: 5 });
    expect([driven.base, driven.count]).toEqual([base, 100]);
    const stats = await flood.untilQuiet(300);
    const { coverage } = await flood.ask('coverage');
    expect(coverage.map(([version]) => version)).toEqual(Array.from({ length: 100 }, (_, index) => base + 1 + index));
    expect(coverage.every(([, viewers]) => viewers === count)).toBe(true);
    expect(stats).toMatchObject({ ready: count, closed: 0, lostWrites: 0 });
    expect(stats.acks).toBeGreaterThanOrEqual(count);
    expect(stats.bytes).toBeGreaterThan(stats.levels * 80);
    const { samples } = await flood.ask('samples');
    expect(samples.length).toBe(stats.levels);
  });

  test('[BE-5] who stands still gets nothing, and everything newest afterwards', async () => {
    await flood.ask('stall', 0, 1);
    await subject.call('drive', { ratePerSecond: 50, durationMs: 1_000, items: 5 });
    await flood.untilQuiet(300);
    const newest = await subject.call('position');
    await flood.ask('unstall', 0, 1);
    await flood.untilQuiet(300);
    const { base } = await flood.ask('cover', -1, 1);
    expect(base).toBe(newest);
  });

  test('[BE-5] a mark is seen once by everybody', async () => {
    await flood.ask('mark', ',0,3]');
    const atMs = await subject.call('sellOut');
    await flood.untilQuiet(200);
    const { of, markedAtMs } = await flood.ask('marks');
    expect([of, markedAtMs.n]).toEqual([count, count]);
    expect(markedAtMs.max).toBeGreaterThan(atMs);
    await subject.call('restock');
  });

  test('[BE-5] everybody comes back from a storm with a snapshot', async () => {
    const { ready, failed, timedOut, recoveryMs } = await flood.ask('storm');
    expect({ ready, failed, timedOut, recovered: recoveryMs.n }).toEqual({
      ready: count,
      failed: 0,
      timedOut: false,
      recovered: count,
    });
    expect(recoveryMs.max).toBeGreaterThan(0);
  });
});

test('[BE-5] the client in C is taken where there is a compiler', () => {
  expect(loadClient()).toEqual(loadClients()[0]);
});

test('[BE-6] uWebSockets starts with its native part or refuses', async () => {
  const binaries = new URL('../../node_modules/@trufflesuite/uws-js-unofficial/binaries/', import.meta.url);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const starting = SubjectProcess.start('rivals/uws.ts');
  if (existsSync(new URL(file, binaries))) await (await starting).stop();
  else await expect(starting).rejects.toThrow(`no native part for this Node (${file})`);
});
