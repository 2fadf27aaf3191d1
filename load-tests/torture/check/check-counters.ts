import type { Allotment, History, Intent, Reading } from '../history.ts';
import { findOversold, mayLack, mayShow, type Stay } from './counter.ts';
import type { ItemFacts } from './facts.ts';
import { exchangeText, intentLines, momentText, type Violation } from './violation.ts';

/** At most so many of one kind are told: one bug breaks much. */
const toldMax = 3;

/** The counter of every item against what clients were told: acknowledged units, refusals, and what the gate showed (I1, I3). */
export function checkCounters(history: History, items: readonly ItemFacts[]): Violation[] {
  return items.flatMap((item) => [
    ...oversold(history, item),
    ...refusedThoughFree(history, item).slice(0, toldMax),
    ...shownThoughOut(history, item).slice(0, toldMax),
    ...ledgerBroken(history, item).slice(0, toldMax),
  ]);
}

function oversold(history: History, { livestreamId, skuId, certain, caps }: ItemFacts): Violation[] {
  const found = findOversold(certain, caps);
  if (found === null) return [];
  const { atMs, out, allotted, stays } = found;
  return [
    {
      check: 'counter',
      rule: 'I1',
      text: `${livestreamId}/${skuId}: at ${momentText(atMs)} at least ${out} units are promised to buyers, at most ${allotted} were allotted`,
      evidence: [...allotmentLines(history.allotments, livestreamId, skuId), ...stays.slice(-20).map(stayText)],
    },
  ];
}

function refusedThoughFree(history: History, item: ItemFacts): Violation[] {
  const { livestreamId, skuId, possible, gateCaps } = item;
  return history.intents
    .filter((intent) => intent.livestreamId === livestreamId)
    .flatMap((intent) => {
      const refused = refusalOf(intent, skuId);
      if (refused === null) return [];
      // Its own units are not in its way.
      const others = possible.filter(({ of }) => of !== intent.key);
      if (mayLack(refused.wanted, refused, others, gateCaps)) return [];
      return [
        {
          check: 'counter',
          rule: 'I3',
          text: `${livestreamId}/${skuId}: refused as ${refused.code} although ${refused.wanted} units were free the whole time`,
          evidence: [
            ...intentLines(intent),
            ...allotmentLines(history.allotments, livestreamId, skuId),
            `possibly out then: ${unitsOut(others, refused)}`,
          ],
        },
      ];
    });
}

function refusalOf(
  intent: Intent,
  skuId: string,
): { code: string; wanted: number; fromMs: number; untilMs: number } | null {
  const exchange = intent.exchanges.find(
    ({ outcome }) =>
      outcome.kind === 'refused' &&
      outcome.skuId === skuId &&
      (outcome.code === 'sold_out' || outcome.code === 'insufficient'),
  );
  if (exchange?.outcome.kind !== 'refused') return null;
  const { code } = exchange.outcome;
  const quantity = intent.lines.find((line) => line.skuId === skuId)?.quantity ?? 1;
  // A refusal stays bound to its key: it may have been decided at the first attempt.
  const fromMs = intent.exchanges[0]?.invokedAtMs ?? exchange.invokedAtMs;
  return { code, wanted: code === 'sold_out' ? 1 : quantity, fromMs, untilMs: exchange.returnedAtMs };
}

/** A gate that was asked after a promise must know of it: it may show less than is left, never more. */
function shownThoughOut(history: History, item: ItemFacts): Violation[] {
  const { livestreamId, skuId, certain, gateCaps } = item;
  return readingsOf(history, item).flatMap((reading) => {
    const { gate, invokedAtMs: fromMs, returnedAtMs: untilMs } = reading;
    if (gate === null || mayBeOldGate(history, reading)) return [];
    if (mayShow(gate.available, { fromMs, untilMs }, certain, gateCaps)) return [];
    const out = certain.filter((stay) => stay.fromMs <= fromMs && untilMs < stay.untilMs);
    return [
      {
        check: 'counter',
        rule: 'I3',
        text: `${livestreamId}/${skuId}: the gate shows ${gate.available} available of ${gate.allotted}, ${unitsOut(certain, { fromMs, untilMs })} units are promised`,
        evidence: [
          readingText(reading),
          ...allotmentLines(history.allotments, livestreamId, skuId),
          ...out.slice(-20).map(stayText),
        ],
      },
    ];
  });
}

/** Two Redis servers that both think they are the primary: for a moment each node reads its own (B4 ends it). */
const mayBeOldGate = ({ faults }: History, { invokedAtMs }: Reading): boolean =>
  faults.some(
    ({ kind, beganAtMs, healedAtMs }) =>
      kind === 'split_brain' && beganAtMs <= invokedAtMs && invokedAtMs <= healedAtMs + 3_000,
  );

function ledgerBroken(history: History, item: ItemFacts): Violation[] {
  const { livestreamId, skuId } = item;
  return readingsOf(history, item).flatMap((reading) => {
    const { ledger, allotted } = reading;
    const isWhole =
      ledger.held + ledger.sold <= allotted &&
      ledger.held === ledger.heldByOrders &&
      ledger.sold === ledger.soldByOrders;
    if (isWhole) return [];
    return [
      {
        check: 'ledger counters',
        rule: 'I1',
        text: `${livestreamId}/${skuId}: the ledger's counters are impossible`,
        evidence: [readingText(reading)],
      },
    ];
  });
}

const readingsOf = (history: History, { livestreamId, skuId }: ItemFacts): Reading[] =>
  history.readings.filter((reading) => reading.livestreamId === livestreamId && reading.skuId === skuId);

const stayText = ({ of, units, fromMs, untilMs }: Stay): string =>
  `${units} of order ${of} from ${momentText(fromMs)} until ${momentText(untilMs)}`;

const readingText = ({ node, invokedAtMs, returnedAtMs, epoch, allotted, gate, ledger }: Reading): string =>
  `${momentText(invokedAtMs)}–${momentText(returnedAtMs)} ${node}: epoch ${epoch}, allotted ${allotted}, gate ${JSON.stringify(gate)}, ledger ${JSON.stringify(ledger)}`;

const allotmentLines = (allotments: readonly Allotment[], livestreamId: string, skuId: string): string[] =>
  allotments
    .filter((one) => one.livestreamId === livestreamId && one.skuId === skuId)
    .flatMap(({ allotted, exchanges }) => exchanges.map((one) => `allot ${allotted}: ${exchangeText(one)}`))
    .slice(-8);

const unitsOut = (stays: readonly Stay[], { fromMs, untilMs }: { fromMs: number; untilMs: number }): number =>
  stays.filter((stay) => stay.fromMs <= untilMs && fromMs < stay.untilMs).reduce((sum, { units }) => sum + units, 0);
