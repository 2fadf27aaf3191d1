import type { AlertTier } from '../../../contract/alerts.ts';
import { groupBy, type History } from '../history.ts';
import type { ShowAtRest } from '../rest.ts';
import { momentText, type Violation } from './violation.ts';

/** I3, I5, I6: at rest gate, ledger and screens agree, and no hold is overdue. */
export function checkRest({ show, unrest, restMs, evidence }: ShowAtRest): Violation[] {
  if (restMs !== null) return [];
  return [
    {
      check: 'rest',
      rule: 'I3',
      text: `${show.livestreamId} does not come to rest although everything is whole`,
      evidence: [...unrest.slice(0, 12), JSON.stringify(evidence.audit.items)],
    },
  ];
}

/** The ledger's counters are the sums of the orders as the API lists them. */
export function checkSums({ show, evidence, orders }: ShowAtRest): Violation[] {
  return evidence.audit.items.flatMap(({ skuId, ledger }) => {
    const unitsIn = (state: string): number =>
      [...orders.values()]
        .filter((order) => order.state === state)
        .flatMap(({ lines }) => lines.filter((line) => line.skuId === skuId))
        .reduce((sum, { quantity }) => sum + quantity, 0);
    const [held, sold] = [unitsIn('held'), unitsIn('paid')];
    if (held === ledger.held && sold === ledger.sold) return [];
    return [
      {
        check: 'sums',
        rule: 'I1',
        text: `${show.livestreamId}/${skuId}: the listed orders hold ${held} and have bought ${sold} units`,
        evidence: [JSON.stringify(ledger)],
      },
    ];
  });
}

const tiers: readonly AlertTier[] = ['yellow', 'orange', 'red'];
const percents: Record<AlertTier, number> = { yellow: 80, orange: 100, red: 120 };

/** I7: a tier is raised once for a crossing, in order, and none is missing. */
export function checkAlerts({ show, alerts, evidence }: ShowAtRest): Violation[] {
  const open = groupBy(
    alerts.filter(({ alert }) => alert.state !== 'resolved'),
    ({ alert }) => `${alert.skuId} ${alert.basis}`,
  );
  const twice = [...open]
    .filter(([, all]) => all.length > 1)
    .map(([name, all]) => ({
      check: 'alerts',
      rule: 'I7',
      text: `${show.livestreamId}: ${all.length} open alerts for ${name}`,
      evidence: all.map(({ alert }) => JSON.stringify(alert)),
    }));
  const repeated = [...groupBy(alerts, ({ alert }) => `${alert.skuId} ${alert.basis}`)].flatMap(([name, all]) => {
    // Consumption is never armed again; the others are, but an alert of theirs ends first.
    const groups = name.endsWith(' consumption') ? [all] : all.map((one) => [one]);
    return groups.flatMap((group) => repeatedTier(`${show.livestreamId}: ${name}`, group));
  });
  const missing = show.items.flatMap(({ skuId, estimate }) => {
    const item = evidence.audit.items.find((one) => one.skuId === skuId);
    if (estimate === null || item === undefined) return [];
    const consumed = item.ledger.held + item.ledger.sold;
    const raised = raisedTiers(alerts.filter(({ alert }) => alert.skuId === skuId && alert.basis === 'consumption'));
    return tiers
      .filter((tier) => consumed * 100 >= estimate * percents[tier] && !raised.includes(tier))
      .map((tier) => ({
        check: 'alerts',
        rule: 'I7',
        text: `${show.livestreamId}/${skuId}: ${consumed} of an estimate of ${estimate} are consumed and ${tier} was never raised`,
        evidence: alerts.filter(({ alert }) => alert.skuId === skuId).map(({ alert }) => JSON.stringify(alert)),
      }));
  });
  return [...twice, ...repeated, ...missing];
}

type Alerts = ShowAtRest['alerts'];

const raisedTiers = (alerts: Alerts): AlertTier[] =>
  alerts.flatMap(({ events }) =>
    events
      .filter(({ kind }) => kind === 'raised' || kind === 'tier_raised')
      .flatMap(({ note }) => tiers.filter((tier) => note.startsWith(`${tier}:`))),
  );

function repeatedTier(name: string, alerts: Alerts): Violation[] {
  const raised = raisedTiers(alerts);
  const doubled = tiers.filter((tier) => raised.filter((one) => one === tier).length > 1);
  return doubled.map((tier) => ({
    check: 'alerts',
    rule: 'I7',
    text: `${name}: ${tier} was raised more than once`,
    evidence: alerts.flatMap(({ alert, events }) => [
      JSON.stringify(alert),
      ...events.map((event) => `  ${JSON.stringify(event)}`),
    ]),
  }));
}

/** I8: what a token does not permit is refused, or the server is away; never anything else. */
export function checkProbes({ probes }: History): Violation[] {
  return probes
    .filter(({ status }) => status !== null && status < 500 && ![401, 403, 404, 429].includes(status))
    .slice(0, 5)
    .map(({ what, node, atMs, status, text }) => ({
      check: 'probes',
      rule: 'I8',
      text: `${what}: answered ${status}`,
      evidence: [`${momentText(atMs)} ${node}: ${text}`],
    }));
}
