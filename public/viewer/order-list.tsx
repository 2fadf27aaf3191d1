import { isUnpaid } from '../lib/order-book.ts';
import { OrderActions, OrderLines, PayClock, StateBadge } from './order-parts.tsx';
import { useViewer } from './store.ts';

/** The buyer's own orders, newest first. */
export function OrderList() {
  const viewer = useViewer();
  const words = viewer.words.value;
  const orders = viewer.orders.value;
  if (orders.length === 0) return <p class="empty">{words.noOrders}</p>;
  return (
    <ul class="orders">
      {orders.map((order) => (
        <li class="order" key={order.orderId} data-order={order.orderId}>
          <div class="order-head">
            <StateBadge order={order} />
            {isUnpaid(order) && <PayClock order={order} />}
          </div>
          <OrderLines order={order} />
          {order.state === 'refund_due' && <p class="quiet">{words.orderText.refund_due}</p>}
          <OrderActions order={order} />
        </li>
      ))}
    </ul>
  );
}
