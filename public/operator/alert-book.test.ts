import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Alert } from '../../contract/alerts.ts';
import { AlertBook, asksForAction, newsOf, nextAlert, sortAlerts, tiersOf } from './alert-book.ts';

const nowMs = 1_000_000;
const alert = (change: Partial<Alert> = {}): Alert => ({
  alertId: 'a',
  livestreamId: 'demo',
  skuId: 'tea',
  basis: 'consumption',
  tier: 'orange',
  state: 'raised',
  raisedAtMs: 1_000,
  tierRaisedAtMs: 1_000,
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
});
const idsOf = (alerts: readonly Alert[]) => alerts.map(({ alertId }) => alertId).join(' ');

test('[CO-4] red comes before orange before yellow, the newest of a tier first; what asks for nothing comes last', () => {
  const queue = sortAlerts(
    [
      alert({ alertId: 'yellow', tier: 'yellow', tierRaisedAtMs: 9_000 }),
      alert({ alertId: 'red-known', tier: 'red', state: 'acknowledged', tierRaisedAtMs: 9_900 }),
      alert({ alertId: 'red-old', tier: 'red', tierRaisedAtMs: 2_000 }),
      alert({ alertId: 'red-new', tier: 'red', tierRaisedAtMs: 3_000 }),
      alert({ alertId: 'orange-silent', silencedUntilMs: nowMs + 1 }),
      alert({ alertId: 'orange' }),
      alert({ alertId: 'yellow-muted', tier: 'yellow', muted: true }),
    ],
    nowMs,
  );
  expect(idsOf(queue)).toBe('red-new red-old orange yellow red-known orange-silent yellow-muted');
});

test('[CO-4] a silence that is over asks for action again', () => {
  expect(asksForAction(alert({ silencedUntilMs: nowMs + 1 }), nowMs)).toBe(false);
  expect(asksForAction(alert({ silencedUntilMs: nowMs }), nowMs)).toBe(true);
});

test('[CO-4] the order does not depend on the order of arrival', () => {
  const anAlert = fc.record({
    alertId: fc.uuid(),
    tier: fc.constantFrom('yellow', 'orange', 'red'),
    state: fc.constantFrom('raised', 'acknowledged'),
    tierRaisedAtMs: fc.nat(5),
    muted: fc.boolean(),
  } as const);
  fc.assert(
    fc.property(fc.uniqueArray(anAlert, { selector: ({ alertId }) => alertId }), (changes) => {
      const alerts = changes.map((change) => alert(change));
      expect(idsOf(sortAlerts(alerts.toReversed(), nowMs))).toBe(idsOf(sortAlerts(alerts, nowMs)));
    }),
  );
});

test('[CO-5] the next alert goes round the queue, and begins anew when the chosen one has left it', () => {
  const queue = [alert({ alertId: 'a' }), alert({ alertId: 'b' })];
  expect(nextAlert(queue, null)?.alertId).toBe('a');
  expect(nextAlert(queue, 'a')?.alertId).toBe('b');
  expect(nextAlert(queue, 'b')?.alertId).toBe('a');
  expect(nextAlert(queue, 'gone')?.alertId).toBe('a');
  expect(nextAlert([], 'a')).toBeUndefined();
});

test('[CO-6] a new alert, a higher tier and one raised again are news; everything else merely changes', () => {
  expect(newsOf(undefined, alert())).toBe('raised');
  expect(newsOf(alert({ tier: 'yellow' }), alert({ tier: 'red' }))).toBe('raised');
  expect(newsOf(alert({ state: 'acknowledged' }), alert())).toBe('raised');
  expect(newsOf(alert(), alert({ escalation: 1 }))).toBe('changed');
  expect(newsOf(alert({ tier: 'red' }), alert({ tier: 'yellow' }))).toBe('changed');
  expect(newsOf(alert(), alert({ state: 'acknowledged' }))).toBe('changed');
  expect(newsOf(undefined, alert({ state: 'acknowledged' }))).toBe('none');
});

test('[CO-7] a list replaces what is known, but not what came by itself after it was asked for', () => {
  const book = new AlertBook();
  book.put(alert({ alertId: 'gone' }));
  book.put(alert({ alertId: 'known' }));
  const take = book.expectList();
  book.put(alert({ alertId: 'known', state: 'acknowledged' }));
  book.put(alert({ alertId: 'new' }));
  take([alert({ alertId: 'known' }), alert({ alertId: 'missed' })]);
  expect(book.find('known')?.state).toBe('acknowledged');
  expect(idsOf(book.all().toSorted((a, b) => (a.alertId < b.alertId ? -1 : 1)))).toBe('known missed new');
});

test('[CO-7] of two lists under way each keeps what came after its own question', () => {
  const book = new AlertBook();
  const takeFirst = book.expectList();
  const takeSecond = book.expectList();
  takeFirst([alert()]);
  book.put(alert({ state: 'acknowledged' }));
  takeSecond([alert()]);
  expect(book.find('a')?.state).toBe('acknowledged');
});

test('[CO-7] a list that did not come changes nothing', () => {
  const book = new AlertBook();
  book.put(alert());
  expect(book.expectList()(null)).toEqual([]);
  expect(idsOf(book.all())).toBe('a');
});

test('[CO-6] what was raised while the connection was away is news of the list', () => {
  const book = new AlertBook();
  book.put(alert({ alertId: 'known' }));
  const raised = book.expectList()([alert({ alertId: 'known' }), alert({ alertId: 'missed', tier: 'red' })]);
  expect(idsOf(raised)).toBe('missed');
});

test('[CO-7] resolved alerts are kept up to a bound, the latest ones', () => {
  const book = new AlertBook(2);
  for (const at of [1, 2, 3]) book.put(alert({ alertId: `r${at}`, state: 'resolved', resolvedAtMs: at }));
  book.put(alert({ alertId: 'open' }));
  expect(idsOf(book.all())).toBe('r2 r3 open');
});

test('[CO-3] an item has the highest tier of its open alerts', () => {
  const tiers = tiersOf([
    alert({ alertId: '1', tier: 'yellow' }),
    alert({ alertId: '2', tier: 'orange', state: 'acknowledged' }),
    alert({ alertId: '3', tier: 'red', state: 'resolved' }),
  ]);
  expect([...tiers]).toEqual([['tea', 'orange']]);
});
