import type { OrderService } from '../orders/order-service.ts';
import { type RouteHandlers, refusedWith } from './request.ts';

/** The signature has been checked over the bytes before this runs; the answer is 200 only for a final outcome (A4). */
export function paymentHandlers({
  orders,
}: {
  readonly orders: Pick<OrderService, 'pay'>;
}): Pick<RouteHandlers, 'paymentCallback'> {
  return {
    async paymentCallback({ body }) {
      const result = await orders.pay(body.data);
      if (result.kind === 'refused') throw refusedWith(result.error);
      return result.outcome;
    },
  };
}
