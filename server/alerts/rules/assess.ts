import type { AlertBasis, AlertTier, ItemPlan, Supplier } from '../../../contract/alerts.ts';
import type { Text } from '../../../contract/primitives.ts';
import type { ItemLevel } from '../../stock/stock-engine.ts';
import { consumptionTier } from './consumption.ts';
import { type CoverageLine, coverageIsClear, coverageLineOf, coverageTier } from './coverage-line.ts';
import type { LineMove } from './dynamic-line.ts';
import { unreachableTiers } from './reachability.ts';

/** Everything that the rules look at. Reserved and on-hand stock is not in it: only what the livestream's own pool can sell counts. */
export type ItemPicture = {
  readonly plan: ItemPlan;
  /** When the sale opened; null: not yet, then the plan's own estimate counts. */
  readonly originalEstimate: number | null;
  readonly move: LineMove;
  readonly level: Pick<ItemLevel, 'allotted' | 'available' | 'held' | 'sold' | 'status'>;
  readonly supplier: Pick<Supplier, 'name' | 'contact'> | null;
};

export const bases = ['coverage', 'consumption', 'sold_out'] as const satisfies readonly AlertBasis[];

/** The tier that each basis is in now; null: none. Nothing after the end of a sale. */
export function assess(picture: ItemPicture): Readonly<Record<AlertBasis, AlertTier | null>> {
  const { plan, level } = picture;
  if (level.status === 'ended') return { coverage: null, consumption: null, sold_out: null };
  const line = coverageLineOf(plan, picture.move);
  const estimate = anchorOf(picture);
  return {
    coverage: line === null ? null : coverageTier(level.available, line),
    consumption: estimate === null ? null : consumptionTier(level.held + level.sold, estimate, plan),
    sold_out: level.status === 'sold_out' ? 'red' : null,
  };
}

/** AL-13: whether a basis is over, with room to its line. Consumption never is: refunds do not re-arm it. */
export function isClear(basis: AlertBasis, { plan, move, level }: ItemPicture): boolean {
  if (basis === 'consumption') return false;
  if (basis === 'sold_out') return level.available > 0;
  const line = coverageLineOf(plan, move);
  return line === null || coverageIsClear(level.available, line);
}

/** AL-2: the estimate that consumption is measured against; null: the item has no estimate now. */
export function anchorOf({ plan, originalEstimate }: Pick<ItemPicture, 'plan' | 'originalEstimate'>): number | null {
  return plan.estimate === null ? null : (originalEstimate ?? plan.estimate);
}

/** AL-16: units that are missing up to the line; 0 when the pool covers it. */
export function unitsToReplenish({ plan, move, level }: ItemPicture): number {
  const line = coverageLineOf(plan, move);
  return line === null ? 0 : Math.max(0, Math.ceil(line.line - level.available));
}

/** The numbers of the moment, percents rounded down, so that 79.9 % is never shown as the 80 % that fire. */
export function factsOf(picture: ItemPicture): Readonly<Record<string, number>> {
  const { allotted, available, held, sold } = picture.level;
  const consumed = held + sold;
  const estimate = anchorOf(picture);
  const line = coverageLineOf(picture.plan, picture.move);
  return {
    consumed,
    available,
    allotted,
    ...(allotted > 0 ? { percentOfStock: Math.floor((consumed * 100) / allotted) } : {}),
    ...(estimate === null ? {} : { estimate }),
    ...(estimate !== null && estimate > 0 ? { percent: Math.floor((consumed * 100) / estimate) } : {}),
    ...(line === null || picture.plan.estimate === null
      ? {}
      : {
          presentEstimate: picture.plan.estimate,
          line: line.line,
          coefficient: line.coefficientPercent / 100,
        }),
  };
}

export function reasonsOf(basis: AlertBasis, tier: AlertTier, picture: ItemPicture): readonly Text[] {
  const said: Record<AlertBasis, () => readonly Text[]> = {
    coverage: () => coverageReasons(picture),
    consumption: () => consumptionReasons(picture),
    sold_out: () => [soldOutReason(picture)],
  };
  return [...said[basis](), ...redReasons(basis, tier, picture)];
}

function coverageReasons(picture: ItemPicture): readonly Text[] {
  const line = coverageLineOf(picture.plan, picture.move);
  if (line === null) return [];
  const impossible = unreachableTiers(picture.plan, anchorOf(picture), picture.level.allotted);
  return [covers(picture, line), ...line.reasons, ...impossible.slice(0, 1).map(({ why }) => why)];
}

function covers({ plan, level: { available } }: ItemPicture, { line, coefficientPercent }: CoverageLine): Text {
  const coefficient = coefficientPercent / 100;
  return {
    zh: `可售剩余 ${available} 件，低于覆盖线 ${Math.ceil(line)}（预估 ${plan.estimate} × ${coefficient}）`,
    en: `${available} units left to sell, below the line of ${Math.ceil(line)} (estimate ${plan.estimate} × ${coefficient})`,
  };
}

/** Percent of the estimate and of the stock are not the same: both are said. */
function consumptionReasons(picture: ItemPicture): readonly Text[] {
  const { consumed, percent, percentOfStock, estimate } = factsOf(picture);
  const present = picture.plan.estimate;
  const share = percent ?? 100;
  const first: Text = {
    zh: `已消耗 ${consumed} 件：预估 ${estimate} 的 ${share}%，可售总量的 ${percentOfStock ?? 100}%`,
    en: `${consumed} units consumed: ${share} % of the estimate of ${estimate}, ${percentOfStock ?? 100} % of the stock`,
  };
  if (present === estimate) return [first];
  return [
    first,
    {
      zh: `分档按开售时的预估 ${estimate} 计；现预估为 ${present}`,
      en: `Tiers count from the estimate at the opening, ${estimate}; the present estimate is ${present}`,
    },
  ];
}

const soldOutReason = ({ level: { allotted, held } }: ItemPicture): Text => ({
  zh: `已售罄：${allotted} 件全部占用，其中 ${held} 件未付款`,
  en: `Sold out: all ${allotted} units are taken, ${held} of them not paid yet`,
});

/** AL-17: what red asks for, and whom to call. */
function redReasons(basis: AlertBasis, tier: AlertTier, { plan, supplier }: ItemPicture): readonly Text[] {
  if (tier !== 'red') return [];
  const stop: Text =
    plan.redPolicy === 'stop'
      ? { zh: '按设定自动停售', en: 'The sale is stopped, as the plan says' }
      : { zh: '请决定：停售还是继续卖', en: 'Decide: stop the sale, or go on' };
  const call: readonly Text[] =
    supplier === null
      ? []
      : [
          {
            zh: clip(`联系供应商 ${supplier.name}：${supplier.contact}`),
            en: clip(`Call the supplier ${supplier.name}: ${supplier.contact}`),
          },
        ];
  return [...(basis === 'consumption' ? [stop] : []), ...call];
}

/** A `Text` holds 200 characters; a supplier's name and contact may have more together. */
const clip = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 199)}…`);
