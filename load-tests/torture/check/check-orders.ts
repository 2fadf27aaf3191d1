import type { OrderForOperator, OrderState } from '../../../contract/orders.ts';
import { type Exchange, groupBy, type History, type Intent, isDone, isOpen, type Payment } from '../history.ts';
import type { OrderStory } from './facts.ts';
import { exchangeText, intentLines, type Violation } from './violation.ts';

/** I4: one key has one order and one answer, whichever node was asked and however often. */
export function checkKeys(history: History): Violation[] {
  return history.intents.flatMap((intent) => {
    const done = intent.exchanges.filter(isDone);
    const wrong = [...keyFaults(intent, done)];
    return wrong.map((text) => ({ check: 'keys', rule: 'I4', text, evidence: intentLines(intent) }));
  });
}

function keyFaults(
  intent: Intent,
  done: readonly (Exchange<object> & {
    outcome: { order: { orderId: string; lines: Intent['lines'] }; answer: string };
  })[],
): string[] {
  const ids = new Set(done.map(({ outcome }) => outcome.order.orderId));
  const found: string[] = [];
  if (ids.size > 1) found.push(`one key has ${ids.size} orders: ${[...ids].join(', ')}`);
  if (done.filter(({ outcome }) => outcome.answer === 'accepted').length > 1) found.push('one key was accepted twice');
  if (done.some(({ outcome }) => linesText(outcome.order.lines) !== linesText(intent.lines)))
    found.push('the order has other lines than were asked for');
  const firstDone = intent.exchanges.findIndex(isDone);
  const refusedLater = intent.exchanges.find(
    (exchange, index) =>
      firstDone >= 0 &&
      index > firstDone &&
      exchange.outcome.kind === 'refused' &&
      !isOpen(exchange) &&
      exchange.invokedAtMs >= (intent.exchanges[firstDone]?.returnedAtMs ?? 0),
  );
  if (refusedLater?.outcome.kind === 'refused')
    found.push(`a key that has an order was refused as ${refusedLater.outcome.code}`);
  return found;
}

const linesText = (lines: Intent['lines']): string =>
  lines
    .map(({ skuId, quantity }) => `${skuId} ${quantity}`)
    .sort()
    .join();

/** I2: what buyers were told is in the ledger, in a state that the history allows, and nothing else is. */
export function checkOrders(
  history: History,
  stories: readonly OrderStory[],
  orders: ReadonlyMap<string, OrderForOperator>,
): Violation[] {
  const told = new Map(stories.map((story) => [story.orderId, story]));
  const missing = stories.flatMap((story) => {
    const order = orders.get(story.orderId);
    const text = order === undefined ? 'an acknowledged order is not in the ledger' : stateFault(story, order);
    return text === null
      ? []
      : [{ check: 'orders', rule: 'I2', text: `${story.orderId}: ${text}`, evidence: storyLines(story, order) }];
  });
  return [...missing, ...strangers(history, told, orders), ...doubledPayments(stories, orders)];
}

function stateFault(story: OrderStory, order: OrderForOperator): string | null {
  if (order.buyerId !== story.intent.buyerId) return `belongs to ${order.buyerId}`;
  if (linesText(order.lines) !== linesText(story.intent.lines)) return `has the lines ${linesText(order.lines)}`;
  const allowed = allowedStates(story);
  return allowed.has(order.state) ? null : `is ${order.state}; its history allows ${[...allowed].join(', ')}`;
}

/** Every state in which the order may be at the end, by what was asked and what was answered. */
function allowedStates(story: OrderStory): Set<OrderState> {
  const { payments, cancels, refunds } = story;
  const outcomes = new Set(
    payments.flatMap(({ exchanges }) => exchanges.filter(isDone).map(({ outcome }) => outcome.outcome)),
  );
  const isPaid = outcomes.has('paid');
  const mayBePaid = isPaid || payments.some(({ exchanges }) => exchanges.some(isOpen));
  const isCancelled = cancels.some(({ exchanges }) => exchanges.some(isDone));
  const mayBeCancelled = isCancelled || cancels.some(({ exchanges }) => exchanges.some(isOpen));
  const isRefunded = refunds.some(({ exchanges }) =>
    exchanges.filter(isDone).some(({ outcome }) => outcome.state === 'refunded'),
  );
  const mayBeRefunded = isRefunded || refunds.some(({ exchanges }) => exchanges.some(isOpen));
  const mayBeDue = outcomes.has('refund_due') || payments.some(({ exchanges }) => exchanges.some(isOpen));
  const states = new Set<OrderState>();
  if (isRefunded) return states.add('refunded');
  if (mayBeRefunded) states.add('refunded');
  if (isPaid) return states.add('paid');
  if (mayBePaid) states.add('paid');
  if (mayBeDue) states.add('refund_due');
  // Money that has been answered for is not silent: such an order is neither open nor merely expired.
  if (outcomes.has('refund_due')) return states;
  if (isCancelled) return states.add('cancelled');
  if (mayBeCancelled) states.add('cancelled');
  for (const state of [story.takes === 'pay' ? 'placed' : 'held', 'expired'] as const) states.add(state);
  if (story.takes === null) states.add('placed');
  return states;
}

/** Orders of nobody: every row belongs to a key that was sent and was never refused for good. */
function strangers(
  history: History,
  told: ReadonlyMap<string, OrderStory>,
  orders: ReadonlyMap<string, OrderForOperator>,
): Violation[] {
  const open = history.intents.filter(({ exchanges }) => exchanges.every(isOpen));
  const places = groupBy(open, ({ livestreamId, buyerId, lines }) => `${livestreamId} ${buyerId} ${linesText(lines)}`);
  return [...orders.values()].flatMap((order) => {
    if (told.has(order.orderId)) return [];
    const place = places.get(`${order.livestreamId} ${order.buyerId} ${linesText(order.lines)}`);
    if (place?.pop() !== undefined) return [];
    const buyers = history.intents.filter(
      ({ buyerId, livestreamId }) => buyerId === order.buyerId && livestreamId === order.livestreamId,
    );
    return [
      {
        check: 'orders',
        rule: 'I4',
        text: `${order.orderId} (${order.state}) is in the ledger and no key can have made it`,
        evidence: [`${order.buyerId}: ${linesText(order.lines)}`, ...buyers.flatMap(intentLines).slice(-20)],
      },
    ];
  });
}

/** No payment is silent: what was answered is on the order, once. */
function doubledPayments(stories: readonly OrderStory[], orders: ReadonlyMap<string, OrderForOperator>): Violation[] {
  return stories.flatMap((story) => {
    const order = orders.get(story.orderId);
    if (order === undefined) return [];
    return story.payments.flatMap((payment) => {
      const text = paymentFault(payment, order);
      return text === null
        ? []
        : [
            {
              check: 'payments',
              rule: 'A4',
              text: `${payment.paymentId}: ${text}`,
              evidence: storyLines(story, order),
            },
          ];
    });
  });
}

function paymentFault({ paymentId, exchanges }: Payment, order: OrderForOperator): string | null {
  const outcomes = new Set(exchanges.filter(isDone).map(({ outcome }) => outcome.outcome));
  if (outcomes.size > 1) return `has two answers: ${[...outcomes].join(', ')}`;
  const [outcome] = outcomes;
  const row = order.payments.find((one) => one.paymentId === paymentId);
  if (outcome === undefined) return null;
  if (row === undefined) return `was answered ${outcome} and is not on the order`;
  const allowed = outcome === 'paid' ? ['accepted', 'refunded'] : ['refund_due', 'refunded'];
  if (!allowed.includes(row.state)) return `was answered ${outcome} and is ${row.state}`;
  const kept = order.payments.filter(({ state }) => state === 'accepted').length;
  if (order.state === 'paid' && kept !== 1) return `the order is paid by ${kept} payments`;
  return null;
}

function storyLines(story: OrderStory, order: OrderForOperator | undefined): string[] {
  return [
    ...intentLines(story.intent),
    ...story.payments.flatMap(({ paymentId, exchanges }) =>
      exchanges.map((one) => `  pay ${paymentId} ${exchangeText(one)}`),
    ),
    ...[...story.cancels, ...story.refunds].flatMap(({ kind, exchanges }) =>
      exchanges.map((one) => `  ${kind} ${exchangeText(one)}`),
    ),
    `  in the ledger: ${JSON.stringify(order ?? null)}`,
  ];
}

/** G4: no buyer ends with more units than the limit, whatever was lost meanwhile. */
export function checkLimits(
  orders: ReadonlyMap<string, OrderForOperator>,
  limits: ReadonlyMap<string, number>,
): Violation[] {
  const counted: ReadonlySet<OrderState> = new Set(['held', 'placed', 'paid']);
  const units = new Map<string, { sum: number; orders: string[] }>();
  for (const { orderId, livestreamId, buyerId, state, lines } of orders.values()) {
    if (!counted.has(state)) continue;
    for (const { skuId, quantity } of lines) {
      const name = `${livestreamId}/${skuId} ${buyerId}`;
      const known = units.get(name) ?? { sum: 0, orders: [] };
      known.sum += quantity;
      known.orders.push(`${orderId} ${state} ${quantity}`);
      units.set(name, known);
    }
  }
  return [...units].flatMap(([name, { sum, orders: ids }]) => {
    const limit = limits.get(name.split(' ')[0] ?? '');
    return limit === undefined || sum <= limit
      ? []
      : [{ check: 'limits', rule: 'G4', text: `${name} has ${sum} units, the limit is ${limit}`, evidence: ids }];
  });
}
