import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Assumptions, type Costs, planOf, type Shape, tableRow, withTables } from './scale-model.ts';

/** Round numbers, so that every result can be worked out by hand. */
const cost: Costs = {
  frameMicros: 10,
  orderMicros: 100,
  hearMicros: 100,
  reserveMicros: 20,
  reserveCallMicros: 30,
  publishMicros: 10,
  subscriberMicros: 1,
  ledgerMicros: 50,
  connectionKib: 24,
  frameBytes: 100,
};
const assume: Assumptions = {
  ordersPerViewerSecond: 0.001,
  windowMs: 100,
  utilisation: 0.5,
  nodeGib: 1_000,
  nodeGbits: 1_000,
  nodeSocketsMax: 1_000_000,
  packetBytes: 25,
  kernelKib: 8,
  gateCallMs: 1,
  ledgerCores: 10,
  corePerHour: 1,
  gibPerHour: 0,
  egressPerGib: 1,
};
const one: Shape = { livestreams: 1, nodesPerLivestream: null, orderNodes: null, relayHz: null };
const plan = (viewers: number, shape: Partial<Shape> = {}, changed: Partial<Assumptions & Costs> = {}) =>
  planOf(viewers, { ...one, ...shape }, { ...cost, ...changed }, { ...assume, ...changed });

describe('the scale model', () => {
  test('[BE-7] viewers cost frames, orders and bytes as measured', () => {
    const { ordersPerSecond, nodes, nodesFor, egressGbits } = plan(10_000);
    // 100,000 frames of 10 µs and 10 orders of 100 µs are 1.001 cores; half of a core each is planned for, and hearing takes 1 ms a second.
    expect({ ordersPerSecond, nodes, nodesFor }).toEqual({ ordersPerSecond: 10, nodes: 3, nodesFor: 'cpu' });
    expect(egressGbits).toBeCloseTo(0.1, 10);
    expect(plan(20_000).egressGbits).toBeCloseTo(0.2, 10);
    expect(plan(10_000, {}, { windowMs: 200 }).nodes).toBe(2);
  });

  test('[BE-7] nodes are enough for memory, sockets and network each', () => {
    // 32 KiB a connection: 1,048,576 viewers are 32 GiB.
    const idle = { windowMs: 1e9, ordersPerViewerSecond: 0 };
    expect(plan(1_048_576, {}, { ...idle, nodeGib: 4 })).toMatchObject({ nodes: 16, nodesFor: 'memory' });
    expect(plan(1_048_576, {}, { ...idle, nodeSocketsMax: 1_000 })).toMatchObject({
      nodes: 1_049,
      nodesFor: 'sockets',
    });
    expect(plan(100_000, {}, { frameMicros: 0, ordersPerViewerSecond: 0, nodeGbits: 1 })).toMatchObject({
      nodes: 2,
      nodesFor: 'network',
    });
  });

  test("[BE-7] the gate's load is its reserves, its calls, and a message for each node", () => {
    const { nodes, gate, gatePublishing, ledger } = plan(1_000_000);
    // 1,000 orders a second, over so many nodes each in a call of its own.
    const publishing = (1_000 * (10 + nodes)) / 1e6;
    expect(gate).toBeCloseTo((1_000 * (20 + 30)) / 1e6 + publishing, 10);
    expect(gatePublishing).toBeCloseTo(publishing / gate, 10);
    expect(ledger).toBeCloseTo((1_000 * 50) / 1e6 / 10, 10);
  });

  test('[BE-7] orders on few nodes share calls, 50 in one at most', () => {
    const shared = plan(10_000_000, { orderNodes: 1 });
    expect(shared.hearing).toBeCloseTo((1_000 * 100) / 1e6, 10);
    const full = plan(100_000_000, { orderNodes: 1, relayHz: 20 });
    const relays = Math.ceil(full.nodes / 500);
    expect(full.gate).toBeCloseTo((100_000 * 20 + 2_000 * (30 + 10 + relays)) / 1e6, 10);
  });

  test('[BE-7] relays bound what a node hears', () => {
    expect(plan(1_000_000, { relayHz: 20 }).hearing).toBeCloseTo((20 * 100) / 1e6, 10);
    expect(plan(10_000, { relayHz: 20 }).hearing).toBeCloseTo((10 * 100) / 1e6, 10);
  });

  test('[BE-7] where hearing alone takes a node, no number of nodes is enough', () => {
    const { nodes, gate, hearing, nodesFor, first } = plan(10_000_000);
    expect({ nodes, gate, nodesFor, first }).toEqual({
      nodes: Number.POSITIVE_INFINITY,
      gate: Number.POSITIVE_INFINITY,
      nodesFor: 'cpu',
      first: 'gate',
    });
    expect(hearing).toBeGreaterThan(assume.utilisation);
    expect(tableRow(plan(10_000_000))).toContain('| ∞ (cpu) |');
  });

  test('[BE-7] more viewers never need fewer nodes', () => {
    let before = 0;
    for (let viewers = 1_000; viewers < 4_000_000; viewers *= 1.7) {
      const { nodes } = plan(viewers);
      expect(nodes).toBeGreaterThanOrEqual(before);
      before = nodes;
    }
  });

  test('[BE-7] what saturates first is named', () => {
    expect(plan(10_000).first).toBe('nodes');
    expect(plan(2_000_000).first).toBe('gate');
    expect(plan(4_000_000, { relayHz: 20 }, { ledgerMicros: 2_000 }).first).toBe('ledger');
    expect(plan(1_000_000, {}, { hearMicros: 250, subscriberMicros: 0 }).first).toBe('hearing');
  });

  test('[BE-7] many small livestreams spread over shards and nodes', () => {
    const small = { livestreams: 100, nodesPerLivestream: 2 };
    const { nodes, hearing, gate } = plan(1_000_000, small);
    expect(hearing).toBeCloseTo((10 * 100 * ((100 * 2) / nodes)) / 1e6, 10);
    expect(gate).toBeCloseTo((10 * (20 + 30 + 10 + 2)) / 1e6, 10);
  });

  test('[BE-7] an hour costs its cores and its traffic', () => {
    const { nodes, perHour } = plan(10_000);
    // One core each for Redis and PostgreSQL.
    expect(perHour.compute).toBe(nodes + 2);
    expect(perHour.egress).toBeCloseTo((0.1e9 / 8 / 2 ** 30) * 3_600, 6);
  });
});

test('[BE-8] the document shows what the program prints', () => {
  const document = readFileSync(new URL('../docs/scale.md', import.meta.url), 'utf8');
  expect(document).toContain('| measured | |');
  expect(withTables(document)).toBe(document);
});
