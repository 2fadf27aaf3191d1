import { routes } from '../../contract/routes.ts';
import type { ApiClient, CallResult } from '../lib/api-client.ts';
import type { Receipt } from '../lib/audit.ts';
import { overHttp, overSocket, type Placed, placeOrder, reopeningSocket } from '../lib/buyer.ts';
import { delay, limiter } from '../lib/limiter.ts';
import { insist, type Pay, type Tried } from '../lib/payment.ts';
import type { Random } from '../lib/random.ts';
import { issueToken } from '../lib/stage.ts';
import type { Plan, PlannedOrder, PlannedRefund } from './plan.ts';
import type { Timed } from './schedule.ts';
import type { Sale } from './selection.ts';

export type RunSettings = {
  readonly api: ApiClient;
  readonly url: string;
  readonly livestreamId: string;
  /** Service or admin: issues the buyers' tokens. */
  readonly token: string;
  readonly operatorToken: string;
  readonly pay: Pay;
  /** Longest wait of a buyer before he pays or cancels, in ms of the wall; 0: at once. */
  readonly fateWithinMs: number;
  /** Orders in flight at once; further ones wait and the report says how late the schedule ran. */
  readonly concurrency: number;
  readonly attemptsMax: number;
  /** Issue every buyer's token before the first order: their cost must not slow a measurement. */
  readonly tokensAhead: boolean;
  readonly random: Random;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Ends the replay early: nothing new is sent, what is under way is finished. */
  readonly signal: AbortSignal;
  /** After every order or refund. */
  readonly onStep: (done: number, outcomes: Outcomes) => void;
};

/** Everything that happened, for the report. */
export type Outcomes = {
  /** accepted, duplicate, unanswered, or the refusal's code. */
  readonly orders: Map<string, number>;
  readonly unitsAccepted: Map<string, number>;
  readonly receipts: Map<string, Receipt>;
  readonly latenciesMs: { readonly http: number[]; readonly socket: number[] };
  readonly fates: { paid: number; cancelled: number; leftToExpire: number; refundDue: number; payFailed: number };
  readonly refunds: { refunded: number; saleNotAccepted: number; saleNotPaid: number; failed: number };
  /** Further attempts with the same key. */
  retries: number;
  /** Replay time of the first refusal for want of units, by item. */
  readonly refusedAt: Map<string, { replayMs: number; wallAtMs: number }>;
  /** How late the latest order was sent, against its schedule. */
  lateMsMax: number;
  readonly startedAtMs: number;
  endedAtMs: number;
  /** First reasons of failed payments, refunds and unanswered orders, at most 10. */
  readonly failures: string[];
};

type Bought = { readonly receipt: Receipt; readonly paid: Promise<boolean> } | null;

/** Plays the plan against the server. Never rejects for what a server can answer; what went wrong is counted. */
export async function runReplay(plan: Plan, settings: RunSettings): Promise<Outcomes> {
  return new Run(plan, settings).play();
}

class Run {
  readonly #plan: Plan;
  readonly #settings: RunSettings;
  readonly #outcomes: Outcomes;
  readonly #inFlight: ReturnType<typeof limiter>;
  readonly #paying = limiter(32);
  readonly #tokens = new Map<string, Promise<string>>();
  /** A refund may come in the same minute as its sale, even before it was sent: every sale has its promise from the start. */
  readonly #bought = new Map<Sale, { readonly promise: Promise<Bought>; readonly resolve: (bought: Bought) => void }>();
  readonly #tasks: Promise<void>[] = [];
  #done = 0;

  constructor(plan: Plan, settings: RunSettings) {
    this.#plan = plan;
    this.#settings = settings;
    this.#inFlight = limiter(settings.concurrency);
    this.#outcomes = {
      orders: new Map(),
      unitsAccepted: new Map(),
      receipts: new Map(),
      latenciesMs: { http: [], socket: [] },
      fates: { paid: 0, cancelled: 0, leftToExpire: 0, refundDue: 0, payFailed: 0 },
      refunds: { refunded: 0, saleNotAccepted: 0, saleNotPaid: 0, failed: 0 },
      retries: 0,
      refusedAt: new Map(),
      lateMsMax: 0,
      startedAtMs: settings.now(),
      endedAtMs: 0,
      failures: [],
    };
    for (const { one } of plan.events) if (one.kind === 'order') this.#bought.set(one.sale, deferred<Bought>());
  }

  async play(): Promise<Outcomes> {
    const { now, signal, tokensAhead } = this.#settings;
    if (tokensAhead) await this.#issueTokens();
    const startedAtMs = now();
    for (const event of this.#plan.events) {
      await delay(startedAtMs + event.wallMs - now(), signal);
      if (signal.aborted) break;
      const dueAtMs = startedAtMs + event.wallMs;
      const { one } = event;
      this.#tasks.push(one.kind === 'order' ? this.#order(event, one, dueAtMs) : this.#refund(one));
    }
    // Sales that were never sent have nothing to refund.
    for (const { resolve } of this.#bought.values()) if (signal.aborted) resolve(null);
    await Promise.all(this.#tasks);
    return Object.assign(this.#outcomes, { startedAtMs, endedAtMs: now() });
  }

  async #issueTokens(): Promise<void> {
    const atOnce = limiter(16);
    const orders = this.#plan.events.flatMap(({ one }) => (one.kind === 'order' ? [one] : []));
    await Promise.all(orders.map((order) => atOnce(() => this.#tokenOf(order.buyerId))));
  }

  #tokenOf(buyerId: string): Promise<string> {
    const known = this.#tokens.get(buyerId);
    if (known !== undefined) return known;
    const { api, token, livestreamId } = this.#settings;
    const issued = issueToken(api, token, livestreamId, { role: 'viewer', buyerId, deviceId: buyerId });
    this.#tokens.set(buyerId, issued);
    return issued;
  }

  async #order(event: Timed<unknown>, order: PlannedOrder, dueAtMs: number): Promise<void> {
    const bought = this.#bought.get(order.sale);
    try {
      const placed = await this.#inFlight(async () => {
        const late = this.#settings.now() - dueAtMs;
        if (event.wallMs > 0) this.#outcomes.lateMsMax = Math.max(this.#outcomes.lateMsMax, late);
        return this.#place(order);
      });
      bought?.resolve(this.#record(event, order, placed));
    } catch (error) {
      this.#fail(`order of line ${order.sale.lineNumber}: ${String(error)}`);
      count(this.#outcomes.orders, 'failed');
      bought?.resolve(null);
    }
    this.#step();
    const receipt = await bought?.promise;
    await receipt?.paid;
  }

  async #place(order: PlannedOrder): Promise<Placed> {
    const { api, url, livestreamId, attemptsMax, random, now } = this.#settings;
    const token = await this.#tokenOf(order.buyerId);
    const wanted = {
      idempotencyKey: order.idempotencyKey,
      lines: [{ skuId: order.skuId, quantity: order.quantity }],
    };
    const patience = { attemptsMax, random, now };
    if (order.via === 'http') return placeOrder(overHttp(api, livestreamId, token), wanted, patience);
    const socket = reopeningSocket(url, token);
    try {
      await socket.get().catch(() => {
        // The first attempt of the order tries again, and counts.
      });
      return await placeOrder(overSocket(socket.get, livestreamId), wanted, patience);
    } finally {
      socket.close();
    }
  }

  #record({ replayMs }: Timed<unknown>, order: PlannedOrder, { answer, latencyMs, attempts }: Placed): Bought {
    const { orders, unitsAccepted, receipts, latenciesMs, refusedAt } = this.#outcomes;
    this.#outcomes.retries += attempts - 1;
    if (answer.kind === 'unanswered') {
      count(orders, 'unanswered');
      this.#fail(`order of line ${order.sale.lineNumber}: ${answer.reason}`);
      return null;
    }
    latenciesMs[order.via].push(latencyMs);
    if (answer.kind === 'refused') {
      count(orders, answer.code);
      const forWantOfUnits = answer.code === 'sold_out' || answer.code === 'insufficient';
      if (forWantOfUnits && !refusedAt.has(order.skuId))
        refusedAt.set(order.skuId, { replayMs, wallAtMs: this.#settings.now() });
      return null;
    }
    count(orders, answer.kind);
    count(unitsAccepted, order.skuId, order.quantity);
    const { orderId } = answer.order;
    const receipt: Receipt = { orderId, skuId: order.skuId, quantity: order.quantity, state: 'open' };
    receipts.set(orderId, receipt);
    return { receipt, paid: this.#meetFate(order, answer) };
  }

  async #meetFate(
    order: PlannedOrder,
    { order: accepted, payUrl }: Placed['answer'] & { order: Parameters<Pay>[0]; payUrl: string },
  ): Promise<boolean> {
    const { fates } = this.#outcomes;
    if (order.fate.kind === 'expire') {
      fates.leftToExpire += 1;
      return false;
    }
    await delay(order.fate.afterShare * this.#settings.fateWithinMs, this.#settings.signal);
    if (order.fate.kind === 'cancel') {
      await this.#paying(() => this.#cancel(order, accepted.orderId));
      return false;
    }
    const result = await this.#paying(() => this.#settings.pay(accepted, payUrl));
    if (result.kind === 'failed') {
      fates.payFailed += 1;
      this.#note(accepted.orderId, 'unknown');
      this.#fail(`payment of ${accepted.orderId}: ${result.reason}`);
      return false;
    }
    this.#note(accepted.orderId, result.kind);
    if (result.kind === 'paid') fates.paid += 1;
    else fates.refundDue += 1;
    return result.kind === 'paid';
  }

  async #cancel(order: PlannedOrder, orderId: string): Promise<void> {
    const { api, livestreamId } = this.#settings;
    const token = await this.#tokenOf(order.buyerId);
    const result = await insist(async () =>
      stateOf(await api.call(routes.cancelOrder, { token, params: { livestreamId, orderId } }), 'cancelled'),
    );
    if (result.kind === 'done') this.#outcomes.fates.cancelled += 1;
    else this.#fail(`cancelling ${orderId}: ${result.reason}`);
    this.#note(orderId, result.kind === 'done' ? 'cancelled' : 'unknown');
  }

  async #refund({ sale }: PlannedRefund): Promise<void> {
    const { refunds } = this.#outcomes;
    const bought = (await this.#bought.get(sale)?.promise) ?? null;
    if (bought === null) refunds.saleNotAccepted += 1;
    else if (!(await bought.paid)) refunds.saleNotPaid += 1;
    else await this.#paying(() => this.#giveBack(bought.receipt.orderId));
    this.#step();
  }

  async #giveBack(orderId: string): Promise<void> {
    const { api, livestreamId, operatorToken: token } = this.#settings;
    const body = { reason: 'returned, as in the order file' };
    const result = await insist(async () =>
      stateOf(await api.call(routes.refundOrder, { token, params: { livestreamId, orderId }, body }), 'refunded'),
    );
    if (result.kind === 'done') this.#outcomes.refunds.refunded += 1;
    else {
      this.#outcomes.refunds.failed += 1;
      this.#fail(`refund of ${orderId}: ${result.reason}`);
    }
    this.#note(orderId, result.kind === 'done' ? 'refunded' : 'unknown');
  }

  #note(orderId: string, state: Receipt['state']): void {
    const receipt = this.#outcomes.receipts.get(orderId);
    if (receipt !== undefined) this.#outcomes.receipts.set(orderId, { ...receipt, state });
  }

  #fail(text: string): void {
    if (this.#outcomes.failures.length < 10) this.#outcomes.failures.push(text);
  }

  #step(): void {
    this.#done += 1;
    this.#settings.onStep(this.#done, this.#outcomes);
  }
}

function count(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

/** An order that has reached this state, or why it has not. */
function stateOf(result: CallResult<{ order: { state: string } }>, wanted: string): Tried<string> {
  if (!result.ok) return { reason: result.error.code, again: result.error.action === 'retry' };
  const { state } = result.answer.order;
  return state === wanted ? { value: state } : { reason: `the order is ${state}`, again: false };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
