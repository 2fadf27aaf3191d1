import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startPostgresServer, type TestPostgres } from '../../tests/services/postgres-server.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { createLeases, type Leases, type LeaseWork, leaseNames } from './lease.ts';

const soon = { timeout: 30_000, interval: 10 };
const log = pino({ level: 'silent' });

let server: TestPostgres;
let database: OpenDatabase;
beforeAll(async () => {
  server = await startPostgresServer();
  database = await openDatabase({ databaseUrl: await server.createDatabase(), dataDir: null });
});
afterAll(async () => {
  await database.close();
  await server.stop();
});

type Node = { readonly did: string[]; readonly leases: Leases; readonly registry: Registry };
const running: Node[] = [];
afterEach(async () => {
  server.resume();
  await Promise.all(running.splice(0).map(({ leases }) => leases.stop()));
});

/** What a node did about the desk's lease, in order. */
function node(
  holder: string,
  work: Partial<LeaseWork> = {},
  on: Pick<OpenDatabase, 'kind' | 'connection'> = database,
): Node {
  const did: string[] = [];
  const registry = new Registry();
  const leases = createLeases({ database: on, holder, log, registry, ttlMs: 2_500, renewMs: 300 });
  leases.desk.assign({
    async begin() {
      did.push('begin');
      await work.begin?.();
    },
    async end() {
      did.push('end');
      await work.end?.();
    },
    able: () => work.able?.() ?? true,
  });
  const one = { did, leases, registry };
  running.push(one);
  return one;
}

/** Whether the database lets a statement of this tenure through. */
async function passes({ leases }: Node): Promise<boolean> {
  const rows = await database.prisma.$queryRaw`SELECT 1 AS one WHERE ${leases.desk.fence()}`;
  return (rows as unknown[]).length === 1;
}

const tokenOf = async () => (await database.prisma.lease.findUniqueOrThrow({ where: { name: 'desk' } })).token;

test('[LE-1] of three nodes one holds each lease and does the work; the others do not', async () => {
  const nodes = [node('one'), node('two'), node('three')];
  await Promise.all(nodes.map(({ leases }) => leases.start()));
  for (const name of leaseNames) {
    await expect.poll(() => nodes.filter(({ leases }) => leases[name].isHeld()).length, soon).toBe(1);
  }
  // On a busy machine it may be another one in a moment: who holds it works, and its statements pass.
  await expect
    .poll(async () => {
      const pass = await Promise.all(nodes.map(passes));
      const held = nodes.map(({ leases }) => leases.desk.isHeld());
      const works = nodes.map(({ did }) => did.at(-1) === 'begin');
      return new Set([pass.join(), held.join(), works.join()]).size;
    }, soon)
    .toBe(1);
  expect(nodes.filter(({ did }) => did.length > 0).length).toBeGreaterThan(0);
});

test('[LE-2] a node that stops gives its leases away: the next one need not wait for their end', async () => {
  const one = node('one');
  await one.leases.start();
  const two = node('two');
  await two.leases.start();
  await expect.poll(() => one.leases.desk.isHeld(), soon).toBe(true);
  const before = await tokenOf();
  await one.leases.stop();
  expect(one.did.at(-1)).toBe('end');
  const [row] = await database.prisma.$queryRaw<{ over: boolean }[]>`
    SELECT expires_at < clock_timestamp() AS over FROM leases WHERE name = 'desk' AND holder = 'one'`;
  // Unless the other one has it already.
  expect(row?.over ?? true).toBe(true);
  await expect.poll(() => two.did.at(-1), soon).toBe('begin');
  expect(await tokenOf()).toBeGreaterThan(before);
});

test('[LE-3][LE-4] a holder that heard nothing for a while does not act: by its own clock first, and the database refuses it', async () => {
  const one = node('one');
  await one.leases.start();
  const fence = one.leases.desk.fence();
  const [two, three] = [node('two'), node('three')];
  await Promise.all([two.leases.start(), three.leases.start()]);
  // As a process that was stopped: neither timers nor answers for longer than the lease.
  const endMs = performance.now() + 2_600;
  while (performance.now() < endMs);
  expect(one.leases.desk.isHeld()).toBe(false);
  expect(await passes(one)).toBe(false);
  await database.prisma.$executeRaw`
    UPDATE leases SET holder = 'somebody', token = token + 1, expires_at = clock_timestamp() + interval '1 second' WHERE name = 'desk'`;
  expect(await database.prisma.$queryRaw`SELECT 1 WHERE ${fence}`).toEqual([]);
  // When nobody else has it any more, each tenure is a new one: work is begun anew and never just goes on.
  await expect.poll(() => [one, two, three].filter(({ leases }) => leases.desk.isHeld()).length, soon).toBe(1);
  await expect.poll(() => one.did.slice(0, 2), soon).toEqual(['begin', 'end']);
});

test('[LE-4] two nodes never hold one lease at once, whatever the database and the event loop do to them', async () => {
  const nodes = [node('one'), node('two'), node('three')];
  await Promise.all(nodes.map(({ leases }) => leases.start()));
  const seen = new Set<number>();
  let most = 0;
  const look = setInterval(() => {
    const held = nodes.flatMap(({ leases }, at) => (leases.desk.isHeld() ? [at] : []));
    for (const at of held) seen.add(at);
    most = Math.max(most, held.length);
  }, 5);
  for (let round = 0; round < 4; round += 1) {
    // The holder's row is given to nobody: whoever comes first has it, while the holder believes in the rest of its time.
    if (round % 2 === 0) await database.prisma.$executeRaw`UPDATE leases SET holder = 'gone' WHERE name = 'desk'`;
    else server.pause();
    await wait(2_800);
    server.resume();
    await expect.poll(() => nodes.some(({ leases }) => leases.desk.isHeld()), soon).toBe(true);
    await expect.poll(() => database.state(), soon).toBe('ok');
  }
  clearInterval(look);
  expect(most).toBe(1);
  expect(seen.size).toBeGreaterThanOrEqual(1);
});

test('[LE-5] a node that cannot do the work leaves the lease to others, and may have it again', async () => {
  let able = true;
  const one = node('one', { able: () => able });
  await one.leases.start();
  const two = node('two');
  await two.leases.start();
  able = false;
  await expect.poll(() => two.leases.desk.isHeld(), soon).toBe(true);
  expect(one.did.at(-1)).toBe('end');
  expect(one.leases.desk.isHeld()).toBe(false);
  able = true;
  await two.leases.stop();
  await expect.poll(() => one.did.at(-1), soon).toBe('begin');
});

test('[LE-4] while the database is away nobody holds anything, and when it is back one does without a restart', async () => {
  const nodes = [node('one'), node('two')];
  await Promise.all(nodes.map(({ leases }) => leases.start()));
  server.pause();
  await expect.poll(() => nodes.some(({ leases }) => leases.desk.isHeld()), soon).toBe(false);
  server.resume();
  await expect.poll(() => nodes.filter(({ leases }) => leases.desk.isHeld()).length, soon).toBe(1);
  await server.restart();
  await expect.poll(() => nodes.filter(({ leases }) => leases.desk.isHeld()).length, soon).toBe(1);
});

test('[LE-1] work that fails to begin is reported, ended and begun as any other, one step after the other', async () => {
  const steps: string[] = [];
  const one = node('one', {
    async begin() {
      steps.push('begins');
      await wait(50);
      steps.push('begun');
      throw new Error('not now');
    },
    end: async () => void steps.push('ended'),
  });
  await one.leases.start();
  await one.leases.stop();
  expect(steps.slice(0, 3)).toEqual(['begins', 'begun', 'ended']);
  expect(steps.at(-1)).toBe('ended');
});

test('[LE-6] metrics of every node say who holds what', async () => {
  const one = node('one');
  await one.leases.start();
  const two = node('two');
  await two.leases.start();
  for (const { registry } of [one, two]) {
    await expect.poll(() => registry.metrics(), soon).toContain('stockcast_lease_holder{lease="desk",holder="one"} 1');
  }
  await expect.poll(() => one.registry.metrics(), soon).toContain('stockcast_lease_held{lease="desk"} 1');
  expect(await two.registry.metrics()).toContain('stockcast_lease_held{lease="desk"} 0');
  await one.leases.stop();
  await expect.poll(() => two.registry.metrics(), soon).toContain('{lease="desk",holder="two"} 1');
  expect(await two.registry.metrics()).not.toContain('holder="one"');
});

test('[LE-7] the embedded database has one process, which holds everything from start to stop without asking', async () => {
  const sole = node('sole', {}, { kind: 'pglite', connection: {} });
  expect(sole.leases.desk.isHeld()).toBe(false);
  await sole.leases.start();
  expect(leaseNames.map((name) => sole.leases[name].isHeld())).toEqual(leaseNames.map(() => true));
  expect(await passes(sole)).toBe(true);
  await sole.leases.stop();
  expect(sole.leases.desk.isHeld()).toBe(false);
  expect(sole.did).toEqual(['begin', 'end']);
});
