import type { Grant } from '../../contract/access.ts';
import { OrderAnswer, type PlaceOrder } from '../../contract/orders.ts';
import type { Buyer, PlaceOutcome } from '../orders/order-service.ts';
import { HttpError } from './request.ts';

/** Whose order it is. A token's device wins over what the body claims; `order` access guarantees a buyer. */
export function buyerOf(grant: Grant | null, order?: Pick<PlaceOrder, 'deviceId'>): Buyer {
  if (grant === null || grant.buyerId === null) throw new HttpError('forbidden');
  return { buyerId: grant.buyerId, deviceId: grant.deviceId ?? order?.deviceId ?? null };
}

/** An accepted order is created (201); a repeated key gets its order again (200). */
export const placedStatus: Record<'accepted' | 'duplicate', number> = { accepted: 201, duplicate: 200 };

/** Exactly what the contract says of an answer, whatever else the order carries inside the server. */
export function placedBody(outcome: Extract<PlaceOutcome, { kind: 'accepted' | 'duplicate' }>): OrderAnswer {
  return OrderAnswer.parse({ outcome: outcome.kind, order: outcome.order, payUrl: outcome.payUrl });
}
