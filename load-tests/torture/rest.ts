import type * as z from 'zod/mini';
import type { Alert, AlertEvent } from '../../contract/alerts.ts';
import type { OrderForOperator } from '../../contract/orders.ts';
import { routes } from '../../contract/routes.ts';
import { type ApiClient, Unanswered } from '../lib/api-client.ts';
import { allOrders, type Evidence, judge } from '../lib/audit.ts';
import { delay } from '../lib/limiter.ts';
import type { Watchers } from './clients/watchers.ts';
import { choose, type World } from './clients/world.ts';
import type { Show } from './show.ts';

/** What the product says of one livestream when nothing is under way any more. */
export type ShowAtRest = {
  readonly show: Show;
  /** How long it took until gate, ledger and everybody's screen agreed; null: they never did. */
  readonly restMs: number | null;
  /** Why not, in sentences. */
  readonly unrest: readonly string[];
  readonly evidence: Evidence;
  readonly orders: ReadonlyMap<string, OrderForOperator>;
  readonly alerts: readonly {
    readonly alert: z.infer<typeof Alert>;
    readonly events: readonly z.infer<typeof AlertEvent>[];
  }[];
};

/** An order is overdue when its hold ended so long ago and it still is open. */
const overdueMs = 1_500;

/** Waits until everything agrees, at most `patienceMs`; then takes the evidence as it is. */
export async function comeToRest(
  world: World,
  watchers: Watchers,
  show: Show,
  patienceMs: number,
): Promise<ShowAtRest> {
  const { livestreamId } = show;
  const beganAtMs = world.now();
  let unrest: readonly string[] = ['nothing could be read'];
  for (;;) {
    const { api } = choose(world.random, world.doors);
    const isLate = world.now() - beganAtMs > patienceMs;
    const seen = await whatItSays(api, watchers, show, isLate).catch(readFailed);
    if (typeof seen === 'string') unrest = [seen];
    else {
      unrest = [...judge(seen.evidence), ...overdue(seen.orders, world.now())];
      if (unrest.length === 0 || isLate) {
        const restMs = unrest.length === 0 ? world.now() - beganAtMs : null;
        const alerts = await alertsOf(world, show);
        return {
          show,
          restMs,
          unrest,
          ...seen,
          orders: new Map(seen.orders.map((order) => [order.orderId, order])),
          alerts,
        };
      }
    }
    if (isLate && world.now() - beganAtMs > 3 * patienceMs)
      throw new Error(`${livestreamId} cannot be read: ${unrest.join('; ')}`);
    await delay(200);
  }
}

const readFailed = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function whatItSays(
  api: ApiClient,
  watchers: Watchers,
  show: Show,
  isLate: boolean,
): Promise<{ evidence: Evidence; orders: OrderForOperator[] }> {
  const { livestreamId, operatorToken: token } = show;
  const params = { livestreamId };
  const audit = await api.need(routes.getAudit, { token, params });
  const { levels } = await api.need(routes.getLevels, { token, params });
  const { livestream } = await api.need(routes.getLivestream, { token, params });
  const books = watchers.of(livestreamId).map(({ name, viewer }) => ({ name, book: viewer.book }));
  const evidence: Evidence = { audit, levels, livestream, watchers: books, receipts: null, orders: [] };
  // Listing every order is dear: only when the rest is well, or will not be.
  const orders = isLate || judge(evidence).length === 0 ? await allOrders(api, livestreamId, token) : [];
  return { evidence, orders };
}

const overdue = (orders: readonly OrderForOperator[], nowMs: number): string[] =>
  orders
    .filter(({ state, expiresAtMs }) => (state === 'held' || state === 'placed') && expiresAtMs < nowMs - overdueMs)
    .map(
      ({ orderId, state, expiresAtMs }) =>
        `order ${orderId} is ${state}, ${nowMs - expiresAtMs} ms after its hold ended (I6)`,
    )
    .slice(0, 5);

/** Alerts follow levels a moment later: those that are due are waited for, and what is missing then is missing. */
async function alertsOf(world: World, { livestreamId, operatorToken: token }: Show): Promise<ShowAtRest['alerts']> {
  let before = '';
  for (let attempt = 0; ; attempt += 1) {
    const { api } = choose(world.random, world.doors);
    try {
      const { alerts } = await api.need(routes.listAlerts, { token, params: { livestreamId } });
      const told = JSON.stringify(alerts);
      if (told === before) {
        const whole = alerts.map(({ alertId }) =>
          api.need(routes.getAlert, { token, params: { livestreamId, alertId } }),
        );
        return await Promise.all(whole);
      }
      before = told;
    } catch (error) {
      if (attempt > 20 || !(error instanceof Unanswered)) throw error;
    }
    await delay(2_500);
  }
}
