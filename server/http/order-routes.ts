import { permits } from '../auth/access-control.ts';
import type { OrderOutcome, OrderService } from '../orders/order-service.ts';
import { buyerOf, placedBody, placedStatus } from './order-answer.ts';
import { actorOf, answerWith, HttpError, type RouteHandlers, refusedWith } from './request.ts';

type OrderHandlers = Pick<RouteHandlers, 'placeOrder' | 'myOrders' | 'listOrders' | 'cancelOrder' | 'refundOrder'>;

/** `placeOrder` is here for addresses that the fast path leaves to Express, as those with a percent sign in them. */
export function orderHandlers({ orders }: { readonly orders: OrderService }): OrderHandlers {
  return {
    async placeOrder({ params, body, grant, res }) {
      const outcome = await orders.place(params.livestreamId, buyerOf(grant, body), body);
      if (outcome.kind === 'refused') throw refusedWith(outcome.error);
      answerWith(res, placedStatus[outcome.kind]);
      return placedBody(outcome);
    },
    async myOrders({ params, grant }) {
      return { orders: [...(await orders.ordersOf(params.livestreamId, buyerOf(grant).buyerId))] };
    },
    async listOrders({ params, query }) {
      const { orderId, state, buyerId, refundDue, before, limit } = query;
      const filter = {
        livestreamId: params.livestreamId,
        limit,
        ...(orderId === undefined ? {} : { orderId }),
        ...(state === undefined ? {} : { state }),
        ...(buyerId === undefined ? {} : { buyerId }),
        ...(refundDue === undefined ? {} : { refundDue: true }),
        ...(before === undefined ? {} : { before }),
      };
      return { orders: [...(await orders.list(filter))] };
    },
    async cancelOrder({ params, grants }) {
      const { livestreamId, orderId } = params;
      const operator = permits(grants, 'manage', livestreamId);
      const by = operator ?? permits(grants, 'order', livestreamId);
      // An anchor watches; orders are not the anchor's.
      if (by === null) throw new HttpError('forbidden');
      const buyerId = operator === null ? by.buyerId : null;
      return doneOrRefused(await orders.cancel(livestreamId, orderId, buyerId, actorOf(by)));
    },
    async refundOrder({ params, body, grant }) {
      const { livestreamId, orderId } = params;
      return doneOrRefused(await orders.refund(livestreamId, orderId, actorOf(grant), body.reason, body.paymentId));
    },
  };
}

function doneOrRefused(outcome: OrderOutcome) {
  if (outcome.kind === 'refused') throw refusedWith(outcome.error);
  return { order: outcome.order };
}
