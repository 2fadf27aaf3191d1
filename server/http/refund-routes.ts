import type { RefundDesk, RefundOutcome } from '../orders/refund-desk.ts';
import { actorOf, type RouteHandlers, refusedWith } from './request.ts';

/** The callback's signature has been checked over the bytes before its handler runs. */
export function refundHandlers({
  refunds,
}: {
  readonly refunds: Pick<RefundDesk, 'list' | 'change' | 'told'>;
}): Pick<RouteHandlers, 'listRefunds' | 'changeRefund' | 'refundCallback'> {
  return {
    async listRefunds({ params: { livestreamId }, query: { state, limit } }) {
      const filter = { livestreamId, limit, ...(state === undefined ? {} : { state }) };
      return { refunds: [...(await refunds.list(filter))] };
    },
    async changeRefund({ params: { livestreamId, refundId }, body, grant }) {
      return { refund: done(await refunds.change(livestreamId, refundId, body.action, actorOf(grant))) };
    },
    async refundCallback({ body }) {
      const { refundId, state } = done(await refunds.told(body));
      return { refundId, state };
    },
  };
}

function done(outcome: RefundOutcome) {
  if (outcome.kind === 'refused') throw refusedWith(outcome.error);
  return outcome.refund;
}
