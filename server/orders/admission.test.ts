import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Admission, showAdmission } from './admission.ts';

/**
 * A server that finishes `perSecond` orders a second, first come first served, and is offered `offered` a second for `seconds`;
 * none takes less than `leastMs`. Returns when each order that was let in was offered and how long it took.
 */
function run(
  admission: Admission,
  time: { nowMs: number },
  load: { offered: number; perSecond: number; seconds: number; burst?: number; leastMs?: number },
) {
  const waiting: { atMs: number; leave: (as: 'ordered') => void }[] = [];
  const took: { atMs: number; ms: number }[] = [];
  const shed: number[] = [];
  const startMs = time.nowMs;
  const offer = () => {
    if (admission.admits()) waiting.push({ atMs: time.nowMs, leave: admission.enter() });
    else shed.push(time.nowMs - startMs);
  };
  for (let at = 0; at < (load.burst ?? 0); at += 1) offer();
  let [offered, served] = [0, 0];
  while (time.nowMs - startMs < load.seconds * 1_000 || waiting.length > 0) {
    time.nowMs += 1;
    const passedMs = time.nowMs - startMs;
    const due = Math.min(passedMs, load.seconds * 1_000) * (load.offered / 1_000);
    for (; offered < due; offered += 1) offer();
    served = Math.min(served + load.perSecond / 1_000, 1 + load.perSecond / 1_000);
    for (; served >= 1 && waiting.length > 0; served -= 1) {
      if (time.nowMs - (waiting[0]?.atMs ?? 0) < (load.leastMs ?? 0)) break;
      const first = waiting.shift();
      first?.leave('ordered');
      if (first !== undefined) took.push({ atMs: first.atMs - startMs, ms: time.nowMs - first.atMs });
    }
  }
  return { took, shed, passedMs: time.nowMs - startMs };
}

const open = (inFlightMax = 20_000) => {
  const time = { nowMs: 0 };
  return {
    time,
    admission: new Admission(
      { inFlightMax, targetMs: 200, intervalMs: 200, patienceMs: 1_000 },
      { now: () => time.nowMs },
    ),
  };
};
const p99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0;

test('[OR-16] below capacity nothing is ever shed', () => {
  const { admission, time } = open();
  const { took, shed } = run(admission, time, { offered: 900, perSecond: 1_000, seconds: 60 });
  expect(shed).toEqual([]);
  expect(took.length).toBe(54_000);
});

test('[OR-16] at three times the capacity the server stays busy, and whoever is let in after the first seconds waits for little', () => {
  const { admission, time } = open();
  const { took, shed } = run(admission, time, { offered: 3_000, perSecond: 1_000, seconds: 30 });
  const settled = took.filter(({ atMs }) => atMs > 4_000);
  expect(p99(settled.map(({ ms }) => ms))).toBeLessThan(500);
  expect(settled.length).toBeGreaterThan(0.93 * 26_000);
  expect(shed.length).toBeGreaterThan(50_000);
});

test('[OR-16] where fewer orders under way make nobody quicker, as with a slow disk, the server stays busy all the same', () => {
  const { admission, time } = open();
  const load = { offered: 3_000, perSecond: 1_000, leastMs: 500, seconds: 30 };
  const { took, shed } = run(admission, time, load);
  const settled = took.filter(({ atMs }) => atMs > 12_000);
  expect(settled.length).toBeGreaterThan(0.8 * 18_000);
  expect(p99(settled.map(({ ms }) => ms))).toBeLessThan(1_500);
  expect(shed.length).toBeGreaterThan(40_000);
});

test('[OR-16] the same load without it: everybody waits for many seconds', () => {
  const time = { nowMs: 0 };
  const blind = new Admission(
    { inFlightMax: 20_000, targetMs: Infinity, intervalMs: 200, patienceMs: 1_000 },
    { now: () => time.nowMs },
  );
  const { took } = run(blind, time, { offered: 3_000, perSecond: 1_000, seconds: 30 });
  expect(p99(took.filter(({ atMs }) => atMs > 4_000).map(({ ms }) => ms))).toBeGreaterThan(8_000);
});

test('[OR-16] a burst that comes after quiet is let in whole; what comes behind it, while it stands, is shed', () => {
  const { admission, time } = open();
  const { took, shed } = run(admission, time, { offered: 500, perSecond: 1_000, seconds: 20, burst: 3_000 });
  expect(took.filter(({ atMs }) => atMs === 0).length).toBe(3_000);
  expect(shed.filter((atMs) => atMs > 8_000)).toEqual([]);
});

test('[OR-16] when the load is over nothing is shed any more, also not the next burst', () => {
  const { admission, time } = open();
  run(admission, time, { offered: 3_000, perSecond: 1_000, seconds: 10 });
  run(admission, time, { offered: 300, perSecond: 1_000, seconds: 3 });
  expect(admission.limit).toBe(20_000);
  const { took } = run(admission, time, { offered: 300, perSecond: 1_000, seconds: 3, burst: 2_000 });
  expect(took.filter(({ atMs }) => atMs === 0).length).toBe(2_000);
});

test('[OR-16] a storm of two seconds in which everything takes half a second is no queue, the same for ten seconds is one', () => {
  const storm = (seconds: number) => {
    const { admission, time } = open();
    for (let step = 0; step < seconds * 10; step += 1) {
      const leave = admission.enter();
      admission.observeLateness(350);
      time.nowMs += 100;
      leave('ordered');
    }
    return admission.limit;
  };
  expect(storm(2)).toBe(20_000);
  expect(storm(10)).toBeLessThan(20_000);
});

test('[OR-16] a queue that is gone within a second is a burst: nobody who comes meanwhile is shed', () => {
  const { admission, time } = open();
  const { shed } = run(admission, time, { offered: 400, perSecond: 1_000, seconds: 0.8, burst: 600 });
  expect(shed).toEqual([]);
});

test('[OR-16] a burst that comes after a quiet time is let in whole, whatever the one before it was like', () => {
  const { admission, time } = open();
  // The last of it end in the middle of an interval, and took long.
  run(admission, time, { offered: 0, perSecond: 1_000, seconds: 0, burst: 4_100 });
  expect(admission.limit).toBeLessThan(1_000);
  time.nowMs += 5_000;
  const { shed } = run(admission, time, { offered: 0, perSecond: 1_000, seconds: 0, burst: 4_000 });
  expect(shed).toEqual([]);
});

test('[OR-16] one order after the other, each slower than a second, is no quiet time', () => {
  const { admission, time } = open();
  for (let order = 0; order < 3; order += 1) {
    expect(admission.admits()).toBe(true);
    const leave = admission.enter();
    time.nowMs += 1_500;
    leave('ordered');
  }
  expect(admission.limit).toBeLessThan(20_000);
});

test('[OR-16] a server that answered nobody for longer than a second had no quiet time', () => {
  const { admission, time } = open();
  for (let order = 0; order < 500; order += 1) admission.enter();
  time.nowMs += 1_500;
  expect(admission.admits()).toBe(false);
});

test('[OR-16] refusals that are answered at once do not hide that orders wait', () => {
  const { admission, time } = open();
  const leaves = Array.from({ length: 500 }, () => admission.enter());
  for (let step = 0; step < 40; step += 1) {
    time.nowMs += 50;
    if (admission.admits()) admission.enter()('refused');
    leaves.shift()?.('ordered');
  }
  expect(admission.delayMs).toBeGreaterThan(1_000);
  expect(admission.limit).toBeLessThan(500);
});

test('[OR-16] an event loop that is late is a queue too, and a rebuild that orders wait for is none', () => {
  const late = open();
  for (let step = 0; step < 14; step += 1) {
    late.time.nowMs += 100;
    late.admission.enter()('ordered');
    late.admission.observeLateness(800);
  }
  expect(late.admission.limit).toBeLessThan(20_000);
  const rebuilding = open();
  const leaves = Array.from({ length: 400 }, () => rebuilding.admission.enter());
  for (const leave of leaves) {
    rebuilding.time.nowMs += 10;
    leave('other');
  }
  expect(rebuilding.admission.limit).toBe(20_000);
});

test('[OR-4] above the bound of orders under way an order is shed, however quick they are', async () => {
  const { admission } = open(2);
  const leave = admission.enter();
  admission.enter();
  expect(admission.admits()).toBe(false);
  leave('ordered');
  expect(admission.admits()).toBe(true);
  const registry = new Registry();
  showAdmission(admission, registry);
  expect(await registry.metrics()).toContain('stockcast_orders_in_flight 1');
});
