import type { ItemTerms } from '../../server/stock/stock-engine.ts';
import type { Chance } from './chance.ts';
import type { LivestreamRow } from './ledger-state.ts';
import { type LinkFaults, noFaults } from './links.ts';
import { livestreamId } from './shop.ts';

export type FaultName =
  | 'crash'
  | 'flush'
  | 'lose_key'
  | 'gate_restart'
  | 'stale_promotion'
  | 'split'
  | 'gate_away'
  | 'ledger_restart'
  | 'rebuild'
  | 'stall';

export const faultNames: readonly FaultName[] = [
  'crash',
  'flush',
  'lose_key',
  'gate_restart',
  'stale_promotion',
  'split',
  'gate_away',
  'ledger_restart',
  'rebuild',
  'stall',
];

/** What kind of history a seed makes: few kinds of trouble at a time, so that each is seen without all the others too. */
export type Plan = {
  readonly nodes: number;
  readonly buyers: number;
  readonly operations: number;
  readonly activeMs: number;
  readonly skewsMs: readonly number[];
  readonly ledgerSkewMs: number;
  readonly livestream: LivestreamRow;
  readonly faultKinds: readonly FaultName[];
  readonly faults: number;
  readonly gateFaults: LinkFaults;
  readonly ledgerFaults: LinkFaults;
  readonly clientFaults: LinkFaults;
  readonly messageFaults: { readonly lost: number; readonly late: number; readonly twice: number };
  readonly managing: boolean;
  readonly ends: boolean;
};

export function planOf(chance: Chance): Plan {
  const isCalm = chance.happens(0.15);
  const level = () => (isCalm || chance.happens(0.4) ? 0 : chance.oneOf([0.01, 0.03, 0.1]));
  const link = (): LinkFaults =>
    isCalm ? noFaults : { lost: level() / 2, unanswered: level(), slow: level(), twice: level(), refused: level() / 2 };
  return {
    nodes: chance.oneOf([1, 2, 2, 2, 3]),
    buyers: chance.between(2, 6),
    operations: chance.between(20, 60),
    activeMs: chance.oneOf([3_000, 5_000, 7_000]),
    skewsMs: Array.from({ length: 3 }, () => (chance.happens(0.5) ? 0 : chance.between(-1_500, 1_500))),
    ledgerSkewMs: chance.happens(0.5) ? 0 : chance.between(-1_500, 1_500),
    livestream: livestreamOf(chance),
    faultKinds: isCalm ? [] : faultNames.filter(() => chance.happens(0.35)),
    faults: chance.between(1, 6),
    gateFaults: link(),
    // Sometimes a ledger that is slow more often than not: commits meet the end of their leases.
    ledgerFaults: { ...link(), ...(chance.happens(0.12) ? { slow: 0.3 } : {}) },
    clientFaults: link(),
    messageFaults: { lost: chance.happens(0.3) ? 0.3 : level(), late: level(), twice: level() },
    managing: chance.happens(0.5),
    ends: chance.happens(0.08),
  };
}

function livestreamOf(chance: Chance): LivestreamRow {
  const count = chance.between(1, 3);
  return {
    livestreamId,
    state: 'live',
    holdTtlMs: chance.oneOf([1_200, 2_500, 60_000]),
    epoch: 0,
    infoRev: 1,
    archived: false,
    items: ['tea', 'mug', 'cup'].slice(0, count).map((skuId, index) =>
      Object.assign(termsOf(chance), {
        skuId,
        index,
        unitPriceMinor: 100 * (index + 1),
        currency: 'CNY',
        sale: 'open' as const,
        opensAtMs: 0,
        allotted: chance.between(1, 6),
        held: 0,
        sold: 0,
        returned: 0,
        epoch: 0,
        poolRev: 1,
        termsRev: 1,
      }),
    ),
  };
}

export function termsOf(chance: Chance): Pick<ItemTerms, 'limits' | 'salePolicy'> {
  const limit = () => (chance.happens(0.6) ? null : chance.between(1, 3));
  const policy = chance.weighted({ deduct_on_order: 6, deduct_on_payment: 2, hold_below: 2 });
  return {
    limits: { perOrder: limit(), perBuyer: limit(), perDevice: limit() },
    salePolicy: policy === 'hold_below' ? { kind: policy, threshold: chance.between(0, 3) } : { kind: policy },
  };
}
