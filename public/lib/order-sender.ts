import { type WireError, wireError } from '../../contract/errors.ts';
import type { Order } from '../../contract/orders.ts';
import type { Answer, HttpApi } from './http-api.ts';
import type { PendingOrder, PendingOrders } from './idempotency-keys.ts';
import { mayHaveEffect, nextStep } from './order-retry.ts';
import type { StockSocket } from './stock-socket.ts';

/** `undecided`: no answer for about ten seconds; the key is kept, and the same lines again continue the attempt. */
export type PlaceResult =
  | { readonly kind: 'accepted'; readonly order: Order; readonly payUrl: string }
  | { readonly kind: 'refused' | 'undecided'; readonly error: WireError };

type Line = { readonly skuId: string; readonly quantity: number };
type Placed = { readonly order: Order; readonly payUrl: string };

type Dependencies = {
  readonly livestreamId: string;
  readonly deviceId?: string | undefined;
  readonly socket: StockSocket;
  /** Joined and heard of: the socket is the quick way. */
  readonly isLive: () => boolean;
  readonly api: HttpApi;
  readonly pending: PendingOrders;
  readonly newKey: () => string;
  readonly now: () => number;
  readonly random: () => number;
};

const answerWithinMs = 4_000;

/** Sends orders over the socket, or over HTTP while the socket is down, with one key from before the first attempt to the answer (I4). */
export class OrderSender {
  readonly #with: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#with = dependencies;
  }

  pending(): readonly PendingOrder[] {
    return this.#with.pending.list();
  }

  async place(lines: readonly Line[]): Promise<PlaceResult> {
    const { pending, newKey, now, random } = this.#with;
    const { key } = pending.begin(lines, newKey);
    const sinceMs = now();
    let openAttempts = 0;
    let avoidSocket = false;
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#send(key, lines, avoidSocket);
      if (answer.ok) {
        pending.settle(key);
        return { kind: 'accepted', order: answer.value.order, payUrl: answer.value.payUrl };
      }
      const { error } = answer;
      if (mayHaveEffect(error)) openAttempts += 1;
      const step = nextStep({ error, attempt, openAttempts, elapsedMs: now() - sinceMs, random: random() });
      if (step.kind === 'refuse') pending.settle(key);
      if (step.kind !== 'retry') return { kind: step.kind === 'refuse' ? 'refused' : 'undecided', error };
      // A socket that gave no answer may be half open: the next attempt goes the other way.
      avoidSocket = error.code === 'unavailable' && !avoidSocket;
      await new Promise((resolve) => setTimeout(resolve, step.afterMs));
    }
  }

  async cancel(orderId: string): Promise<Answer<Order>> {
    const { livestreamId, socket, api, isLive } = this.#with;
    if (isLive()) {
      const answer = await answered(
        socket.timeout(answerWithinMs).emitWithAck('order:cancel', { livestreamId, orderId }),
      );
      if (answer.ok) return { ok: true, value: answer.value.order };
      if (answer.error.code !== 'unavailable') return answer;
    }
    return api.cancelOrder(livestreamId, orderId);
  }

  async list(): Promise<Answer<readonly Order[]>> {
    const { livestreamId, socket, api, isLive } = this.#with;
    if (!isLive()) return api.myOrders(livestreamId);
    const answer = await answered(socket.timeout(answerWithinMs).emitWithAck('order:list', { livestreamId }));
    return answer.ok ? { ok: true, value: answer.value.orders } : answer;
  }

  async #send(key: string, lines: readonly Line[], avoidSocket: boolean): Promise<Answer<Placed>> {
    const { livestreamId, deviceId, socket, api, isLive } = this.#with;
    const body = { idempotencyKey: key, lines: [...lines], ...(deviceId === undefined ? {} : { deviceId }) };
    if (!isLive() || avoidSocket) return api.placeOrder(livestreamId, body);
    return answered(socket.timeout(answerWithinMs).emitWithAck('order:place', { ...body, livestreamId }));
  }
}

type SocketAnswer = { readonly ok: true } | { readonly ok: false; readonly error: WireError };

/** No answer in time is `unavailable`, as it is over HTTP. */
async function answered<A extends SocketAnswer>(
  sent: Promise<A>,
): Promise<{ ok: true; value: Extract<A, { ok: true }> } | { ok: false; error: WireError }> {
  try {
    const answer = await sent;
    if (answer.ok) return { ok: true, value: answer as Extract<A, { ok: true }> };
    return { ok: false, error: answer.error };
  } catch {
    return { ok: false, error: wireError('unavailable') };
  }
}
