import { checkCounters } from './check/check-counters.ts';
import { checkKeys, checkLimits, checkOrders } from './check/check-orders.ts';
import { checkAlerts, checkProbes, checkRest, checkSums } from './check/check-rest.ts';
import { factsOf, storiesOf } from './check/facts.ts';
import type { Violation } from './check/violation.ts';
import type { Watchers } from './clients/watchers.ts';
import type { History } from './history.ts';
import type { ShowAtRest } from './rest.ts';

/** Every check of one round: clients' history against what the product says at rest. */
export function judgeRound(
  history: History,
  rests: readonly ShowAtRest[],
  watchers: Watchers,
  unsettled: readonly string[],
): Violation[] {
  const orders = new Map(rests.flatMap(({ orders: listed }) => [...listed]));
  const stories = storiesOf(history);
  const limits = new Map(
    rests.flatMap(({ show }) =>
      show.items.flatMap(({ skuId, perBuyer }) =>
        perBuyer === null ? [] : [[`${show.livestreamId}/${skuId}`, perBuyer] as const],
      ),
    ),
  );
  const stuck = unsettled
    .slice(0, 5)
    .map((text) => ({ check: 'patience', rule: 'O5', text: `no definite answer: ${text}`, evidence: [] }));
  return [
    ...checkCounters(history, factsOf(history, stories, orders)),
    ...checkKeys(history),
    ...checkOrders(history, stories, orders),
    ...checkLimits(orders, limits),
    ...rests.flatMap((rest) => [...checkRest(rest), ...checkSums(rest), ...checkAlerts(rest)]),
    ...watchers.violations(),
    ...checkProbes(history),
    ...stuck,
  ];
}
