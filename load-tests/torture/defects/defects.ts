import type { Patch } from './patched-copy.ts';

export type Defect = {
  readonly name: string;
  /** What is wrong with it, in one sentence. */
  readonly what: string;
  readonly rules: readonly string[];
  readonly patches: readonly Patch[];
};

const append = 'prisma/migrations/20261123000100_append/migration.sql';
const transitions = 'prisma/migrations/20261123000200_transitions/migration.sql';
const gateStates = 'prisma/migrations/20261123000400_gate_states/migration.sql';
const initial = 'prisma/migrations/20261123000000_initial/migration.sql';
const conflator = 'server/fanout/conflator.ts';
const placeOrder = 'server/orders/place-order.ts';
const prelude = 'server/stock/redis-engine/lua/prelude.lua';
const reserve = 'server/stock/redis-engine/lua/reserve.lua';

const ledgerWithoutGuard: readonly Patch[] = [
  {
    file: append,
    find: 'IF v_verdict = 1 AND p_pays[n] = 0 AND v_free[v_item] < p_line_quantity[l] THEN',
    replace: 'IF false THEN',
  },
  { file: initial, find: ' AND "held" + "sold" <= "allotted"),', replace: '),' },
];

/** Each takes one protection away from a copy of the product. A torture that does not find them would not find bugs either. */
export const defects: readonly Defect[] = [
  {
    name: 'ledger_guard_removed',
    what: 'The ledger takes every order, whether it fits or not; nor does a constraint refuse it.',
    rules: ['I1', 'O1'],
    patches: ledgerWithoutGuard,
  },
  {
    name: 'guards_removed',
    what: 'Neither the gate nor the ledger looks whether an order fits.',
    rules: ['I1', 'I3', 'O1'],
    patches: [
      ...ledgerWithoutGuard,
      {
        file: reserve,
        find: "if availableFor(order, line.sku) == 0 then return refuse('sold_out', line.sku) end",
        replace: '',
      },
      {
        file: reserve,
        find: "if availableFor(order, line.sku) < line.quantity then return refuse('insufficient', line.sku) end",
        replace: '',
      },
    ],
  },
  {
    name: 'acknowledged_before_commit',
    what: 'The buyer hears "accepted" when the order is handed to the ledger, not when it is committed.',
    rules: ['I2', 'O3'],
    patches: [
      {
        file: placeOrder,
        find: '    outcome = await deps.append({ ...request, livestreamId, takes, epoch, holdTtlMs });',
        replace: `    deps.append({ ...request, livestreamId, takes, epoch, holdTtlMs }).catch(() => undefined);
    const createdAtMs = deps.clock.now();
    const lines = request.lines.map((line) => ({ ...line, unitPriceMinor: 1_000 }));
    const totalMinor = lines.reduce((sum, line) => sum + line.quantity * 1_000, 0);
    const state = takes === 'hold' ? 'held' : 'placed';
    const times = { createdAtMs, expiresAtMs: createdAtMs + holdTtlMs };
    outcome = { kind: 'committed', order: { ...request, orderId: rid, livestreamId, state, lines, totalMinor, currency: 'CNY', ...times, takes } };`,
      },
    ],
  },
  {
    name: 'released_on_unknown_commit',
    what: 'A commit whose answer was lost is taken as one that failed: the gate gives the units back.',
    rules: ['O5'],
    patches: [{ file: placeOrder, find: 'if (error instanceof LedgerUnknown) {', replace: 'if (error === null) {' }],
  },
  {
    name: 'unversioned_level',
    what: 'A node numbers levels as they arrive, and does not pass on the version that the gate gave them.',
    rules: ['V1', 'I5'],
    patches: [
      {
        file: conflator,
        find: 'if (previous !== null && previous.version >= level.version) return older;',
        replace: 'if (previous !== null && previous.held === level.held && previous.sold === level.sold) return older;',
      },
      {
        file: conflator,
        find: 'this.#newest.set(level.skuId, level);',
        replace: 'this.#newest.set(level.skuId, { ...level, version: (previous?.version ?? 0) + 1 });',
      },
    ],
  },
  {
    name: 'last_level_kept',
    what: 'A node keeps the level that came last, not the newest.',
    rules: ['V1'],
    patches: [
      {
        file: conflator,
        find: 'if (previous !== null && previous.version >= level.version) return older;',
        replace: 'if (previous !== null && previous.version === level.version) return older;',
      },
    ],
  },
  {
    name: 'tail_off',
    what: 'Nobody applies again what a dead node left undone, or resolves attempts of unknown outcome.',
    rules: ['A3', 'O6'],
    patches: [
      { file: 'server/orders/order-jobs.ts', find: '() => tailActive(deps, ledgerTail),', replace: 'async () => {},' },
    ],
  },
  {
    name: 'rebuilt_without_fence',
    what: 'An order of an older history of the gate is committed all the same.',
    rules: ['O1', 'B2'],
    patches: [{ file: append, find: 'IF v_epoch[v_item] <> p_epoch[n] THEN', replace: 'IF false THEN' }],
  },
  {
    name: 'keys_not_rebuilt',
    what: 'After Redis was emptied the gate knows no idempotency key.',
    rules: ['B2', 'I4'],
    patches: [
      { file: gateStates, find: 'WHERE o.livestream_id = p_livestream AND o.key IS NOT NULL', replace: 'WHERE false' },
    ],
  },
  {
    name: 'limits_not_rebuilt',
    what: 'After Redis was emptied the gate has forgotten how much each buyer has bought.',
    rules: ['B2', 'G4'],
    patches: [
      {
        file: gateStates,
        find: "AND (o.state = 'paid' OR (o.state = 'refunded' AND stockcast_had_units(o)))",
        replace: 'AND false',
      },
    ],
  },
  {
    name: 'server_not_identified',
    what: 'A gate does not notice that it has become another server, with an older copy.',
    rules: ['G2'],
    patches: [{ file: prelude, find: 'isOurs = values[3] == identity,', replace: 'isOurs = true,' }],
  },
  {
    name: 'parts_not_checked',
    what: 'A gate that has lost one of its keys decides with the rest.',
    rules: ['G1'],
    patches: [{ file: prelude, find: "if call('HGET', key, '!') ~= epoch then return false end", replace: '' }],
  },
  {
    name: 'reacquired_under_old_id',
    what: 'A late payment takes its units under the id of the order that gave them back.',
    rules: ['A4'],
    patches: [
      {
        file: 'server/orders/late-payment.ts',
        find: 'const rid = deps.makeRid();',
        replace: 'const rid = order.orderId;',
      },
    ],
  },
  {
    name: 'expiry_not_conditional',
    what: 'The sweep expires what was due when it looked, although it was paid meanwhile.',
    rules: ['A2', 'OL-21'],
    patches: [
      {
        file: transitions,
        find: "SELECT id, state FROM orders WHERE id = ANY (v_due) AND state IN ('held', 'placed') AND expires_at <= now()",
        replace: "SELECT id, 'held'::order_state AS state FROM orders WHERE id = ANY (v_due)",
      },
    ],
  },
  {
    name: 'allotment_not_repeated',
    what: 'A new size of a pool that the gate did not hear of is never sent again.',
    rules: ['A5'],
    patches: [
      {
        file: 'server/orders/tail.ts',
        find: 'if (!behind && reading.infoRev >= revisions.infoRev) return true;',
        replace: 'if (reading !== null) return true;',
      },
    ],
  },
  {
    name: 'tokens_of_any_livestream',
    what: 'A token of one livestream is good in every other.',
    rules: ['I8'],
    patches: [
      {
        file: 'server/auth/access-control.ts',
        find: 'return livestreamId !== null && grant.livestreamId === livestreamId;',
        replace: 'return livestreamId !== null;',
      },
    ],
  },
];

export function findDefect(name: string): Defect {
  const defect = defects.find((one) => one.name === name);
  if (defect === undefined)
    throw new Error(`There is no defect ${name}; there are ${defects.map((one) => one.name).join(', ')}`);
  return defect;
}
