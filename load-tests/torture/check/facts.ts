import type { OrderForOperator } from '../../../contract/orders.ts';
import {
  type Allotment,
  doneOf,
  type Ending,
  type Exchange,
  type FaultWindow,
  firstInvokeOf,
  groupBy,
  type History,
  type Intent,
  isDone,
  isOpen,
  lastReturnOf,
  type Payment,
} from '../history.ts';
import type { Cap, Stay } from './counter.ts';

/** How long the gate may take to hear of what the ledger did, in healthy times and on a machine that does other work (A3, I3, I6). */
export const settleMs = 5_000;
/** A pending attempt of unknown outcome may hold its units so much longer. */
const pendingLeaseMs = 2_500;

/** Everything that was done to one order of this client. */
export type OrderStory = {
  readonly intent: Intent;
  readonly orderId: string;
  /** null: the order was never seen in its first state. */
  readonly takes: 'hold' | 'pay' | null;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly expiresAtMs: number;
  readonly totalMinor: number;
  readonly payments: readonly Payment[];
  readonly cancels: readonly Ending[];
  readonly refunds: readonly Ending[];
};

export function storiesOf(history: History): OrderStory[] {
  const payments = groupBy(history.payments, ({ orderId }) => orderId);
  const endings = groupBy(history.endings, ({ orderId }) => orderId);
  return history.intents.flatMap((intent) => {
    const answered = doneOf(intent.exchanges);
    if (answered === undefined) return [];
    const { order } = answered.outcome;
    const seen = new Set(intent.exchanges.filter(isDone).map(({ outcome }) => outcome.order.state));
    const mine = endings.get(order.orderId) ?? [];
    return [
      {
        intent,
        orderId: order.orderId,
        takes: seen.has('held') ? 'hold' : seen.has('placed') ? 'pay' : null,
        askedAtMs: firstInvokeOf(intent.exchanges),
        answeredAtMs: answered.returnedAtMs,
        expiresAtMs: order.expiresAtMs,
        totalMinor: order.totalMinor,
        payments: payments.get(order.orderId) ?? [],
        cancels: mine.filter(({ kind }) => kind === 'cancel'),
        refunds: mine.filter(({ kind }) => kind === 'refund'),
      } as const,
    ];
  });
}

/** A moment by which the gate has followed: `settleMs` of healthy time later. */
export function settledAfter(atMs: number, faults: readonly FaultWindow[]): number {
  let until = atMs + settleMs;
  for (const { beganAtMs, healedAtMs } of [...faults].sort((a, b) => a.beganAtMs - b.beganAtMs)) {
    if (beganAtMs <= until && healedAtMs + settleMs > until) until = healedAtMs + settleMs;
  }
  return until;
}

const earliest = (endings: readonly { readonly exchanges: readonly Exchange<unknown>[] }[]): number =>
  Math.min(...endings.map(({ exchanges }) => firstInvokeOf(exchanges)), Number.POSITIVE_INFINITY);

/** When this order's units are certainly out, however late it took them and however early it gave them back. */
export function certainStays(story: OrderStory): { fromMs: number; untilMs: number }[] {
  const stays: { fromMs: number; untilMs: number }[] = [];
  const refundedFromMs = earliest(story.refunds);
  if (story.takes === 'hold') {
    stays.push({
      fromMs: story.answeredAtMs,
      untilMs: Math.min(story.expiresAtMs, earliest(story.cancels), refundedFromMs),
    });
  }
  for (const { exchanges } of story.payments) {
    const paid = exchanges.filter(isDone).find(({ outcome }) => outcome.outcome === 'paid');
    if (paid !== undefined) stays.push({ fromMs: paid.returnedAtMs, untilMs: refundedFromMs });
  }
  return merged(stays);
}

/** Overlapping stays of one order are one: its units are not out twice. */
function merged(stays: readonly { fromMs: number; untilMs: number }[]): { fromMs: number; untilMs: number }[] {
  const whole: { fromMs: number; untilMs: number }[] = [];
  for (const stay of [...stays].sort((a, b) => a.fromMs - b.fromMs)) {
    if (stay.fromMs >= stay.untilMs) continue;
    const last = whole.at(-1);
    if (last !== undefined && stay.fromMs <= last.untilMs) last.untilMs = Math.max(last.untilMs, stay.untilMs);
    else whole.push({ ...stay });
  }
  return whole;
}

/** When this order's units may be out at the gate: from the first question until the gate has certainly heard of the end. */
function possibleStay(story: OrderStory, final: OrderForOperator | undefined, faults: readonly FaultWindow[]) {
  const settled = (atMs: number) => settledAfter(atMs, faults);
  const payEndsMs = Math.max(
    ...story.payments.map(({ exchanges }) => settled(lastReturnOf(exchanges) + pendingLeaseMs)),
    0,
  );
  const gone = (endings: readonly Ending[]) =>
    Math.max(...endings.map(({ exchanges }) => settled(lastReturnOf(exchanges))), 0);
  const untilMs = (): number => {
    switch (final?.state) {
      case 'cancelled':
        return Math.max(gone(story.cancels), payEndsMs);
      case 'expired':
        return Math.max(settled(story.expiresAtMs), payEndsMs);
      case 'refund_due':
      case 'refunded':
        return Math.max(gone(story.refunds), settled(story.expiresAtMs), payEndsMs, gone(story.cancels));
      default:
        return Number.POSITIVE_INFINITY;
    }
  };
  return { fromMs: story.askedAtMs, untilMs: untilMs() };
}

/** Attempts that came to no order may have kept units for a while; those whose outcome nobody ever learned, for ever. */
function attemptStay(intent: Intent, faults: readonly FaultWindow[]): { fromMs: number; untilMs: number } {
  const { exchanges } = intent;
  const last = exchanges.at(-1);
  const open = last === undefined || isOpen(last);
  return {
    fromMs: firstInvokeOf(exchanges),
    untilMs: open ? Number.POSITIVE_INFINITY : settledAfter(lastReturnOf(exchanges) + pendingLeaseMs, faults),
  };
}

/** What clients know of one item. */
export type ItemFacts = {
  readonly livestreamId: string;
  readonly skuId: string;
  readonly certain: Stay[];
  readonly possible: Stay[];
  /** In force in the ledger. */
  readonly caps: Cap[];
  /** In force at the gate, which may hear of a change a little later. */
  readonly gateCaps: Cap[];
};

export function factsOf(
  history: History,
  stories: readonly OrderStory[],
  orders: ReadonlyMap<string, OrderForOperator>,
): ItemFacts[] {
  const { faults } = history;
  const items = new Map<string, ItemFacts>();
  const itemOf = (livestreamId: string, skuId: string): ItemFacts => {
    const name = `${livestreamId}/${skuId}`;
    const known = items.get(name) ?? { livestreamId, skuId, certain: [], possible: [], caps: [], gateCaps: [] };
    items.set(name, known);
    return known;
  };
  const byKey = new Map(stories.map((story) => [story.intent, story]));
  for (const intent of history.intents) {
    const story = byKey.get(intent);
    const certain = story === undefined ? [] : certainStays(story);
    const possible =
      story === undefined ? attemptStay(intent, faults) : possibleStay(story, orders.get(story.orderId), faults);
    const of = story?.orderId ?? intent.key;
    for (const { skuId, quantity: units } of intent.lines) {
      const item = itemOf(intent.livestreamId, skuId);
      for (const stay of certain) item.certain.push({ of, units, ...stay });
      item.possible.push({ of, units, ...possible });
    }
  }
  for (const [, allotments] of groupBy(history.allotments, ({ livestreamId, skuId }) => `${livestreamId}/${skuId}`)) {
    const [first] = allotments;
    if (first === undefined) continue;
    const item = itemOf(first.livestreamId, first.skuId);
    item.caps.push(...capsOf(allotments, (atMs) => atMs));
    item.gateCaps.push(...capsOf(allotments, (atMs) => settledAfter(atMs, faults)));
  }
  return [...items.values()];
}

/** One operator sets an item's allotment at a time: each is in force from its question until the next that took effect was answered. */
function capsOf(allotments: readonly Allotment[], known: (atMs: number) => number): Cap[] {
  return allotments.flatMap(({ allotted, exchanges }, index) => {
    const certainly = exchanges.some(isDone);
    if (!certainly && !exchanges.some(isOpen)) return [];
    const next = allotments.slice(index + 1).find((later) => later.exchanges.some(isDone));
    const untilMs =
      next === undefined
        ? Number.POSITIVE_INFINITY
        : known(doneOf(next.exchanges)?.returnedAtMs ?? Number.POSITIVE_INFINITY);
    return [{ allotted, fromMs: firstInvokeOf(exchanges), untilMs }];
  });
}
