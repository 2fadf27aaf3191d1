import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Order } from '../../contract/orders.ts';
import { deriveKey } from '../auth/keys.ts';

export type OrderLink = {
  /** `<orderId>~<mac>`: who holds it may see this order and pay it. Made on the hot path, so by one synchronous HMAC (no JWT). */
  tokenOf(orderId: string): string;
  /** null: not a token of ours. */
  orderIdOf(token: string): string | null;
  /** Where the buyer pays this order; empty where the shop has its own way. */
  payUrlOf(order: Pick<Order, 'orderId'>): string;
};

/** 128 bits of HMAC-SHA256: short enough for a link, too long to guess. */
const macBytes = 16;

export function createOrderLink(options: {
  readonly secret: string;
  /** The shop's payment page with `{orderId}` in it; it wins over the simulated one. */
  readonly paymentPageUrl: string | null;
  readonly demo: boolean;
}): OrderLink {
  const key = deriveKey(options.secret, 'order-link');
  const macOf = (orderId: string): Buffer => createHmac('sha256', key).update(orderId).digest().subarray(0, macBytes);
  const tokenOf = (orderId: string): string => `${orderId}~${macOf(orderId).toString('base64url')}`;
  return {
    tokenOf,
    orderIdOf(token) {
      const [orderId = '', mac = ''] = token.split('~', 2);
      const given = Buffer.from(mac, 'base64url');
      return given.length === macBytes && timingSafeEqual(given, macOf(orderId)) ? orderId : null;
    },
    payUrlOf({ orderId }) {
      if (options.paymentPageUrl !== null)
        return options.paymentPageUrl.replaceAll('{orderId}', encodeURIComponent(orderId));
      return options.demo ? `/pay/?order=${tokenOf(orderId)}` : '';
    },
  };
}
