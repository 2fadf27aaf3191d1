import { expect, test } from 'vitest';
import type { OrderForOperator } from '../../../contract/orders.ts';
import { LevelBook } from '../../lib/viewer.ts';
import { History } from '../history.ts';
import type { ShowAtRest } from '../rest.ts';
import { checkAlerts, checkProbes, checkRest, checkSums } from './check-rest.ts';
import { settledAfter, settleMs } from './facts.ts';

const skuId = 'tea';

type Told = { readonly tier: 'yellow' | 'orange' | 'red'; readonly kind: 'raised' | 'tier_raised' };

function alertOf(alertId: string, told: readonly Told[], change: object = {}): ShowAtRest['alerts'][number] {
  return {
    alert: {
      alertId,
      livestreamId: 'night',
      skuId,
      basis: 'consumption',
      tier: told.at(-1)?.tier ?? 'yellow',
      state: 'raised',
      raisedAtMs: 0,
      tierRaisedAtMs: 0,
      acknowledgedAtMs: null,
      acknowledgedBy: null,
      resolvedAtMs: null,
      silencedUntilMs: null,
      assignedTo: null,
      escalation: 0,
      muted: false,
      facts: {},
      reasons: [],
      ...change,
    },
    events: told.map(({ tier, kind }) => ({ atMs: 0, kind, actor: 'rule', note: `${tier}: because` })),
  };
}

/** Ten units of an estimate of ten are sold, unless told otherwise. */
function restOf(change: Partial<ShowAtRest> = {}, held = 0, sold = 10): ShowAtRest {
  const item = {
    skuId,
    title: 'Tea',
    priceMinor: 500,
    currency: 'CNY',
    allotted: 20,
    estimate: 10,
    perBuyer: null,
  };
  const ledger = { held, sold, returned: 0, heldByOrders: held, soldByOrders: sold };
  const audit = {
    livestreamId: 'night',
    atMs: 0,
    epoch: 1,
    version: 1,
    drift: 0,
    items: [{ skuId, allotted: 20, gate: null, ledger }],
  };
  return {
    show: { livestreamId: 'night', holdTtlMs: 1_000, items: [item], buyers: [], operatorToken: '' },
    restMs: 100,
    unrest: [],
    evidence: { audit, levels: [], livestream: {} as never, watchers: [], receipts: null, orders: [] },
    orders: new Map(),
    alerts: [
      alertOf('one', [
        { tier: 'yellow', kind: 'raised' },
        { tier: 'orange', kind: 'tier_raised' },
      ]),
    ],
    ...change,
  };
}

const order = (orderId: string, state: 'held' | 'paid', quantity: number): [string, OrderForOperator] => [
  orderId,
  {
    orderId,
    livestreamId: 'night',
    state,
    lines: [{ skuId, quantity, unitPriceMinor: 500 }],
    totalMinor: 500 * quantity,
    currency: 'CNY',
    createdAtMs: 0,
    expiresAtMs: 0,
    buyerId: 'ann',
    deviceId: null,
    payments: [],
  },
];

const texts = (violations: readonly { readonly text: string }[]): string[] => violations.map(({ text }) => text);

test('[TO-6] counters that are not the sums of the listed orders, and a show that does not come to rest', () => {
  const orders = new Map([order('a', 'paid', 7), order('b', 'held', 2)]);
  expect(checkSums(restOf({ orders }, 2, 7))).toEqual([]);
  expect(texts(checkSums(restOf({ orders }, 2, 8)))).toEqual([
    'night/tea: the listed orders hold 2 and have bought 7 units',
  ]);
  expect(checkRest(restOf())).toEqual([]);
  const unrest = ['gate and ledger differ by 1 units (I3)'];
  expect(checkRest(restOf({ restMs: null, unrest }))).toMatchObject([
    { rule: 'I3', evidence: [unrest[0], expect.anything()] },
  ]);
});

test('[TO-7] a tier that was raised twice, never, or by two open alerts', () => {
  expect(checkAlerts(restOf())).toEqual([]);
  const missing = restOf({ alerts: [alertOf('one', [{ tier: 'yellow', kind: 'raised' }])] });
  expect(texts(checkAlerts(missing))).toEqual([
    'night/tea: 10 of an estimate of 10 are consumed and orange was never raised',
  ]);
  const again = alertOf('two', [{ tier: 'orange', kind: 'raised' }], { state: 'resolved' });
  const repeated = restOf({ alerts: [...restOf().alerts, again] });
  expect(texts(checkAlerts(repeated))).toEqual(['night: tea consumption: orange was raised more than once']);
  const twins = restOf({ alerts: [...restOf().alerts, alertOf('two', [])] });
  expect(texts(checkAlerts(twins))).toEqual(['night: 2 open alerts for tea consumption']);
});

test('[TO-7] a probe that gets anything but a refusal', () => {
  const history = new History();
  for (const status of [401, 403, 404, 429, 503, null]) {
    history.probes.push({ what: 'a viewer lists all orders', node: 'node-1', atMs: 0, status, text: '' });
  }
  expect(checkProbes(history)).toEqual([]);
  // Also a refusal for another reason says that the token was good.
  for (const status of [200, 409])
    history.probes.push({ what: 'a viewer allots', node: 'node-1', atMs: 0, status, text: '' });
  expect(texts(checkProbes(history))).toEqual(['a viewer allots: answered 200', 'a viewer allots: answered 409']);
});

test('[TO-7] a screen that is shown an older row after a newer one, or two values of one version', () => {
  const book = new LevelBook();
  book.snapshot({ epoch: 1, upTo: 5, complete: true, rows: [[0, 5, 7, 2]] });
  book.frame({ epoch: 1, upTo: 6, rows: [[0, 6, 6, 2]] });
  expect(book.older).toBe(0);
  book.frame({ epoch: 1, rows: [[0, 5, 7, 2]] });
  expect(book.older).toBe(1);
  book.frame({ epoch: 1, rows: [[0, 6, 5, 2]] });
  expect(book.violations).toEqual([expect.stringContaining('two values in version 6')]);
  book.snapshot({ epoch: 0, upTo: 9, complete: true, rows: [] });
  expect(book.violations).toContainEqual(expect.stringContaining('a snapshot of epoch 0 after epoch 1'));
});

test('[TO-4] the gate has its time to follow after the last fault that overlaps', () => {
  expect(settledAfter(1_000, [])).toBe(1_000 + settleMs);
  const faults = [
    { kind: 'redis_pause', beganAtMs: 2_000, healedAtMs: 4_000 },
    { kind: 'postgres_kill', beganAtMs: 8_000, healedAtMs: 9_000 },
    { kind: 'node_kill', beganAtMs: 90_000, healedAtMs: 91_000 },
  ];
  expect(settledAfter(1_000, faults)).toBe(9_000 + settleMs);
});
