import type { Order, OrderState } from '../../contract/orders.ts';

/** States only move to a higher rank; equal ranks are replaced. An expired order may still become paid (A4). */
const rankOf: Record<OrderState, number> = {
  held: 0,
  placed: 0,
  cancelled: 1,
  expired: 1,
  paid: 2,
  refund_due: 2,
  refunded: 3,
};

export const isUnpaid = (order: Order): boolean => order.state === 'held' || order.state === 'placed';

/** The buyer's own orders of this livestream. News may overtake answers, so a state never falls back. */
export class OrderBook {
  readonly #orders = new Map<string, Order>();
  readonly #changed: (orders: readonly Order[]) => void;

  constructor(changed: (orders: readonly Order[]) => void) {
    this.#changed = changed;
  }

  /** Newest first. */
  list(): readonly Order[] {
    return [...this.#orders.values()].sort(
      (a, b) => b.createdAtMs - a.createdAtMs || b.orderId.localeCompare(a.orderId),
    );
  }

  /** Returns true if anything is different now. */
  put(orders: readonly Order[]): boolean {
    let different = false;
    for (const order of orders) {
      const known = this.#orders.get(order.orderId);
      if (known !== undefined && rankOf[order.state] < rankOf[known.state]) continue;
      if (known?.state === order.state && known.expiresAtMs === order.expiresAtMs) continue;
      this.#orders.set(order.orderId, order);
      different = true;
    }
    if (different) this.#changed(this.list());
    return different;
  }
}
