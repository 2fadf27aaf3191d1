import type { WireError } from '../../contract/errors.ts';
import type {
  Order,
  OrderForOperator,
  OrderState,
  PaymentCallback,
  PaymentOutcome,
  PlaceOrder,
} from '../../contract/orders.ts';

/** What placing an order ends in; a refusal is a value. */
export type PlaceOutcome =
  | { readonly kind: 'accepted' | 'duplicate'; readonly order: Order; readonly payUrl: string }
  | { readonly kind: 'refused'; readonly error: WireError };

export type OrderOutcome =
  | { readonly kind: 'done'; readonly order: Order }
  | { readonly kind: 'refused'; readonly error: WireError };

export type Buyer = { readonly buyerId: string; readonly deviceId: string | null };

/** The order path for both rims (HTTP and sockets). Never rejects for anything a buyer, a gate or a ledger can do: refusals are values. */
export type OrderService = {
  /**
   * What every new order would be refused with now, whatever is in it: the server sheds, or the ledger is away. For rims that can say so
   * before they have looked at the request; not null counts as one refused order.
   */
  refusesNow(): WireError | null;
  place(livestreamId: string, buyer: Buyer, order: PlaceOrder): Promise<PlaceOutcome>;
  /** By the order's buyer (`buyerId`), or by an operator (`null`). An order of another livestream or buyer is `route_not_found`. */
  cancel(livestreamId: string, orderId: string, buyerId: string | null, actor: string): Promise<OrderOutcome>;
  /** `paymentId`: only this payment, which has no units; the order keeps its state if it has others. */
  refund(
    livestreamId: string,
    orderId: string,
    actor: string,
    reason: string,
    paymentId?: string | null,
  ): Promise<OrderOutcome>;
  /** The callback's signature has been checked by the rim. */
  pay(
    payment: PaymentCallback['data'],
  ): Promise<{ kind: 'done'; outcome: PaymentOutcome } | { kind: 'refused'; error: WireError }>;
  ordersOf(livestreamId: string, buyerId: string): Promise<readonly Order[]>;
  list(filter: {
    livestreamId: string;
    /** The whole id, or its beginning. */
    orderId?: string;
    state?: OrderState;
    buyerId?: string;
    refundDue?: boolean;
    before?: string;
    limit: number;
  }): Promise<readonly OrderForOperator[]>;
};
